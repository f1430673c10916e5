"""Sharing: what rows of one adapter begin with in common is read once, in one of them, and handed to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from domainkit.inference.prefix import PrefixCache, Share, plan_sharing
from domainkit.inference.rows import Row


class Sharing:
    """`read` reads the new tokens of rows, no logits wanted; `cache` holds beginnings for later rows."""

    def __init__(self, runner: Any, cache: PrefixCache, read: Callable[[list[Row]], None]) -> None:
        self._runner = runner
        self._cache = cache
        self._read = read

    def keep(self, row: Row, tokens: list[int]) -> None:
        """Keep the state of these first tokens of the row for those who begin alike."""
        if not self._cache.covers(row.owner, tokens):
            self._cache.keep(row.owner, tokens, self._runner.state(row.seat, len(tokens)))

    def share(self, rows: list[Row]) -> None:
        """Fill new rows from what is kept, and with what they have in common."""
        groups: dict[str | None, list[Row]] = {}
        for row in rows:
            known, state = self._cache.longest(row.owner, row.prompt[: row.shareable])
            if state is not None:
                self._runner.fill(row.seat, known, state)
            groups.setdefault(row.owner, []).append(row)
        have = [[r.seat.length for r in own] for own in groups.values()]
        plans = (
            plan_sharing([r.prompt for r in own], known, [r.shareable for r in own])
            for own, known in zip(groups.values(), have, strict=True)
        )
        for shares in zip_longest(*plans, fillvalue=()):
            self._round(list(groups.values()), have, shares)

    def _round(self, groups: list[list[Row]], have: list[list[int]], shares: Sequence[Sequence[Share]]) -> None:
        """One round of every adapter's shares, read together; `have` counts the tokens that each row has of its prompt."""
        planned = [(own, known, s) for own, known, its in zip(groups, have, shares, strict=True) for s in its]
        ahead = [(own[s.leader], s.upto) for own, known, s in planned if s.upto > known[s.leader]]
        self._read_first([leader for leader, _ in ahead], [upto for _, upto in ahead])
        for own, known, share in planned:
            leader = own[share.leader]
            for i in share.followers:
                self._runner.hand(leader.seat, own[i].seat, share.upto)
                known[i] = share.upto
            if share.upto > known[share.leader]:
                known[share.leader] = share.upto
                self.keep(leader, leader.prompt[: share.upto])

    def _read_first(self, leaders: list[Row], upto: list[int]) -> None:
        """Read the leaders' prompts up to the end of what they share."""
        whole = [leader.seat.tokens for leader in leaders]
        for leader, n in zip(leaders, upto, strict=True):
            leader.seat.tokens = leader.prompt[:n]
        try:
            self._read(leaders)
        finally:
            for leader, tokens in zip(leaders, whole, strict=True):
                leader.seat.tokens = tokens


__all__ = ["Sharing"]
