"""route: each question to its chain, in order, one failure disturbing no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from chains.router import by_choice, by_embedding, route
from domainkit import DomainLLM, Variant, compare


class Letters(Embeddings):
    """A vector of how often a and b occur."""

    def embed_query(self, text: str) -> list[float]:
        return [text.count("a") + 0.01, text.count("b") + 0.01]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(t) for t in texts]


CHAINS = {name: RunnableLambda(lambda q, name=name: AIMessage(f"{name}: {q}")) for name in ("first", "second")}


def test_questions_go_to_the_nearest_route_and_come_back_in_order() -> None:
    pick = by_embedding({"first": ["aaa", "aa"], "second": ["bbb"]}, Letters())
    answers = route(CHAINS, pick).batch(["ab a", "bbb", "aaa"])
    assert [a.text for a in answers] == ["first: ab a", "second: bbb", "first: aaa"]
    assert answers[1].response_metadata["route"] == "second"
    assert route(CHAINS, pick).invoke("b").text == "second: b"


def test_the_model_chooses_a_name_by_grammar(tiny_base: str) -> None:
    llm = DomainLLM(base=tiny_base, quantization="none")
    pick = by_choice(llm, {"first": "money", "second": "bees"})
    assert set(pick(["x", "y", "z"])) <= {"first", "second"}


def test_an_unknown_route_names_the_chains() -> None:
    with pytest.raises(ValueError, match="routes without a chain: third; chains: first, second"):
        route(CHAINS, lambda qs: ["third"] * len(qs)).invoke("x")


def test_one_failure_fails_no_other_question() -> None:
    def answer(question: str) -> str:
        if question == "bad":
            raise ValueError("no")
        return question

    good, bad = route({"only": RunnableLambda(answer)}, lambda qs: ["only"] * len(qs)).batch(
        ["good", "bad"], return_exceptions=True
    )
    assert good == "good"
    assert isinstance(bad, ValueError)


def test_a_router_is_a_variant(tmp_path: Path) -> None:
    """Two experts, each right on its own letter only: the router is right on all."""
    rows = [{"id": f"{c}{i}", "input": f"{c * 3} {i}", "target": c} for i in range(4) for c in "ab"]
    task = tmp_path / "task.jsonl"
    task.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    experts = {c: RunnableLambda(lambda q, c=c: AIMessage(c, response_metadata={"passages": []})) for c in "ab"}
    router = route(experts, by_embedding({"a": ["aa"], "b": ["bb"]}, Letters()))
    found = compare(
        task,
        [
            Variant(name=n, family="custom", description="A test's own.", runnable=r)
            for n, r in {**experts, "router": router}.items()
        ],
        tmp_path / "run",
        kind="label",
        baseline="a",
        latency_items=2,
    )
    accuracy = {v.name: v.metrics["label_accuracy"].value for v in found.variants}
    assert accuracy == {"a": 0.5, "b": 0.5, "router": 1.0}
    router_row = found.variants[-1]
    assert (router_row.failures, router_row.latency.n) == (0, 2)
    assert router_row.difference is not None
    assert (router_row.difference.wins, router_row.difference.losses) == (4, 0)
