"""Which passages stand in the prompts of training examples."""

from __future__ import annotations

import pytest

from domainkit import Document, Example, Turn
from domainkit.errors import ConfigError
from domainkit.retrieval import LexicalRetriever, training_passages

WORDS = ("amber", "birch", "cedar", "dove", "elm", "fern", "gorse", "heath", "iris", "jay")
DOCUMENTS = tuple(
    Document(id=w, source=w, title=w.title(), text=f"The {w} stands on row {i}.") for i, w in enumerate(WORDS)
)


def example(word: str, doc: str | None = None) -> Example:
    turns = (Turn(role="user", content=f"where is the {word}?"), Turn(role="assistant", content=f"row {word}"))
    return Example(turns=turns, doc_ids=(doc,) if doc else ())


def retriever(k: int) -> LexicalRetriever:
    return LexicalRetriever(documents=DOCUMENTS, k=k)


def ids(examples: list[Example], finder: LexicalRetriever, gold_share: float = 0.8, seed: int = 0) -> list[list[str]]:
    chosen = training_passages(examples, finder, gold_share=gold_share, seed=seed)
    return [[str(p.id) for p in passages] for passages in chosen]


def test_a_gold_passage_that_the_retriever_missed_is_put_in() -> None:
    [passages] = ids([example("elm", "jay")], retriever(2), gold_share=1.0)
    assert "jay" in passages
    assert len(passages) == 2


def test_the_stated_share_has_its_gold_passage_and_the_rest_never() -> None:
    examples = [example(w, w) for w in WORDS for _ in range(40)]
    chosen = ids(examples, retriever(2))
    with_gold = [e.doc_ids[0] in passages for e, passages in zip(examples, chosen, strict=True)]
    assert 0.74 < sum(with_gold) / len(with_gold) < 0.86
    assert all(len(passages) == 2 for passages in chosen)
    without = ids(examples, retriever(2), gold_share=0)
    assert not any(e.doc_ids[0] in passages for e, passages in zip(examples, without, strict=True))


def test_the_gold_passage_that_contains_the_answer_is_preferred() -> None:
    parts = ("The hive is green.", "It stands on row elm, by the shed.", "The smoker lies in the hive shed.")
    hive = [Document(id=f"hive#{i}", source="hive", text=t, meta={"parent": "hive"}) for i, t in enumerate(parts)]
    other = Document(id="other", source="other", text="where is the elm? elm elm")
    finder = LexicalRetriever(documents=(other, *hive), k=1)
    assert ids([example("elm", "hive")], finder, gold_share=1.0) == [["hive#1"]]
    assert ids([example("elm", "hive")], finder, gold_share=0.0) == [["other"]]


def test_rows_without_documents_keep_what_the_retriever_found() -> None:
    assert ids([example("fern")], retriever(1), gold_share=0.0) == [["fern"]]


def test_the_same_seed_gives_the_same_passages() -> None:
    examples = [example(w, w) for w in WORDS]
    assert ids(examples, retriever(3), seed=1) == ids(examples, retriever(3), seed=1)
    assert ids(examples, retriever(3), seed=1) != ids(examples, retriever(3), seed=2)


def test_documents_of_another_corpus_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"name documents that are not in the corpus, such as 'attic'"):
        ids([example("elm", "attic")], retriever(1))


def test_a_share_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"(?s)gold_share=80 is not between 0 and 1.*0\.8 is the default"):
        ids([example("elm")], retriever(1), gold_share=80)
