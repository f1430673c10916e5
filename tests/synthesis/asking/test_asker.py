"""A reply is paid for once and kept; a provider that is busy is asked again, one that refuses ends the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from domainkit.errors import MachineError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.llm.named_model import find_model
from domainkit.synthesis.asking.asker import Asker, Reply
from domainkit.synthesis.asking.requests import closed_book
from domainkit.synthesis.budget import Budget, TokenPrice
from tests.synthesis.scripted import Script, Scripted

REQUESTS = [closed_book(f"question {i}?") for i in range(4)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RowStore]:
    with RowStore(tmp_path / "replies.jsonl") as store:
        yield store


def asker(store: RowStore, script: Script, budget: Budget | None = None) -> tuple[Asker, Scripted]:
    model = Scripted(script)
    return Asker("base", find_model(model, "base"), TokenPrice(1.0, 2.0), store, budget or Budget()), model


def test_replies_come_in_order_and_are_paid_for_once(store: RowStore) -> None:
    first, model = asker(store, lambda text: AIMessage(text.upper(), response_metadata={"finish_reason": "length"}))
    replies = first.ask([*REQUESTS, REQUESTS[0]])
    assert replies[1] == Reply("QUESTION 1?", cut_off=True)
    assert replies[4] == replies[0]
    assert (len(model.calls), first.budget.total.calls, first.budget.total.tokens) == (4, 4, 600)
    again, other = asker(store, lambda text: "never asked")
    assert again.ask(REQUESTS) == replies[:4]
    assert (other.calls, again.from_disk, again.budget.total) == ([], 4, first.budget.total)


def test_the_budget_ends_the_run_between_two_requests(store: RowStore) -> None:
    limited, model = asker(store, lambda text: "yes", Budget(calls=2))
    assert [reply is not None for reply in limited.ask(REQUESTS)] == [True, True, False, False]
    assert len(model.calls) == 2
    assert limited.budget.ended_by == "2 calls"


def test_a_provider_that_answers_nothing_is_named(store: RowStore) -> None:
    refusing, _ = asker(store, lambda text: ValueError("the prompt was refused"))
    with pytest.raises(MachineError, match="the prompt was refused"):
        refusing.ask(REQUESTS)


def test_one_request_that_fails_is_counted_and_the_others_are_answered(store: RowStore) -> None:
    some, _ = asker(store, lambda text: ValueError("too long") if "1" in text else "yes")
    assert [reply is not None for reply in some.ask(REQUESTS)] == [True, False, True, True]
    assert len(some.failures) == 1
    assert "too long" in some.failures[0]


def test_refused_requests_end_a_run_only_while_nothing_was_answered(store: RowStore) -> None:
    some, _ = asker(store, lambda text: "yes" if "0" in text else ValueError("filtered"))
    some.max_concurrency = 1
    assert [reply is not None for reply in some.ask(REQUESTS)] == [True, False, False, False]
    assert len(some.failures) == 3


def test_a_model_that_writes_more_than_expected_does_not_pass_its_budget(store: RowStore) -> None:
    usage = {"input_tokens": 100, "output_tokens": 3000, "total_tokens": 3100}
    some, model = asker(store, lambda text: AIMessage(text, usage_metadata=usage), Budget(tokens=7000))
    some.ask(REQUESTS)
    assert (len(model.calls), some.budget.total.tokens) == (2, 6200)
