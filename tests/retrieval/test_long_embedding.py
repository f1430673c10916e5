"""Very many texts are embedded in blocks: measured and refused beforehand, continued where they stopped."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from domainkit.errors import MachineError
from domainkit.retrieval import dense, long_embedding
from domainkit.retrieval.dense import DenseIndex
from domainkit.retrieval.long_embedding import duration, embed_in_blocks
from domainkit.storage import cache_dir

TEXTS = [f"text {i}" for i in range(10)]


class Slow(Embeddings):
    """Vectors of the texts' numbers; stops at the text `fatal`."""

    def __init__(self, seconds: float = 0.0, fatal: str = "") -> None:
        self.seconds, self.fatal = seconds, fatal
        self.asked: list[str] = []

    def identity(self) -> str:
        return "slow/1"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if self.fatal in texts and len(texts) > 1:
            raise KeyboardInterrupt
        self.asked += texts
        time.sleep(self.seconds * len(texts))
        return [[float(re.sub(r"\D", "", text)), 1.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(long_embedding, "SAMPLE", 2)
    for module in (long_embedding, dense):
        monkeypatch.setattr(module, "BLOCK", 4)


def test_blocks_give_the_vectors_of_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    index = DenseIndex.make(TEXTS, Slow(), cache=True, on_progress=lambda *step: seen.append(step))
    assert seen == [("embedding", done, 10) for done in (0, 4, 8, 10)]
    monkeypatch.setattr(dense, "BLOCK", 100)
    assert np.array_equal(index.rows, DenseIndex.make(TEXTS, Slow(), cache=False).rows)
    assert isinstance(index.rows, np.memmap)
    assert not list(cache_dir().rglob("*.partial"))
    second = Slow()
    DenseIndex.make(TEXTS, second, cache=True)
    assert second.asked == []


def test_an_interrupted_embedding_continues_where_it_stopped() -> None:
    with pytest.raises(KeyboardInterrupt):
        DenseIndex.make(TEXTS, Slow(fatal="text 9"), cache=True)
    (work,) = cache_dir().rglob("*.partial")
    with (work / "rows.f32").open("ab") as file:
        file.write(b"half a ro")
    again = Slow()
    rows = DenseIndex.make(TEXTS, again, cache=True).rows
    assert again.asked == TEXTS[8:]
    assert np.array_equal(rows, DenseIndex.make(TEXTS, Slow(), cache=False).rows)


def test_work_that_was_damaged_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "state.json").write_text('{"done": 8, "width": 2}')
    model = Slow()
    rows = embed_in_blocks(TEXTS, lambda texts: np.array(model.embed_documents(texts)), tmp_path / "work", 1.0)
    assert rows[:, 0].tolist() == list(range(10))


@pytest.mark.parametrize("cache", [True, False])
def test_what_would_take_too_long_is_refused_with_its_time(cache: bool) -> None:
    model = Slow(seconds=0.01)
    texts = [f"text {i}" for i in range(1_000_000)]
    with pytest.raises(MachineError) as refused:
        DenseIndex.make(texts, model, cache=cache, hours=0.5)
    assert len(model.asked) == 3, "a sample alone"
    said = str(refused.value)
    assert re.match(r"embedding 1,000,000 texts would take about [23] h.* on this machine; at most 30 min are al", said)
    assert re.search(r"retriever=lexical\), or allow it: embed_hours=[34]$", said)


def test_a_line_says_beforehand_how_long_it_takes(caplog: pytest.LogCaptureFixture) -> None:
    long_embedding_said = "embedding 10 texts takes about "
    with caplog.at_level(logging.WARNING), pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_embedding, "WORTH_SAYING", 0.0)
        DenseIndex.make(TEXTS, Slow(), cache=True)
    assert any(r.message.startswith(long_embedding_said) for r in caplog.records)


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (719, "12 min"), (5400, "90 min"), (27000, "7 h 30 min"), (7200, "2 h")]
)
def test_durations_are_read_at_a_glance(seconds: float, words: str) -> None:
    assert duration(seconds) == words
