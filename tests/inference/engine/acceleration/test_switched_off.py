"""The engine's laws hold without each acceleration, and without all of them.

Only one law may fail, and only without batch invariance: that rounding in a batch never decides a text. In these
requests no two tokens are so near.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from domainkit.inference.adapters.pool import NO_ADAPTER, PassRow
from domainkit.inference.backend import Completion, Request
from domainkit.inference.engine.acceleration import ALL_OFF, ALL_ON, Acceleration
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
SETTINGS = {f"without {f.name}": replace(ALL_ON, **{f.name: False}) for f in fields(Acceleration)} | {
    "all off": ALL_OFF
}
REQUESTS = [
    ask("hello"),
    ask("a longer question about nothing in particular " * 3),
    ask("sample", temperature=1.0, top_p=0.9, seed=5),
    ask("hot", temperature=2.0, seed=6),
    ask("schema", json_schema=SCHEMA, max_tokens=40),
    ask("regex", regex=r"[ab]{3,6}c"),
    ask("tool", tools=(TOOL,), tool_choice="any", max_tokens=90),
    ask("stop", stop=("z", "\n")),
    ask("logs", logprobs=True),
    ask("choose", choices=("alpha", "alpine", "beta")),
    ask("draw", choices=("alpha", "alpine", "beta"), temperature=1.0, seed=7),
]
HEAD = "a long beginning that all of these prompts have in common, " * 2


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS)
def engine(tiny_base: str, request: pytest.FixtureRequest) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny_base, None, "none", "cpu", acceleration=request.param)
    yield backend
    backend.close()


@pytest.fixture(autouse=True)
def small_shared_prefixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing pays off at once, so that prefixes this short are stored once where that is switched on."""
    monkeypatch.setattr("domainkit.inference.engine.kv_cache.MIN_COLUMNS_SAVED", 1)


def facts(answer: Completion) -> tuple[Any, ...]:
    calls = [(call.name, call.arguments) for call in answer.tool_calls]
    return answer.text, answer.finish_reason, answer.completion_tokens, calls, [t.token for t in answer.logprobs]


def one_by_one(backend: LocalBackend, requests: list[Request]) -> list[tuple[Any, ...]]:
    """Every request in a batch and with a prefix cache of its own."""
    answers = []
    for request in requests:
        backend.engine().prefixes.clear()
        answers += [facts(answer) for answer in backend.complete([request])]
    return answers


def test_greedy_ids_are_those_of_generate(engine: LocalBackend) -> None:
    requests = [ask(HEAD + text) for text in ("one", "two", "and a third")]
    answers = engine.complete(requests)
    engine.engine().pool.enter([PassRow(NO_ADAPTER)])
    for request, answer in zip(requests, answers, strict=True):
        prompt = torch.tensor([engine.prompt_ids(request)])
        out = engine.engine().model.generate(
            input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False
        )
        assert answer.text == engine.tokenizer.decode(out[0, prompt.shape[1] :], skip_special_tokens=True)


def test_a_batch_answers_as_each_request_alone_and_streamed(engine: LocalBackend, adapters: dict[str, str]) -> None:
    mixed = [ask(f"question {i}", adapter=adapters.get(name)) for i in range(2) for name in ("", "red", "blue", "dora")]
    requests, alone = [*REQUESTS, *mixed], []
    for request in requests:
        engine.engine().prefixes.clear()
        pieces = list(engine.stream(request))
        assert pieces[-1].completion is not None
        assert "".join(piece.text for piece in pieces) == pieces[-1].completion.text
        alone.append(facts(pieces[-1].completion))
    assert [facts(answer) for answer in engine.complete(requests)] == alone
    texts = {text for text, *_ in alone[len(REQUESTS) :]}
    assert len(texts) > 4, "adapters that answer alike prove nothing"


def test_a_shared_prefix_changes_no_answer(engine: LocalBackend, adapters: dict[str, str]) -> None:
    requests = [ask(HEAD + str(i), adapter=a) for i in range(4) for a in (None, adapters["red"])]
    requests += [ask(HEAD + "draw", temperature=1.0, seed=i) for i in range(4)]
    alone = one_by_one(engine, requests)
    engine.engine().prefixes.clear()
    for _ in ("computed together", "from the prefix cache"):
        assert [facts(answer) for answer in engine.complete(requests)] == alone


def results(backend: LocalBackend, adapters: dict[str, str]) -> tuple[list[Any], list[float], dict[str, float]]:
    """(answers, log-likelihoods of three texts by the base and by an adapter, probabilities of choices)"""
    requests = [*REQUESTS, *(ask("mixed", adapter=folder) for folder in adapters.values())]
    answers = backend.complete(requests)
    texts = ["yes", "no", "perhaps so"]
    scores = [s for a in (None, adapters["red"]) for s in backend.score(requests[0].messages, texts, adapter=a)]
    return [facts(a) for a in answers], scores, answers[len(REQUESTS) - 2].choice_probabilities


@pytest.fixture(scope="module")
def wanted(backend: LocalBackend, adapters: dict[str, str]) -> tuple[list[Any], list[float], dict[str, float]]:
    """What the engine with all accelerations gives."""
    return results(backend, adapters)


def test_all_accelerations_give_the_same_answers_and_scores(
    engine: LocalBackend, adapters: dict[str, str], wanted: tuple[list[Any], list[float], dict[str, float]]
) -> None:
    answers, scores, probabilities = results(engine, adapters)
    assert answers == wanted[0]
    assert scores == pytest.approx(wanted[1], abs=1e-3)
    assert probabilities == pytest.approx(wanted[2], abs=1e-4)


def test_what_is_switched_off_is_not_there(engine: LocalBackend) -> None:
    acceleration, scheduler = engine._acceleration, engine.engine()
    assert (scheduler.batch_invariance is not None) == acceleration.batch_invariance
    assert scheduler.runner.shared_prefix_attention == acceleration.shared_prefix_attention  # type: ignore[attr-defined]
    assert scheduler.runner.direct_passes == acceleration.direct_passes  # type: ignore[attr-defined]
    kinds = {type(module).__name__ for module in scheduler.model.modules()}
    mkl = torch.backends.mkl.is_available()
    assert ("SmallBatchLinear" in kinds) == (acceleration.small_batch_linear and mkl)
    implementation = scheduler.model.config._attn_implementation
    accelerated = acceleration.grouped_attention or acceleration.shared_prefix_attention
    assert (implementation == "sdpa") != accelerated
