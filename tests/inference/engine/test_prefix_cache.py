"""The prefix cache finds the longest prefix, and stays within its bytes."""

from __future__ import annotations

import torch

from domainkit.inference.engine.prefix_cache import PrefixCache


def state(tokens: int) -> list:
    return [(torch.zeros(1, tokens, 4), torch.zeros(1, tokens, 4))]


SIZE = 2 * 4 * 4  # bytes per token in `state`


def test_every_shorter_prefix_is_found() -> None:
    cache = PrefixCache(10_000)
    cache.insert("a", list(range(40)), state(40))
    assert cache.longest("a", [*range(30), 99, 98])[0] == 30
    assert cache.longest("b", list(range(40))) == (0, None)
    assert cache.longest("a", [*range(10), 99]) == (0, None), "too short to be worth it"


def test_a_longer_prefix_replaces_the_shorter_ones_that_it_begins_with() -> None:
    cache = PrefixCache(10_000)
    cache.insert("a", list(range(20)), state(20))
    cache.insert("a", list(range(50)), state(50))
    assert len(cache) == 1
    assert cache.bytes == 50 * SIZE


def test_the_least_recently_used_prefix_is_dropped_first() -> None:
    cache = PrefixCache(100 * SIZE)
    for owner in "abc":
        cache.insert(owner, list(range(40)), state(40))
    assert [cache.longest(o, list(range(40)))[0] for o in "abc"] == [0, 40, 40]
    cache.longest("b", list(range(40)))
    cache.insert("d", list(range(40)), state(40))
    assert [cache.longest(o, list(range(40)))[0] for o in "bcd"] == [40, 0, 40]
    assert cache.bytes <= cache.max_bytes


def test_a_state_larger_than_the_cache_is_not_kept() -> None:
    cache = PrefixCache(10 * SIZE)
    cache.insert("a", list(range(40)), state(40))
    assert len(cache) == 0
    assert cache.bytes == 0


def test_a_prefix_is_covered_by_those_that_begin_with_it() -> None:
    cache = PrefixCache(10_000)
    cache.insert("a", list(range(40)), state(40))
    assert cache.covers("a", list(range(30)))
    assert not cache.covers("a", list(range(41)))
    assert not cache.covers("b", list(range(30)))
    cache.clear()
    assert not cache.covers("a", list(range(30)))
    assert cache.bytes == 0
