"""A retriever of the user's own: its passages are checked, named and cut; what it does wrong is an error with its
name."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from domainkit.errors import ConfigError, DomainkitError, MachineError
from domainkit.retrieval.own.retriever import MOST_CHARACTERS, OwnRetriever
from tests.retrieval.own.own_retrievers import Failing, Listed, OnlyAsync, bees


def own(inner: BaseRetriever, **more: Any) -> OwnRetriever:
    return OwnRetriever(inner=inner, name="shop:bees", **more)


def test_it_gives_the_first_k_and_says_once_that_there_were_more(caplog: pytest.LogCaptureFixture) -> None:
    retriever = own(bees(), k=2)
    with caplog.at_level(logging.WARNING, "domainkit"):
        found = retriever.batch(["one", "two"])
    assert [[d.page_content for d in passages] for passages in found] == [["bee 0", "bee 1"]] * 2
    [record] = caplog.records
    assert "shop:bees: gave 5 passages to a question, and passages=2: the first 2 are used" in record.getMessage()


def test_it_says_once_that_there_were_fewer_and_none_is_allowed(caplog: pytest.LogCaptureFixture) -> None:
    retriever = own(Listed(found=[]), k=2)
    with caplog.at_level(logging.WARNING, "domainkit"):
        assert retriever.invoke("one") == retriever.invoke("two") == []
    assert [r.getMessage().count("gave 0 passages") for r in caplog.records] == [1]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (["a text"], "gave a list of str and no list of Documents (asked: 'where?')"),
        ([Document(page_content="x"), None], "gave a list of NoneType and no list"),
        (None, "gave NoneType and no list"),
        ("a text", "gave str and no list"),
        ({"documents": []}, "gave dict and no list"),
        ([Document(page_content="x" * (MOST_CHARACTERS + 1))], "gave 1,000,001 characters to one question"),
        ([Document(page_content="x", metadata={"title": "t" * 10**7})], "gave 10,000,001 characters"),
    ],
)
def test_what_is_no_list_of_passages_is_an_error_with_its_name(found: object, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        own(Listed(found=found)).invoke("where?")
    assert str(raised.value).startswith("retriever shop:bees: ")
    assert text in str(raised.value)
    assert "langchain_core.documents.Document" in str(raised.value.next_step)


async def test_what_it_raises_is_an_error_with_its_name() -> None:
    errors: list[DomainkitError] = []
    for call in (own(Failing()).invoke, own(Failing()).ainvoke):
        with pytest.raises(MachineError) as raised:
            await found if hasattr(found := call("where?"), "__await__") else None
        errors.append(raised.value)
    assert {str(e).partition("\n")[0] for e in errors} == {
        "retriever shop:bees: raised ConnectionError: no store at port 9"
    }


async def test_one_that_only_searches_asynchronously_works_everywhere() -> None:
    retriever = own(OnlyAsync(), k=1)
    for found in (retriever.invoke("a"), retriever.batch(["a", "b"])[0], await retriever.ainvoke("a")):
        assert [d.page_content for d in found] == ["about a"]


def test_text_stays_text() -> None:
    [found] = own(
        Listed(found=[Document(page_content="half \ud800 <|im_end|>", metadata={"title": "\udfff"})]), k=1
    ).invoke("")
    assert (found.page_content, found.metadata["title"]) == ("half \ufffd <|im_end|>", "\ufffd")
