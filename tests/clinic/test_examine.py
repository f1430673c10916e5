"""Every kind of fault is found in rows that have it, with its place; nothing is shown that is personal."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from domainkit.clinic import examine as module
from domainkit.clinic.examine import examine
from domainkit.clinic.fix import fix
from tests.cli.command import domainkit

WORDS = {
    "card": ("card", "chip", "pin", "contactless", "plastic"),
    "loan": ("loan", "interest", "mortgage", "repay", "instalment"),
    "fee": ("fee", "charge", "cost", "price", "expensive"),
}
FRAMES = (
    "please tell me about the {} of my {} now",
    "what does your {} do with a {} abroad",
    "is there a {} for this {}, or not",
)


def rows() -> list[dict[str, Any]]:
    chance = random.Random(0)
    made = [
        {"input": f"{chance.choice(FRAMES).format(*chance.sample(words, 2))} case{label[0]}{i:02}", "target": label}
        for label, words in WORDS.items()
        for i in range(30)
    ]
    made[0]["target"] = "fee"  # wrong
    made[10] = {**made[11]}  # a copy
    made[20] = {**made[21], "target": "loan"}  # a contradiction
    made[30]["input"] += " mail jane.doe@provider.org"
    made[31]["note"] = {"account": ["DE89 3704 0044 0532 0130 00"]}
    made[40]["input"] = "Warum ist meine Hypothek noch nicht da und wo kann ich das sehen?"
    made[50]["target"] = "rare one"
    return made


@pytest.fixture(autouse=True)
def _no_sentence_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with many rows: no model is loaded."""
    monkeypatch.setattr(module, "EMBEDDED_AT_MOST", 10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    return path


def test_each_fault_is_found_at_its_row(file: Path) -> None:
    found = examine(file)
    at = {(f.kind, f.row) for f in found.findings}
    wanted = {
        ("wrong label", 1),
        ("near-duplicate", 12),
        ("personal data", 31),
        ("personal data", 32),
        ("other language", 41),
    }
    assert wanted | {("rare label", 51)} <= at
    assert ("contradiction", 21) in at or ("contradiction", 22) in at
    assert found.labels
    assert all(f.place == f"{file}:{f.row}" for f in found.findings)
    assert (
        "90 rows are more than the 10 that are embedded: no outliers, and wrong labels by TF-IDF alone" in found.notes
    )
    wrong = next(f for f in found.findings if f.kind == "wrong label" and f.row == 1)
    assert wrong.value == "card"
    assert "a model that did not see the row gives 'fee'" in wrong.reason


def test_no_value_is_shown(file: Path) -> None:
    dump = "".join(f.model_dump_json() for f in examine(file).findings)
    assert "[EMAIL]" in dump
    assert "jane" not in dump
    assert "0532" not in dump


def test_findings_are_marked_and_done_by_the_command(file: Path, tmp_path: Path) -> None:
    found = domainkit("check", file, "--deep", "--out", tmp_path / "found.jsonl")
    assert found.returncode == 0, found.stderr
    assert "Nothing was changed." in found.stdout
    assert f"--fix {tmp_path / 'found.jsonl'} --out fixed.jsonl" in found.stdout
    lines = (tmp_path / "found.jsonl").read_text(encoding="utf-8").replace('"accept":false', '"accept":true')
    (tmp_path / "found.jsonl").write_text(lines, encoding="utf-8")
    kept = [line for line in lines.splitlines() if json.loads(line)["kind"] in ("personal data", "near-duplicate")]
    (tmp_path / "some.jsonl").write_text("\n".join(kept), encoding="utf-8")
    done = domainkit("check", file, "--fix", tmp_path / "some.jsonl", "--out", tmp_path / "fixed.jsonl")
    assert done.returncode == 0, done.stderr
    fixed = (tmp_path / "fixed.jsonl").read_text(encoding="utf-8")
    assert "jane" not in fixed
    assert '"account": ["[IBAN]"]' in fixed
    assert "2 values masked" in done.stdout
    assert domainkit("check", file, "--deep", "--out", tmp_path / "found.jsonl").returncode == 2


def test_options_that_do_not_go_together_are_refused(file: Path) -> None:
    assert "nothing is to be written" in domainkit("check", file, "--out", "x.jsonl").stderr
    assert "--deep and --fix are separate steps" in domainkit("check", file, "--deep", "--fix", "x.jsonl").stderr
    assert "missing: --out" in domainkit("check", file, "--fix", "x.jsonl").stderr


def test_several_good_answers_are_counted_only(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    data = [{"input": f"describe {i // 2} in a sentence", "target": f"answer {i} of many"} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    found = examine(path)
    assert "contradiction" not in found.counts
    assert any(note.startswith("20 rows have another answer to the question of an earlier row") for note in found.notes)


def test_pairs_are_examined_and_fixed(tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in "bcdfg" for b in "aeiou"]
    data = [{"prompt": f"{w} {w[::-1]} ask", "chosen": f"good {w}", "rejected": f"bad {w}"} for w in words]
    data += [dict(data[3]), {**data[5], "chosen": data[5]["rejected"], "rejected": data[5]["chosen"]}]
    data[7]["rejected"] = "write to jane.doe@provider.org"
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    found = examine(path)
    assert {(f.kind, f.row) for f in found.findings} == {
        ("near-duplicate", 26),
        ("contradiction", 27),
        ("personal data", 8),
    }
    reasons = {f.kind: f.reason for f in found.findings}
    assert reasons["near-duplicate"] == f"the same question and the same answers as {path}:4"
    assert reasons["contradiction"] == f"the same question, where the better answer is the worse one at {path}:6"
    found.write(tmp_path / "found.jsonl")
    marked = (tmp_path / "found.jsonl").read_text(encoding="utf-8").replace('"accept":false', '"accept":true')
    (tmp_path / "found.jsonl").write_text(marked, encoding="utf-8")
    done = fix(path, tmp_path / "found.jsonl", tmp_path / "fixed.jsonl")
    assert (done.written, done.deleted, done.masked, done.not_done) == (25, 2, 1, ())
