"""Sharing: what rows of one adapter begin with in common is read once, apart from them, and given to all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from domainkit.inference.engine.acceleration.batch_invariance import BLOCK, Referee, take_seat
from domainkit.inference.engine.kv_cache import Seat
from domainkit.inference.engine.prefix_cache import PrefixCache, Share, plan_sharing
from domainkit.inference.engine.sequence import Row
from domainkit.models.memory import State


class Sharing:
    """`reader` is another runner, empty between its uses, in whose few seats `read` reads the new tokens of rows, no logits wanted: in the rows'
    own, each would get room for the longest beginning. `cache` holds beginnings for later rows; `referee` takes those whose state
    nobody's company has touched."""

    def __init__(
        self,
        runner: Any,
        reader: Any,
        cache: PrefixCache,
        referee: Referee | None,
        read: Callable[[list[Row], Any], None],
    ) -> None:
        self._runner = runner
        self._reader = reader
        self._referee = referee
        self._cache = cache
        self._read = read

    def keep(self, row: Row, tokens: list[int]) -> None:
        """Keep the state of these first tokens of the row for those who begin alike."""
        if not self._cache.covers(row.owner, tokens):
            self._cache.keep(row.owner, tokens, self._runner.state(row.seat, len(tokens)))

    def share(self, rows: list[Row]) -> None:
        """Fill new rows from what is kept, and with what they have in common."""
        groups: dict[str | None, list[Row]] = {}
        kept: dict[tuple[int, int], tuple[State, list[Seat]]] = {}
        for row in rows:
            known, state = self._cache.longest(row.owner, row.prompt[: row.shareable])
            if state is not None:
                kept.setdefault((id(state), known), (state, []))[1].append(row.seat)
            groups.setdefault(row.owner, []).append(row)
        for (_, known), (state, seats) in kept.items():
            self._runner.give(seats, known, state)
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
        new = [(own[s.leader], s.upto) for own, known, s in planned if s.upto > known[s.leader]]
        read = dict(zip((leader for leader, _ in new), self._read_first(new), strict=True))
        for own, known, share in planned:
            leader = own[share.leader]
            state = read.get(leader) or self._runner.state(leader.seat, share.upto)
            takers = [*([share.leader] if leader in read else []), *share.followers]
            self._runner.give([own[i].seat for i in takers], share.upto, state)
            for i in takers:
                known[i] = share.upto
            if leader in read:
                self._cache.keep(leader.owner, leader.prompt[: share.upto], state)

    def _read_first(self, leaders: Sequence[tuple[Row, int]]) -> list[State]:
        """The state of the first so many tokens of each leader's prompt."""
        own = [leader.seat for leader, _ in leaders]
        try:
            for leader, upto in leaders:
                seat, leader.seat = leader.seat, Seat(leader.prompt[:upto])
                take_seat(self._reader, leader)
                if seat.length:
                    self._reader.fill(leader.seat, seat.length, self._runner.state(seat, seat.length))
            blocks = [self._read_blocks(leader, upto) for leader, upto in leaders]
            self._read([leader for leader, _ in leaders if leader.seat.chunk], self._reader)
            states = [self._reader.state(leader.seat, upto) for leader, upto in leaders]
            if self._referee:
                for (leader, _), tokens, state in zip(leaders, blocks, states, strict=True):
                    self._referee.keep(leader, tokens, state)
            return states
        finally:
            self._reader.clear()
            for (leader, _), seat in zip(leaders, own, strict=True):
                leader.seat = seat

    def _read_blocks(self, leader: Row, upto: int) -> int:
        """Read the whole blocks of a long beginning as the referee would: that takes no longer. Returns how many tokens they hold."""
        if self._referee is None or leader.seat.length:
            return 0
        for end in range(BLOCK, upto + 1, BLOCK):
            leader.seat.tokens = leader.prompt[:end]
            self._read([leader], self._reader)
        leader.seat.tokens = leader.prompt[:upto]
        return leader.seat.length


__all__ = ["Sharing"]
