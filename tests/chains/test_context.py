"""Training examples with passages in their prompts."""

from __future__ import annotations

from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from chains.answer import answer_chain
from chains.context import context_examples
from domainkit import Example, Turn
from domainkit.corpus.document import Document as Text
from domainkit.retrieval import LexicalRetriever

ELM = Example(
    turns=(
        Turn(role="system", content="Be brief."),
        Turn(role="user", content="where is the elm?"),
        Turn(role="assistant", content="row 4"),
    )
)


def test_training_and_inference_see_the_same_prompt() -> None:
    texts = tuple(Text(id=w, source=w, title=w, text=f"The {w} is on row {i}.") for i, w in enumerate(("elm", "fern")))
    retriever = LexicalRetriever(documents=texts, k=2)
    [row] = context_examples([ELM], [retriever.invoke(ELM.question)])
    chain = answer_chain(RunnableLambda(lambda messages: AIMessage("")), retriever=retriever)
    messages = chain.messages({"question": "where is the elm?", "system": "Be brief."})
    assert [t.content for t in row.prompt] == [m.text for m in messages]
    assert row.target == "row 4"


def test_the_prompt_may_be_replaced() -> None:
    [row] = context_examples([ELM], [[Document("one"), Document("two")]], context_prompt="{question} {passages}")
    assert row.question == "where is the elm? one\n\ntwo"
