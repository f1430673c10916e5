"""A trial: a few short rows are read by the engine and by the libraries themselves, and the logits are compared.

It is made once for each base and once for each adapter. What differs is not used, so that nothing is computed
otherwise than it was trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from domainkit.inference.adapters.pool import MIXED, NO_ADAPTER, LoadedAdapter, StockPass
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.inference.engine.model_runner import Executor, Runner

TOLERANCE = 0.02
"""Of a base, as a share of its largest logit: loose enough for bfloat16. A wrong mask or position moves logits far
more."""
ADAPTER_TOLERANCE = 0.005
"""Of an adapter, likewise, in float32. A wrong scale or a layer left out moves logits by tenths."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    prompt_length: int
    tokens: list[int]
    n_first: int
    """Tokens of the first pass."""

    def inputs(self, n_encoded: int, device: torch.device) -> dict[str, torch.Tensor]:
        """What a plain model reads: all tokens, of which an encoder gets the first `n_encoded`."""
        ids = torch.tensor([self.tokens], device=device)
        if not n_encoded:
            return {"input_ids": ids}
        return {"input_ids": ids[:, :n_encoded], "decoder_input_ids": ids[:, n_encoded:]}


def trial_rows(opening_token_id: int | None, probe: list[int]) -> list[TrialRow]:
    """Two rows of eight ordinary tokens. Different lengths show errors in masks and positions; a second pass shows
    errors in the cache. `opening_token_id` is that of an encoder-decoder's answers."""
    if opening_token_id is not None:  # the first pass encodes the prompt and reads two tokens of the answer
        return [TrialRow(n + 1, [*probe[:n], opening_token_id, probe[1], probe[3]], n + 2) for n in (3, 7)]
    return [TrialRow(6, probe[:6], 3), TrialRow(8, probe[:8], 7)]


def plain_logits(model: PreTrainedModel, row: TrialRow, n_encoded: int) -> torch.Tensor:
    """float [vocabulary] after the last token, by the model's own pass over one row without a cache."""
    return model(**row.inputs(n_encoded, model.device), use_cache=False).logits[0, -1].float()


def engine_logits(
    forward: Callable[[list[Chunk]], torch.Tensor],
    slots: Sequence[CacheSlot],
    rows: Sequence[TrialRow],
    adapters: Sequence[LoadedAdapter],
) -> torch.Tensor:
    """float [rows, vocabulary] after the last token of each, read in two passes over all rows."""
    both = list(zip(slots, rows, adapters, strict=True))
    forward([Chunk(s, r.tokens[s.length : r.n_first], s.length, adapter=a) for s, r, a in both])
    return forward([Chunk(s, r.tokens[r.n_first :], r.n_first, adapter=a) for s, r, a in both])[:, -1].float()


def difference(logits: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest logit; infinite where a number is not finite."""
    share = float((logits - expected).abs().max() / expected.abs().max().clamp(min=1e-9))
    return math.inf if math.isnan(share) else share


def _moved(share: float, verb: str) -> str:
    return f"{verb} {share:.1%} of the largest" if math.isfinite(share) else "are not finite"


@contextmanager
def allocated(
    runner: Runner, prompt_lengths: list[int], adapters: Sequence[LoadedAdapter] = ()
) -> Iterator[list[CacheSlot]]:
    """Slots that are freed at the end."""
    given = adapters or [NO_ADAPTER] * len(prompt_lengths)
    slots = [runner.allocate(n, a.virtual_tokens) for n, a in zip(prompt_lengths, given, strict=True)]
    try:
        yield slots
    finally:
        for slot in reversed(slots):
            runner.free(slot)


class AdapterTrial:
    """Compares each new adapter with PEFT's own pass, in one batch with the base and alone.

    `runner` is used by nobody else during a trial. The first trial is that of the base, before any adapter.
    """

    def __init__(self, runner: Runner, executor: Executor, rows: list[TrialRow], context: int) -> None:
        self._runner = runner
        self._executor = executor
        self._rows = rows
        self._context = context
        with allocated(runner, [row.prompt_length for row in rows]) as slots:
            self._n_encoded = [slot.n_encoded for slot in slots]
        self._base = torch.stack([plain_logits(runner.model, r, n) for r, n in self._pairs()])
        # In half precision, or where int8 rounds activations, the base's own rows differ by rounding.
        noise = difference(self._read(rows, [NO_ADAPTER] * len(rows)), self._base)
        half = runner.model.dtype != torch.float32
        self._tolerance = max(TOLERANCE if half else ADAPTER_TOLERANCE, 4 * noise)

    def compare(self, adapter: LoadedAdapter, stock: StockPass) -> str | None:
        """How the adapter's rows differ from the stock library's pass, or the base's from what they were."""
        rows = self._rows
        if adapter.n_virtual + max(len(row.tokens) for row in rows) > self._context:
            return None  # no prompt has room beside it
        expected = self._stock_logits(adapter, stock)
        adapters, base = [adapter] * len(rows), [NO_ADAPTER] * len(rows)
        if adapter.batch_key == MIXED:
            logits = self._read([*rows, *rows], [*adapters, *base])
        else:
            logits = torch.cat([self._read(rows, adapters), self._read(rows, base)])
        if (share := difference(logits[len(rows) :], self._base)) > self._tolerance:
            return f"the base's own logits {_moved(share, 'move by')} beside it"
        if (share := difference(logits[: len(rows)], expected)) > self._tolerance:
            return f"its logits {_moved(share, 'differ from those of PEFT by')}"
        return None

    def _stock_logits(self, adapter: LoadedAdapter, stock: StockPass) -> torch.Tensor:
        device, rows = self._runner.model.device, self._rows
        if self._n_encoded[0] or adapter.tuning:  # an encoder's prompt, and what acts at its end, have to be whole
            return torch.stack([stock(**row.inputs(n, device))[0, -1].float() for row, n in self._pairs()])
        # The shorter row is the beginning of the longer one, so one pass gives the logits of both.
        longest = max(rows, key=lambda row: len(row.tokens))
        logits = stock(**longest.inputs(0, device))[0].float()
        return torch.stack([logits[len(row.tokens) - len(longest.tokens) - 1] for row in rows])

    def _pairs(self) -> list[tuple[TrialRow, int]]:
        return list(zip(self._rows, self._n_encoded, strict=True))

    def _read(self, rows: list[TrialRow], adapters: list[LoadedAdapter]) -> torch.Tensor:
        with allocated(self._runner, [row.prompt_length for row in rows], adapters) as slots:
            logits = engine_logits(self._forward, slots, rows, adapters)
        self._runner.clear()
        return logits

    def _forward(self, chunks: list[Chunk]) -> torch.Tensor:
        """The last logits of each chunk, float [chunks, 1, vocabulary]; those that can share a pass do."""
        groups: dict[Hashable, list[int]] = {}
        for i, chunk in enumerate(chunks):
            groups.setdefault(self._runner.batch_key(chunk), []).append(i)
        logits: dict[int, torch.Tensor] = {}
        for group in groups.values():
            found = self._executor.execute(self._runner, [chunks[i] for i in group])
            logits |= dict(zip(group, found[:, -1:], strict=True))
        return torch.stack([logits[i] for i in range(len(chunks))])
