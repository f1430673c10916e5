"""Training examples with passages in their prompts."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from chains.answer import answer_chain
from chains.context import context_examples
from domainkit import Document, Example, Turn
from domainkit.errors import ConfigError
from domainkit.retrieval import LexicalRetriever

WORDS = ("amber", "birch", "cedar", "dove", "elm", "fern", "gorse", "heath", "iris", "jay")
DOCUMENTS = tuple(
    Document(id=w, source=w, title=w.title(), text=f"The {w} stands on row {i}.") for i, w in enumerate(WORDS)
)


def example(word: str, doc: str | None = None, system: str = "") -> Example:
    turns = [Turn(role="user", content=f"where is the {word}?"), Turn(role="assistant", content=f"row {word}")]
    if system:
        turns.insert(0, Turn(role="system", content=system))
    return Example(turns=tuple(turns), doc_ids=(doc,) if doc else ())


def retriever(k: int) -> LexicalRetriever:
    return LexicalRetriever(documents=DOCUMENTS, k=k)


def text_of(document: str) -> str:
    return next(d.text for d in DOCUMENTS if d.id == document)


def test_what_is_trained_is_what_is_asked() -> None:
    [shown] = context_examples([example("elm", "elm", system="Be brief.")], retriever(2), gold_share=1.0)
    model = RunnableLambda(lambda messages: AIMessage(""))
    chain = answer_chain(model, retriever=retriever(2))
    asked = chain.messages({"question": "where is the elm?", "system": "Be brief."})
    assert [t.content for t in shown.prompt] == [m.text for m in asked]
    assert shown.target == "row elm"


def test_a_missed_gold_passage_is_put_in() -> None:
    [shown] = context_examples([example("elm", "jay")], retriever(2), gold_share=1.0)
    assert text_of("jay") in shown.question
    assert shown.question.count("stands on row") == 2


def test_the_stated_share_sees_its_gold_passage_and_the_rest_never() -> None:
    examples = [example(w, w) for w in WORDS for _ in range(40)]
    shown = context_examples(examples, retriever(2), gold_share=0.8)
    with_gold = [text_of(e.doc_ids[0]) in e.question for e in shown]
    assert 0.74 < sum(with_gold) / len(with_gold) < 0.86
    assert all(e.question.count("stands on row") == 2 for e in shown)
    assert not any(text_of(e.doc_ids[0]) in e.question for e in context_examples(examples, retriever(2), gold_share=0))


def test_of_a_gold_document_the_passage_that_spells_the_answer_is_shown() -> None:
    parts = ("The hive is green.", "It stands on row elm, by the shed.", "The smoker lies in the hive shed.")
    hive = [Document(id=f"hive#{i}", source="hive", text=t, meta={"parent": "hive"}) for i, t in enumerate(parts)]
    other = Document(id="other", source="other", text="where is the elm? elm elm")
    finder = LexicalRetriever(documents=(other, *hive), k=1)
    [shown] = context_examples([example("elm", "hive")], finder, gold_share=1.0)
    assert "row elm" in shown.question
    [without] = context_examples([example("elm", "hive")], finder, gold_share=0.0)
    assert "elm elm" in without.question


def test_rows_without_documents_keep_what_was_found() -> None:
    [shown] = context_examples([example("fern")], retriever(1), gold_share=0.0)
    assert text_of("fern") in shown.question


def test_the_same_seed_gives_the_same_rows() -> None:
    examples = [example(w, w) for w in WORDS]
    assert context_examples(examples, retriever(3), seed=1) == context_examples(examples, retriever(3), seed=1)
    assert context_examples(examples, retriever(3), seed=1) != context_examples(examples, retriever(3), seed=2)


def test_documents_of_another_corpus_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"name documents that are not in the corpus, such as 'attic'"):
        context_examples([example("elm", "attic")], retriever(1))


def test_a_share_is_a_share() -> None:
    with pytest.raises(ConfigError, match=r"(?s)gold_share=80 is not between 0 and 1.*0\.8 is the default"):
        context_examples([example("elm")], retriever(1), gold_share=80)
