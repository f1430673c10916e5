"""Batch invariance: a text does not depend on what else is in the batch.

A larger batch multiplies matrices of other shapes. The library then sums in another order, and logits move by rounding.
Where that could decide between two tokens (a near tie), the sequence is read again without a batch, which gives the
same bits whatever the batch was. Near ties are rare (benchmarks/engine/batch_invariance.py counts them). Kernels with a
fixed order of summation would do without the second pass, but are slower for every token
(thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference).
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import torch

from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.prefix_cache import PrefixCache
from domainkit.models.memory import OUT_OF_MEMORY, KVState, out_of_memory

if TYPE_CHECKING:
    from domainkit.inference.engine.model_runner import Executor, Runner
    from domainkit.inference.engine.sequences.sequence import Sequence

BLOCK = 256
"""Tokens of one pass. Blocks start at the same positions in every sequence. So the bits of a block's state depend only
on the tokens up to its end, and the next near tie can start after it."""


class BatchInvariance:
    """Recomputes near ties with `isolated`, whose cache is empty between uses."""

    def __init__(self, isolated: Runner, executor: Executor, prefixes: PrefixCache) -> None:
        self._isolated = isolated
        self._executor = executor
        self._prefixes = prefixes
        self.n_recomputed = 0
        """Near ties decided."""

    def recompute_alone(self, sequence: Sequence, tokens: list[int], logits_wanted: int) -> torch.Tensor | None:
        """Logits of the last tokens, float [logits wanted, vocabulary], with the same bits whatever the batch is.

        None without the memory for that.
        """
        begin = time.perf_counter()
        try:
            logits = self._read(sequence, tokens, logits_wanted)
            self._executor.wait(self._isolated)
            return logits
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            return None
        finally:
            self._isolated.clear()
            sequence.charge(time.perf_counter() - begin)

    def _read(self, sequence: Sequence, tokens: list[int], logits_wanted: int) -> torch.Tensor:
        slot = self._isolated.allocate(len(sequence.prompt), sequence.adapter.virtual_tokens, len(tokens))
        n_restored = n_blocks = self._restore_blocks(sequence, slot)
        ends = [*range(n_restored + BLOCK, len(tokens) - logits_wanted + 1, BLOCK), len(tokens)]
        for start, end in pairwise([n_restored, *ends]):
            chunk = Chunk(slot, tokens[start:end], start, logits_wanted, sequence.adapter)
            logits = self._executor.execute(self._isolated, [chunk])
            # Tokens after the prompt are not kept: no other prompt has them.
            if end - start == BLOCK and end <= sequence.n_shareable:
                n_blocks = end
        if sequence.crosses_boundary(len(tokens)):
            n_blocks = 0
        if n_blocks > n_restored and isinstance(self._isolated, BatchedRunner):
            self.keep_blocks(sequence, slot, n_blocks, self._isolated.copy_state(slot, n_blocks))
        self.n_recomputed += 1
        return logits[0]

    def _restore_blocks(self, sequence: Sequence, slot: CacheSlot) -> int:
        """Let the slot hold the blocks that are kept. Returns their number of tokens."""
        runner = self._isolated
        if not isinstance(runner, BatchedRunner):
            return 0
        n, state = self._prefixes.longest(_owner(sequence), sequence.prompt[: sequence.n_shareable])
        n -= n % BLOCK
        if state is not None and n:
            runner.restore(slot, sequence.prompt[:n], state)
        return n

    def keep_blocks(self, sequence: Sequence, slot: CacheSlot, n_tokens: int, state: KVState) -> None:
        """Keep the state of the prompt's first `n_tokens`: whole blocks that were read alone, one after the other."""
        if not n_tokens:
            return
        n_columns = slot.n_virtual + n_tokens
        if n_columns < state[0][0].shape[1]:
            # Copies, because views would keep the whole state in memory, and the prefix cache would not count it.
            state = [(k[:, :n_columns].clone(), v[:, :n_columns].clone()) for k, v in state]
        self._prefixes.insert(_owner(sequence), sequence.prompt[:n_tokens], state)


def _owner(sequence: Sequence) -> tuple[str, str]:
    """Prefixes that were read in a batch have other bits, so these have an owner of their own in the prefix cache."""
    return "read alone", sequence.adapter.name
