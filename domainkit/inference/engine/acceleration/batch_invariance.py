"""Referee: decides the tokens that rounding could overturn, so that a text does not depend on who shares its passes.

A pass over more rows multiplies matrices of other shapes, the library sums in another order, and logits move by rounding. Where
the best two lie nearer than that, the row's tokens are read anew with nobody beside them: one and the same computation, whoever
is there (benchmarks/batch_invariance.py counts how seldom). It gives what is called batch invariance without kernels that are slower for
every token. They are read in blocks, so that a prompt's whole blocks, once read alone, serve its next near tie and other prompts
that begin with them: the same bits again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch

from domainkit.inference.engine.kv_cache import Seat
from domainkit.inference.engine.prefix_cache import PrefixCache
from domainkit.inference.engine.sampling import NEAR, spread
from domainkit.inference.engine.sequence import Row
from domainkit.models.memory import OUT_OF_MEMORY, State, out_of_memory

BLOCK = 256
"""Tokens read at once. Every row has its blocks at the same places, so a block's state depends on the tokens up to its end only."""


class Referee:
    """`runner` is another over the same model, empty between its uses; `enter` sets the adapters for a pass over one row; `prefixes` keeps
    the states of blocks beside those of other beginnings."""

    def __init__(self, runner: Any, enter: Callable[[Row], None], prefixes: PrefixCache) -> None:
        self._runner = runner
        self._enter = enter
        self._prefixes = prefixes
        self.settled = 0
        """Tokens decided."""

    def keep(self, row: Row, tokens: int, state: State) -> None:
        """Keep the state of the row's first `tokens`, whole blocks that were read alone one after the other."""
        if tokens:
            columns = row.seat.ahead + tokens
            # A part as a copy: a view would keep the whole in memory, which nobody counts.
            own = state if columns == state[0][0].shape[1] else [(k[:, :columns].clone(), v[:, :columns].clone()) for k, v in state]  # fmt: skip
            self._prefixes.keep(_read_alone(row), row.prompt[:tokens], own)

    def near(self, logits: torch.Tensor, best: torch.Tensor) -> list[bool]:
        """Of each row of float [rows, vocabulary], whether another is so near to its largest, at long `best` [rows, 1], that
        rounding may decide between them."""
        wide, first = spread(logits), logits.gather(1, best)
        second = logits.scatter_(1, best, -torch.inf).amax(-1)  # many times as fast as the two largest at once
        logits.scatter_(1, best, first)
        return (first[:, 0] - second < NEAR * wide).tolist()

    def settle(self, row: Row) -> torch.Tensor | None:
        """float [wants, vocabulary], the same bit for bit whoever is there; None without the memory for that."""
        begin, seat = time.perf_counter(), row.seat
        row.seat = Seat(list(seat.tokens), encoded=seat.encoded)
        try:
            return self._read(row)
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            return None
        finally:
            self._runner.clear()
            row.seat = seat
            row.charge(time.perf_counter() - begin)

    def _read(self, row: Row) -> torch.Tensor:
        take_seat(self._runner, row)
        whole, start = row.seat.tokens, self._take_blocks(row)
        known = start
        ends = [*range(start + BLOCK, len(whole) - row.wants + 1, BLOCK), len(whole)]
        for begin, end in pairwise([start, *ends]):
            row.seat.tokens = whole[:end]
            self._enter(row)
            logits = self._runner.forward([row.seat], [row.wants])
            if end - begin == BLOCK and end <= row.shareable:
                known = end
        if self._runner.shares and known > start:
            self.keep(row, known, self._runner.state(row.seat, known))
        self.settled += 1
        return logits[0]

    def _take_blocks(self, row: Row) -> int:
        """How many tokens the kept blocks hold, which the row's seat then begins with."""
        if not self._runner.shares:
            return 0
        known, state = self._prefixes.longest(_read_alone(row), row.prompt[: row.shareable])
        known -= known % BLOCK
        if state is not None and known:
            self._runner.fill(row.seat, known, state)
        return known


def _read_alone(row: Row) -> tuple[str, str | None]:
    """Whose beginnings these are, in the cache: their bits are not those of beginnings that were read in company."""
    return "read alone", row.owner


def take_seat(runner: Any, row: Row) -> None:
    """A seat in the runner's store, behind the virtual tokens of the row's adapter."""
    runner.sit(row.seat)
    if row.lead is not None:
        runner.begin(row.seat, row.lead)


__all__ = ["BLOCK", "Referee", "take_seat"]
