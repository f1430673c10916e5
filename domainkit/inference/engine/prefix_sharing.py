"""Prefix sharing: what the prompts of new sequences begin with in common is computed once, and copied to each.

SGLang's RadixAttention (arXiv 2312.07104) shares prefixes in the same way, with a tree in place of rounds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from domainkit.inference.engine.acceleration.batch_invariance import BLOCK, BatchInvariance
from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk, make_batches
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.model_runner import Executor
from domainkit.inference.engine.prefix_cache import PrefixCache, common_length
from domainkit.inference.engine.sequences.sequence import Sequence
from domainkit.models.memory import KVState

MIN_GAIN = 48
"""Tokens that sharing a prefix must save. One more pass over the weights costs as much as some tens of tokens."""


@dataclass(frozen=True, slots=True)
class PrefixPlan:
    """Compute the first `n_tokens` tokens of the leader, who has some of them, and copy them to the followers."""

    leader: int
    followers: list[int]
    n_tokens: int


def plan_sharing(prompts: list[list[int]], cached: list[int], shareable: list[int]) -> Iterator[list[PrefixPlan]]:
    """Rounds of plans, from the prefix that most prompts have in common to those of few prompts.

    Prompt i has its first `cached[i]` tokens already, and may share `shareable[i]`. The plans of one round are
    independent. The caller updates `cached` before it asks for the next round.
    """
    arrays = [np.asarray(p[:limit], dtype=np.int64) for p, limit in zip(prompts, shareable, strict=True)]
    groups = [sorted(range(len(prompts)), key=lambda i: arrays[i].tolist())] if len(prompts) > 1 else []
    while groups:
        plans, smaller = [], []
        for group in groups:
            # In sorted order, the first and the last prompt have in common what all have.
            n_common = common_length(arrays[group[0]], arrays[group[-1]])
            # Who has most of it computes the rest.
            leader = max(group, key=lambda i: cached[i])
            followers = [i for i in group if i != leader and cached[i] < n_common]
            if sum(n_common - cached[i] for i in followers) >= MIN_GAIN:
                plans.append(PrefixPlan(leader, followers, n_common))
            smaller += [part for part in _split(group, arrays, n_common) if len(part) > 1]
        if plans:
            yield plans
        groups = smaller


def _split(group: list[int], arrays: list[np.ndarray], position: int) -> list[list[int]]:
    """The prompts of a group by their token at a position; without those that end before it."""
    parts: dict[int, list[int]] = {}
    for i in group:
        if len(arrays[i]) > position:
            parts.setdefault(int(arrays[i][position]), []).append(i)
    return list(parts.values())


@dataclass(frozen=True, slots=True)
class Group:
    """New sequences of one adapter."""

    sequences: list[Sequence]
    cached: list[int]
    """Tokens of its prompt that each sequence has."""

    def plans(self) -> Iterator[list[PrefixPlan]]:
        return plan_sharing([s.prompt for s in self.sequences], self.cached, [s.n_shareable for s in self.sequences])


class PrefixSharing:
    """Shares prefixes among the sequences of `runner`.

    A prefix is computed by `isolated`, whose cache is empty between uses: in the cache of all sequences, each row would
    get room for the longest prefix.
    """

    def __init__(
        self,
        runner: BatchedRunner,
        isolated: BatchedRunner,
        executor: Executor,
        prefixes: PrefixCache,
        batch_invariance: BatchInvariance | None,
    ) -> None:
        self._runner = runner
        self._isolated = isolated
        self._executor = executor
        self._prefixes = prefixes
        self._batch_invariance = batch_invariance

    def keep(self, sequence: Sequence) -> None:
        """Keep a finished sequence's state for the next turn of its conversation."""
        slot, owner = sequence.allocated_slot, sequence.adapter.name
        tokens = slot.tokens[: sequence.n_cacheable]
        if not self._prefixes.covers(owner, tokens):
            self._prefixes.insert(owner, tokens, self._runner.copy_state(slot, len(tokens)))

    def share(self, sequences: list[Sequence], token_budget: int) -> None:
        """Restore new sequences from the prefix cache; then compute what they still have in common."""
        self._restore(sequences)
        by_adapter: dict[str, list[Sequence]] = {}
        for sequence in sequences:
            by_adapter.setdefault(sequence.adapter.name, []).append(sequence)
        groups = [Group(members, [s.allocated_slot.length for s in members]) for members in by_adapter.values()]
        # The adapters' rounds side by side, so that prefixes of different adapters share passes.
        for plans in zip_longest(*(group.plans() for group in groups), fillvalue=()):
            self._share_round(
                [(group, plan) for group, members in zip(groups, plans, strict=True) for plan in members], token_budget
            )

    def _restore(self, sequences: list[Sequence]) -> None:
        # By state and length, so that slots with the same prefix can store it once.
        hits: dict[tuple[int, int], tuple[list[CacheSlot], list[int], KVState]] = {}
        for sequence in sequences:
            tokens = sequence.prompt[: sequence.n_shareable]
            n, state = self._prefixes.longest(sequence.adapter.name, tokens)
            if state is not None:
                hits.setdefault((id(state), n), ([], tokens[:n], state))[0].append(sequence.allocated_slot)
        for slots, tokens, state in hits.values():
            self._runner.restore_all(slots, tokens, state)

    def _share_round(self, plans: list[tuple[Group, PrefixPlan]], token_budget: int) -> None:
        """Compute the prefixes that a leader does not have whole, and copy each to its followers."""
        missing = [
            (group.sequences[plan.leader], plan.n_tokens)
            for group, plan in plans
            if plan.n_tokens > group.cached[plan.leader]
        ]
        states = dict(zip((s for s, _ in missing), self._compute(missing, token_budget), strict=True))
        for group, plan in plans:
            leader = group.sequences[plan.leader]
            tokens = leader.prompt[: plan.n_tokens]
            state = states.get(leader) or self._runner.copy_state(leader.allocated_slot, plan.n_tokens)
            takers = [*([plan.leader] if leader in states else []), *plan.followers]
            self._runner.restore_all([group.sequences[i].allocated_slot for i in takers], tokens, state)
            for i in takers:
                group.cached[i] = plan.n_tokens
            if leader in states:
                self._prefixes.insert(leader.adapter.name, tokens, state)

    def _compute(self, prefixes: list[tuple[Sequence, int]], token_budget: int) -> list[KVState]:
        """The state of that many first tokens of each sequence's prompt."""
        runner = self._isolated
        try:
            slots = [self._isolated_slot(sequence, n) for sequence, n in prefixes]
            n_alone = [self._read_blocks(s, slot, n) for slot, (s, n) in zip(slots, prefixes, strict=True)]
            sequences = dict(zip(slots, (s for s, _ in prefixes), strict=True))
            rest = [_prefix_chunk(s, slot, n) for slot, (s, n) in zip(slots, prefixes, strict=True) if slot.length < n]
            for batch in make_batches(rest, runner.batch_key, token_budget, runner.model.device.type):
                self._read(batch, [sequences[chunk.slot] for chunk in batch])
            states = [runner.copy_state(slot, n) for slot, (_, n) in zip(slots, prefixes, strict=True)]
            if self._batch_invariance:
                for slot, (sequence, _), n, state in zip(slots, prefixes, n_alone, states, strict=True):
                    self._batch_invariance.keep_blocks(sequence, slot, n, state)
            return states
        finally:  # also after an error: the next use starts with an empty cache
            runner.clear()

    def _isolated_slot(self, sequence: Sequence, n_tokens: int) -> CacheSlot:
        """A slot for that many tokens, with what the sequence has of its prompt."""
        slot = self._isolated.allocate(len(sequence.prompt), sequence.adapter.virtual_tokens, n_tokens)
        main_slot = sequence.allocated_slot
        if main_slot.length:
            self._isolated.restore(slot, main_slot.tokens, self._runner.copy_state(main_slot, main_slot.length))
        return slot

    def _read_blocks(self, sequence: Sequence, slot: CacheSlot, n_tokens: int) -> int:
        """Read the whole blocks of a prefix alone, so that near ties can use them. Returns their number of tokens."""
        # A block fills a pass by itself, so this takes no longer than a batch.
        if self._batch_invariance is None or slot.length:
            return 0
        for end in range(BLOCK, n_tokens + 1, BLOCK):
            self._read([_prefix_chunk(sequence, slot, end)], [sequence])
        return slot.length

    def _read(self, batch: list[Chunk], sequences: list[Sequence]) -> None:
        begin = time.perf_counter()
        self._executor.execute(self._isolated, batch)
        self._executor.wait(self._isolated)
        for sequence in sequences:
            sequence.charge((time.perf_counter() - begin) / len(batch))


def _prefix_chunk(sequence: Sequence, slot: CacheSlot, end: int) -> Chunk:
    """The prompt's tokens before `end` that the slot does not hold."""
    return Chunk(slot, sequence.prompt[slot.length : end], slot.length, adapter=sequence.adapter)
