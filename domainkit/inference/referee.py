"""Referee: decides the tokens that rounding could overturn, so that a text does not depend on who shares its passes.

A pass over more rows multiplies matrices of other shapes, the library sums in another order, and logits move by rounding. Where
the best two lie nearer than that, the row's tokens are read anew with nobody beside them: one and the same computation, whoever
is there (benchmarks/company.py counts how seldom). It gives what is called batch invariance without kernels that are slower for
every token.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from domainkit.inference.memory import OUT_OF_MEMORY, out_of_memory
from domainkit.inference.passes import TOKENS_AT_ONCE
from domainkit.inference.rows import Row
from domainkit.inference.sampling import NEAR, spread
from domainkit.inference.slots import Seat


class Referee:
    """`runner` is one of its own, over the same model; `enter` sets the adapters for a pass over one row."""

    def __init__(self, runner: Any, enter: Callable[[Row], None]) -> None:
        self._runner = runner
        self._enter = enter
        self.settled = 0
        """Tokens decided."""

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
        whole = row.seat.tokens
        for end in range(TOKENS_AT_ONCE, len(whole) + TOKENS_AT_ONCE, TOKENS_AT_ONCE):
            row.seat.tokens = whole[:end]
            self._enter(row)
            logits = self._runner.forward([row.seat], [row.wants])
        self.settled += 1
        return logits[0]


def take_seat(runner: Any, row: Row) -> None:
    """A seat in the runner's store, behind the virtual tokens of the row's adapter."""
    runner.sit(row.seat)
    if row.lead is not None:
        runner.begin(row.seat, row.lead)


__all__ = ["Referee", "take_seat"]
