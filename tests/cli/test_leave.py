"""domainkit leave: what it says at the end, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.cli.leave import tell
from domainkit.leaving.decision import decide_leaving
from tests.cli.command import domainkit
from tests.leaving.made_up import HALF, ONES, left


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (ONES, ["MAY LEAVE", "Next: domainkit serve 'run#tuned'"]),
        (HALF, ["NOT YET", "how many more would close the gap is not measured", "Next: look at the questions it lost"]),
        (ONES[:40], ["CANNOT TELL YET", "Next: add test questions and run the same command again"]),
    ],
)
def test_each_verdict_ends_with_a_next_step(
    ours: list[float], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tell(decide_leaving(left({"incumbent": ONES[: len(ours)], "tuned": ours})), Path("run"))
    printed = " ".join(capsys.readouterr().out.split())
    assert not [words for words in said if words not in printed]


def test_the_report_makes_the_certificate_again(tmp_path: Path) -> None:
    left({"incumbent": ONES[:40], "tuned": ONES[:40]}).save(tmp_path / "results.json")
    done = domainkit("report", tmp_path)
    assert done.returncode == 0
    assert f"Wrote {tmp_path / 'certificate.html'} and {tmp_path / 'certificate.md'}" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "t.jsonl"], "missing: --incumbent, --train, --out"),
        (["--incumbent", "m", "--adapter", "a", "fit.epochs=2"], "--adapter: fit is set, but an adapter is given"),
        (["--incumbent", "m", "--margin", "0"], "margin"),
        (["--incumbent", "m", "varaints=x"], "unknown option 'varaints'"),
        (["--incumbent", "nosuch:model:x"], "incumbent nosuch:model:x"),
    ],
)
def test_what_is_refused(words: list[str], message: str, tmp_path: Path) -> None:
    row = '{"input": "a", "target": "b"}\n'
    for name in ("train", "task"):
        (tmp_path / f"{name}.jsonl").write_text(row * 2)
    given = ["--train", tmp_path / "train.jsonl", "--task", tmp_path / "task.jsonl", "--out", tmp_path / "run"]
    done = domainkit("leave", *words, *([] if message.startswith("missing") else given))
    assert done.returncode == 2
    assert message in done.stderr
    assert "next:" in done.stderr
