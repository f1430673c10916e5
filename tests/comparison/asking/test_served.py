"""A comparison whose base is answered by a server: checked before, asked once, and said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domainkit import TrainConfig, compare
from domainkit.errors import BaseModelError, ConfigError, MachineError, PromptTooLongError
from domainkit.evaluation.answers_on_disk import Row
from domainkit.results.schema import Results
from domainkit.retrieval import MiniLMEmbeddings
from domainkit.winner.load import load_variant
from tests.inference.server.scripted_server import Scripted, answer, models, scripted
from tests.inference.server.test_served_base import CHAT, vllm

TRAIN = [{"input": f"Where is box {i}?", "target": ("left", "right")[i % 2]} for i in range(8)]
TASK = [{"id": str(i), "input": f"Where is crate {i}?", "target": ("left", "right")[i % 2]} for i in range(12)]


@pytest.fixture(autouse=True)
def no_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leakage by meaning is another test's, and loads a model."""

    def missing(self: MiniLMEmbeddings) -> str:
        raise MachineError("not here", next_step="none")

    monkeypatch.setattr(MiniLMEmbeddings, "resolve", missing)


def run(server: Scripted, base: str, out: Path, **options: Any) -> Results:
    given = {"variants": ["zero-shot", "few-shot"], "latency_items": 0, "batch_size": 4, "max_tokens": 8, **options}
    return compare(TASK, train=TRAIN, out=out, base=base, server=server.url, **given)


def chosen(body: dict[str, Any]) -> tuple[int, Any]:
    return 200, answer(body["structured_outputs"]["choice"][0])


def test_a_killed_run_is_continued_and_asks_nothing_twice(tiny_base: str, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(name: str, done: int, of: int) -> None:
        if name == "few-shot" and done == 4:
            raise Killed

    with scripted({**vllm(tiny_base), CHAT: chosen}) as server:
        with pytest.raises(Killed):
            run(server, tiny_base, tmp_path, on_progress=kill)
        assert 12 + 4 <= len(server.bodies(CHAT)) < 24
        results = run(server, tiny_base, tmp_path)
        asked = Counter(str(body["messages"]) for body in server.bodies(CHAT))
        assert set(asked.values()) == {1}
        assert len(asked) == 24
        run(server, tiny_base, tmp_path)
        assert len(server.bodies(CHAT)) == 24, "a finished run asks nothing"
        assert (results.model["server"]["engine"], results.model["server"]["root"]) == ("vLLM 0.33.0", tiny_base)
        assert results.model["checks"]["base"]["template and tokenizer"].startswith("checked: the same token ids")
        assert "server asks" not in (tmp_path / "report.md").read_text()
        assert "vLLM 0.33.0" in (tmp_path / "report.md").read_text()
        assert load_variant(tmp_path, "few-shot").invoke("Where is crate 1?").text == "left"
        assert len(server.bodies(CHAT)) == 25, "what was measured on a server is asked there"
        server.routes["/v1/models"] = models("the-base", max_model_len=2048, root="/other")
        run(server, tiny_base, tmp_path)
        assert len(server.bodies(CHAT)) == 25 + 24, "other weights are asked anew"


def test_faults_are_asked_again_or_are_that_answer_s_error(tiny_base: str, tmp_path: Path) -> None:
    faults: list[tuple[int, Any]] = [
        (429, {"error": {"message": "slow down"}}),
        (500, {"error": {"message": "once"}}),
        (0, None),
        (200, b'{"choices": [{"message": {"con'),
        (200, {**answer("left"), "usage": {"prompt_tokens": "many"}}),
    ]
    with scripted({**vllm(tiny_base), CHAT: lambda body: faults.pop() if faults else chosen(body)}) as server:
        results = run(server, tiny_base, tmp_path, variants=["zero-shot"])
        rows = [Row.model_validate_json(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        failed = [row.error for row in rows if row.error and row.variant == "zero-shot"]
        assert len(failed) == 1, "counts of tokens that are none lose no answer"
        assert "not in OpenAI's chat format" in str(failed[0])
        run(server, tiny_base, tmp_path, variants=["zero-shot"])
        assert len(server.bodies(CHAT)) == 12 + 3 + 1, "again: three that failed at once, and one on the next run"
    assert results.task.n == 12


def test_nothing_is_asked_of_a_server_that_reads_otherwise(tiny_base: str, tmp_path: Path) -> None:
    with scripted(vllm(tiny_base, shift=1)) as server:
        with pytest.raises(BaseModelError, match="reads another prompt than the base here"):
            run(server, tiny_base, tmp_path)
        with pytest.raises(BaseModelError, match="reads another prompt than the base here"):
            run(server, tiny_base, tmp_path / "fit", variants=["tuned"], fit=TrainConfig(base=tiny_base))
        assert not (tmp_path / "fit" / "adapters").exists(), "nothing was trained either"
        assert not server.bodies(CHAT)
    with scripted({**vllm(tiny_base), "/v1/models": models("the-base", max_model_len=300)}) as server:
        with pytest.raises(PromptTooLongError, match=r"variant 'few-shot' cannot be asked: the prompt has \d+ tokens"):
            run(server, tiny_base, tmp_path)
        assert not server.bodies(CHAT)


def test_an_address_with_a_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DOMAINKIT_SERVER_KEY") as e:
        compare(TASK, None, tmp_path / "run", server="http://me:secret-1@host")
    assert "secret-1" not in str(e.value)


def test_a_server_that_no_variant_asks_is_named(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted({}) as server:
        run(server, tiny_base, tmp_path, variants=["classical"])
        assert not server.asked
    assert "server is not used by any of the variants" in caplog.text
