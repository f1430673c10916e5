from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.inference.engine.prefix_cache import LEAST_GAIN, PrefixCache, plan_sharing


def state(tokens: int) -> list:
    return [(torch.zeros(1, tokens, 4), torch.zeros(1, tokens, 4))]


SIZE = 2 * 4 * 4  # bytes per token in `state`


def test_any_beginning_of_what_is_kept_is_found() -> None:
    cache = PrefixCache(10_000)
    cache.keep("a", range(40), state(40))
    assert cache.longest("a", [*range(30), 99, 98])[0] == 30
    assert cache.longest("b", range(40)) == (0, None)
    assert cache.longest("a", [*range(10), 99]) == (0, None), "too short to be worth it"


def test_a_longer_beginning_replaces_its_shorter_ones() -> None:
    cache = PrefixCache(10_000)
    cache.keep("a", range(20), state(20))
    cache.keep("a", range(50), state(50))
    assert len(cache) == 1
    assert cache.bytes == 50 * SIZE


def test_the_least_recently_used_goes_first() -> None:
    cache = PrefixCache(100 * SIZE)
    for owner in "abc":
        cache.keep(owner, range(40), state(40))
    assert [cache.longest(o, range(40))[0] for o in "abc"] == [0, 40, 40]
    cache.longest("b", range(40))
    cache.keep("d", range(40), state(40))
    assert [cache.longest(o, range(40))[0] for o in "bcd"] == [40, 0, 40]
    assert cache.bytes <= cache.max_bytes


def test_nothing_larger_than_the_cache_is_kept() -> None:
    cache = PrefixCache(10 * SIZE)
    cache.keep("a", range(40), state(40))
    assert len(cache) == 0
    assert cache.bytes == 0


PROMPTS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 3), st.integers(1, 60)).map(
        lambda t: [7] * 30 + [t[0]] * 40 + [10 + t[1]] * t[2]
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=80, deadline=None)
@given(PROMPTS)
def test_shares_are_true_and_worth_it(prompts: list[list[int]]) -> None:
    known = [0] * len(prompts)
    for shares in plan_sharing(prompts, known, [len(p) - 1 for p in prompts]):
        busy: set[int] = set()
        for share in shares:
            group = [share.leader, *share.followers]
            assert not busy & set(group), "shares of a round must be independent"
            busy |= set(group)
            assert len({tuple(prompts[i][: share.upto]) for i in group}) == 1
            assert all(share.upto < len(prompts[i]) for i in group), "the last token is read by each itself"
            assert sum(share.upto - known[i] for i in share.followers) >= LEAST_GAIN
            for i in group:
                known[i] = max(known[i], share.upto)


def test_two_families_of_prompts_share_at_both_levels() -> None:
    prompts = [[7] * 50 + [family] * 50 + [100 + i] for family in (1, 2) for i in range(4)]
    known = [0] * 8
    rounds = []
    for shares in plan_sharing(prompts, known, [len(p) - 1 for p in prompts]):
        rounds.append(sorted(s.upto for s in shares))
        for share in shares:
            for i in (share.leader, *share.followers):
                known[i] = share.upto
    assert rounds == [[50], [100, 100]]
