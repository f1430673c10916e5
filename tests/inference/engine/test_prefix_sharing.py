"""Prefix sharing: plans are exact and worth a pass, and a shared prefix changes no answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.inference.engine.prefix_sharing import MIN_GAIN, plan_sharing
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask

PROMPTS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 3), st.integers(1, 60)).map(
        lambda t: [7] * 30 + [t[0]] * 40 + [10 + t[1]] * t[2]
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=80, deadline=None)
@given(PROMPTS)
def test_every_plan_is_exact_independent_of_its_round_and_saves_enough(prompts: list[list[int]]) -> None:
    cached = [0] * len(prompts)
    for plans in plan_sharing(prompts, cached, [len(p) - 1 for p in prompts]):
        busy: set[int] = set()
        for plan in plans:
            group = [plan.leader, *plan.followers]
            assert not busy & set(group), "the plans of a round are independent"
            busy |= set(group)
            assert len({tuple(prompts[i][: plan.n_tokens]) for i in group}) == 1
            assert all(plan.n_tokens < len(prompts[i]) for i in group), "every sequence reads its own last token"
            assert sum(plan.n_tokens - cached[i] for i in plan.followers) >= MIN_GAIN
            for i in group:
                cached[i] = max(cached[i], plan.n_tokens)


def test_prompts_share_what_all_and_what_some_have_in_common() -> None:
    prompts = [[7] * 50 + [family] * 50 + [100 + i] for family in (1, 2) for i in range(4)]
    cached = [0] * 8
    rounds = []
    for plans in plan_sharing(prompts, cached, [len(p) - 1 for p in prompts]):
        rounds.append(sorted(p.n_tokens for p in plans))
        for plan in plans:
            for i in (plan.leader, *plan.followers):
                cached[i] = plan.n_tokens
    assert rounds == [[50], [100, 100]]


HEAD = "a long beginning that many prompts have in common, " * 3


def test_a_common_prefix_is_computed_once(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = backend.engine()
    execute, tokens_read = engine.executor.execute, [0]

    def counted(runner: object, chunks: list) -> object:
        tokens_read[0] += sum(len(chunk.tokens) for chunk in chunks)
        return execute(runner, chunks)

    monkeypatch.setattr(engine.executor, "execute", counted)
    requests = [ask(f"{HEAD}{i}", max_tokens=1) for i in range(6)]
    engine.prefixes.clear()
    backend.complete(requests)
    n_prompt = len(backend.prompt_ids(requests[0]))
    assert tokens_read[0] < 2 * n_prompt
    tokens_read[0] = 0
    backend.complete([ask(f"{HEAD}another", max_tokens=1)])
    assert tokens_read[0] < n_prompt // 2, "the prefix cache has it"


def test_prefixes_of_adapters_are_their_own(backend: LocalBackend, adapters: dict[str, str]) -> None:
    requests = [ask(f"{HEAD}{i}", adapter=a) for i in range(4) for a in (None, adapters["red"], adapters["blue"])]
    alone = []
    for request in requests:
        backend.engine().prefixes.clear()
        alone += [c.text for c in backend.complete([request])]
    backend.engine().prefixes.clear()
    for _ in range(2):
        assert [c.text for c in backend.complete(requests)] == alone
