"""The base class of retrievers: what is searched, what a passage says of itself, and a preparation that fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from domainkit.corpus.document import Document, Mark
from domainkit.errors import MachineError
from domainkit.retrieval.passages import PassageRetriever, Ranking, best, indexed_text, placed_text

BEES = Document(id="bees", title="Bees", text="They make honey.", source="a.md", meta={"year": 1980, "score": "mine"})
CHUNK = Document(id="ants#2", text="They carry leaves.", source="b.md", meta={"parent": "ants"})


class InOrder(PassageRetriever):
    """Every document, in order; its preparation can fail."""

    failing: bool = False

    def rank(self, question: str, k: int) -> Ranking:
        if self.failing:
            raise MachineError("no model")
        return [(row, 1.0 - row / 10) for row in range(len(self.documents))][:k]

    def prepare(self, questions: Sequence[str]) -> None:
        if self.failing:
            raise MachineError("no model")


def test_the_title_is_searched_with_the_text() -> None:
    assert indexed_text(BEES) == "Bees\nThey make honey."
    assert indexed_text(CHUNK) == "They carry leaves."


def test_equal_scores_keep_the_order_of_the_documents() -> None:
    assert best(np.array([0.5, 2.0, 0.5, 2.0], np.float32), 3) == [(1, 2.0), (3, 2.0), (0, 0.5)]


def test_a_passage_names_its_document_and_keeps_the_rows_other_fields() -> None:
    bees, chunk = InOrder(documents=(BEES, CHUNK)).invoke("?")
    assert bees.metadata == {
        "id": "bees",
        "title": "Bees",
        "source": "a.md",
        "score": 1.0,
        "parent": "bees",
        "year": 1980,
        "row_score": "mine",
    }
    assert (chunk.metadata["parent"], chunk.id, chunk.metadata["score"]) == ("ants", "ants#2", 0.9)


def test_a_preparation_that_fails_ends_a_batch_or_is_the_answer_of_each_question() -> None:
    retriever = InOrder(documents=(BEES,), failing=True)
    with pytest.raises(MachineError, match="no model"):
        retriever.batch(["a", "b"])
    assert [type(answer) for answer in retriever.batch(["a", "b"], return_exceptions=True)] == [MachineError] * 2


def test_a_passage_begins_with_its_headings_and_page() -> None:
    mark = Mark(start=0, page=3, headings=("Food", "Sugar"))
    passage = Document(text="Two to one.", source="a.pdf", id="a#2", title="Bees", marks=(mark,), meta={"page": 3})
    assert placed_text(passage) == "[Food > Sugar, page 3]\nTwo to one."
    assert indexed_text(passage) == "Bees\n[Food > Sugar, page 3]\nTwo to one."
    said = passage.model_copy(update={"text": "Sugar\n\nTwo to one.", "meta": {"format": "pptx"}})
    assert placed_text(said) == "[Food, slide 3]\nSugar\n\nTwo to one."
    plain = Document(text="Two.", source="a.jsonl", id="a", meta={"page": 3, "headings": ["Food"]})
    assert placed_text(plain) == "Two."  # a row's own fields are not where it stands
