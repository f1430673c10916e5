"""Scheduler: one thread that owns the model, and batches the sequences of all other threads (continuous batching).

A sequence joins the running batch at the next step, and leaves it when it is done; the others go on. In one step, every
sequence reads what is new to it: a new one its prompt, a running one its last token, a constrained one several tokens.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

import torch

from domainkit.errors import DomainkitError, MachineError
from domainkit.inference.adapters.pool import MIXED, NO_ADAPTER, AdapterPool, LoadedAdapter
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.batch_invariance import BatchInvariance
from domainkit.inference.engine.acceleration.small_batch_linear import use_small_batch_linear
from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import MAX_PROMPT_CHUNK, Chunk, make_batches
from domainkit.inference.engine.kv_cache import SlotAllocator
from domainkit.inference.engine.model_runner import Executor, Runner, make_runner
from domainkit.inference.engine.prefix_cache import PrefixCache
from domainkit.inference.engine.prefix_sharing import PrefixSharing
from domainkit.inference.engine.request_queue import RequestQueue, stopped_error
from domainkit.inference.engine.sequences.next_tokens import next_tokens
from domainkit.inference.engine.sequences.sequence import Sequence, timeout_error
from domainkit.inference.engine.trial import AdapterTrial, trial_rows
from domainkit.models.language_model import rope_boundary
from domainkit.models.load import LoadedBase
from domainkit.models.memory import (
    OUT_OF_MEMORY,
    cache_memory,
    free_memory,
    out_of_memory,
    return_freed_memory,
    state_bytes,
)

log = logging.getLogger("domainkit")

MAX_SEQUENCES = 128
"""Most sequences that run at once."""
TOKEN_BUDGET = 4096
"""Most tokens of one pass, padding included."""
MIN_TOKEN_BUDGET = 64
"""Tokens of a pass that a machine short of memory still tries."""
MAX_SEQUENCES_TO_KEEP = 4
"""With at most this many running sequences, the state of a finished one is kept for the next turn of its
conversation."""


class Scheduler:
    """Runs sequences on one model. Any thread may call `submit`."""

    def __init__(self, base: LoadedBase, fingerprint: str, acceleration: Acceleration = ALL_ON) -> None:
        self.model = base.model
        self.context = base.context_length
        self.width = base.model.get_output_embeddings().weight.shape[0]  # of the logits
        if acceleration.small_batch_linear:
            use_small_batch_linear(base.model)
        self._boundary = rope_boundary(base.model.config)
        self._memory = cache_memory(base.model)
        self._bytes_per_token = state_bytes(base.model)
        special = set(base.tokenizer.all_special_ids)
        probe = [i for i in range(len(base.tokenizer)) if i not in special][:8]
        self.runner: Runner
        self.runner, slow = make_runner(base.model, probe, acceleration)
        self.notes = (*base.notes, *([slow] if slow else ()))
        for note in self.notes:
            log.info("%s: %s", base.source.name, note)
        self.pool = AdapterPool(
            base.model,
            fingerprint,
            base.source.name,
            max_bytes=free_memory(base.model.device) // 2,
            takes_virtual_tokens=self.runner.takes_virtual_tokens,
            acceleration=acceleration,
        )
        if isinstance(self.runner, SlotAllocator):
            self.runner.cache.max_bytes = self._memory // 2
        self.executor = Executor(self.pool)
        self.prefixes = PrefixCache(self._memory // 8)
        isolated = self.runner.isolated()
        rows = trial_rows(base.chat_template.architecture.opening_token_id, probe)
        with torch.inference_mode():
            self.pool.trial = AdapterTrial(isolated, self.executor, rows, self.context).compare
        # In half precision, rounding is so large that most tokens would be near ties. One by one, there are no batches.
        exact = base.model.dtype == torch.float32 and not self.runner.one_by_one
        self.batch_invariance = (
            BatchInvariance(isolated, self.executor, self.prefixes) if exact and acceleration.batch_invariance else None
        )
        self.prefix_sharing = (
            PrefixSharing(self.runner, isolated, self.executor, self.prefixes, self.batch_invariance)
            if isinstance(self.runner, BatchedRunner) and isinstance(isolated, BatchedRunner)
            else None
        )
        # Guesses are checked by a pass of another shape, so rounding must not decide. On a GPU, no benchmark shows a
        # gain.
        self._guesses = acceleration.prompt_lookup and self.batch_invariance and base.model.device.type == "cpu"
        # Both shrink when memory runs out.
        self._token_budget = TOKEN_BUDGET
        self._max_sequences = MAX_SEQUENCES
        self._batch_key = MIXED  # of the running sequences' adapters
        self._queue = RequestQueue()
        self._running: list[Sequence] = []  # changed by the model's thread only
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._process = os.getpid()

    # ---- any thread ----

    def submit(self, sequences: Iterable[Sequence]) -> None:
        """Queue sequences. Their result streams get the results and the errors."""
        self._queue.put(sequences)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="domainkit-model", daemon=True)
                self._thread.start()
                # A daemon thread inside of torch would crash the interpreter's exit.
                atexit.register(self.close)

    @property
    def is_here(self) -> bool:
        """Whether the caller is the model's own thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    @property
    def busy(self) -> int:
        """Sequences that run or wait."""
        return len({*self._running, *self._queue.all()})

    def close(self) -> None:
        """Fail what is not finished, and end the thread."""
        if os.getpid() != self._process:  # a forked child has the lock but not the thread
            return
        self._queue.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        atexit.unregister(self.close)

    # ---- the model's thread: wait, admit, step ----

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                try:
                    self._drop_abandoned()
                    self._admit()
                    if self._running:
                        self._step()
                except Exception as e:  # an error of the engine must not leave callers waiting for ever
                    log.exception("a step failed")
                    self._fail_all(e)
        self._fail_all(stopped_error())

    def _wait(self) -> bool:
        """Wait for work. False when the engine stops."""
        if not self._running:
            # Other processes may have freed memory, so try the full limits again.
            self._token_budget, self._max_sequences = TOKEN_BUDGET, MAX_SEQUENCES
            self._queue.wait(self._rest, MAX_SEQUENCES)
        return not self._queue.stopped

    def _rest(self) -> None:
        self.runner.clear()
        return_freed_memory()

    def _drop_abandoned(self) -> None:
        """Drop sequences whose caller has gone, or whose time is over."""
        now = time.monotonic()
        for sequence in [*self._running, *self._queue.all()]:
            if sequence.result.cancelled:
                self._remove(sequence)
            elif sequence.deadline is not None and now > sequence.deadline:
                sequence.result.fail(timeout_error(sequence))
                self._remove(sequence)

    def _remove(self, sequence: Sequence) -> None:
        sequence.done = True
        self._queue.discard(sequence)
        if sequence in self._running:
            self._running.remove(sequence)
            self._free_slot(sequence)

    def _free_slot(self, sequence: Sequence) -> None:
        slot, sequence.slot = sequence.slot, None
        if slot is not None:
            self.runner.free(slot)

    def _fail_all(self, error: BaseException) -> None:
        """Fail every sequence, and free every slot: after a failed step, no slot can be trusted."""
        for sequence in [*self._running, *self._queue.all()]:
            sequence.done = True
            sequence.result.fail(error)
            self._queue.discard(sequence)
        self._running.clear()
        self.runner.clear()

    # ---- admit ----

    def _admit(self) -> None:
        """Let waiting sequences join the batch, in order of arrival, as far as memory and adapters allow."""
        joined: list[Sequence] = []
        while (sequence := self._queue.first()) is not None and self._fits(sequence):
            try:
                adapter = self._load_adapter(sequence)
                if adapter is None or (self._running and adapter.batch_key != self._batch_key):
                    break  # it joins when the running sequences are done
                sequence.use_adapter(adapter, self.context, self._boundary)
            except DomainkitError as e:
                sequence.result.fail(e)
                self._remove(sequence)
                continue
            self._batch_key = adapter.batch_key
            # First running, then no longer waiting: `busy` must not miss it.
            self._running.append(sequence)
            self._queue.discard(sequence)
            joined.append(sequence)
        # With an adapter's sequences in adjacent slots, its rows of a pass are a slice, which needs no copy.
        for sequence in sorted(joined, key=lambda s: s.adapter.name):
            sequence.slot = self.runner.allocate(
                len(sequence.prompt), sequence.adapter.virtual_tokens, sequence.most_tokens
            )

    def _fits(self, sequence: Sequence) -> bool:
        if not self._running:
            return True
        if len(self._running) >= self._max_sequences:
            return False
        # The KV cache is rectangular: every slot has as many columns as the longest sequence.
        longest = max(sequence.most_tokens, *(s.most_tokens for s in self._running))
        return longest * (len(self._running) + 1) * self._bytes_per_token <= self._memory // 2

    def _load_adapter(self, sequence: Sequence) -> LoadedAdapter | None:
        """The sequence's adapter; None if it cannot be loaded beside those in use."""
        if sequence.adapter_folder is None:
            return NO_ADAPTER
        in_use = {s.adapter.name for s in self._running if s.adapter.name}
        return self.pool.load(sequence.adapter_folder, in_use)

    # ---- step ----

    def _step(self) -> None:
        """Let every running sequence read what is new to it, and take the logits."""
        # 1. What new prompts begin with in common is computed once.
        new = [s for s in self._running if s.allocated_slot.length == 0]
        if self.prefix_sharing:
            self._if_memory_allows(partial(self.prefix_sharing.share, new, self._token_budget))
        # 2. Long prompts are read in parts, one at each step, so that the others do not wait for them.
        guess = self._guesses and len(self._running) == 1
        sequences = {(s.chunk_with_guesses() if guess else s.next_chunk()): s for s in self._running}
        limit = min(MAX_PROMPT_CHUNK, self._token_budget)
        long = [chunk for chunk in sequences if len(chunk.tokens) > max(limit, chunk.logits_wanted)]
        for chunk in long:
            self._read_part(sequences.pop(chunk), chunk.first(min(limit, len(chunk.tokens) - chunk.logits_wanted)))
        # 3. All others are read in as few passes as padding and memory allow.
        device = self.model.device.type
        for batch in make_batches(sequences, self.runner.batch_key, self._token_budget, device):
            self._read({chunk: sequences[chunk] for chunk in batch})
        # 4. Finished sequences leave.
        for sequence in [s for s in self._running if s.done]:
            self._finish(sequence)

    def _read_part(self, sequence: Sequence, chunk: Chunk) -> None:
        """Read a part of a long prompt. Its logits are not needed."""
        begin = time.perf_counter()
        if self._execute({chunk: sequence}) is not None:
            self.executor.wait(self.runner)
            sequence.charge(time.perf_counter() - begin)

    def _read(self, batch: dict[Chunk, Sequence]) -> None:
        """One pass over the batch, whose sequences then take the logits."""
        begin = time.perf_counter()
        logits = self._execute(batch)  # [batch, positions, vocabulary]
        if logits is None:
            return
        # On a CPU, nothing waits for a sequence that draws for itself, and a seed keeps the texts that it always gave.
        draws = [s.draw(sampled=self.model.device.type == "cuda") for s in batch.values()]
        found = next_tokens(logits[:, -1], draws, exact=self.batch_invariance is not None)
        seconds = (time.perf_counter() - begin) / len(batch)  # of the pass, since the tokens have waited for it
        for i, sequence in enumerate(batch.values()):
            sequence.charge(seconds)
            sequence.mark_prefilled()
            recompute = partial(self.batch_invariance.recompute_alone, sequence) if self.batch_invariance else None
            try:
                if i in found.errors:
                    raise found.errors[i]
                decided = (sequence.greedy or draws[i] is not None) and not found.near_ties[i]
                sequence.take(logits[i], found.tokens[i] if decided else None, recompute)
            except Exception as e:  # one sequence's error, as of a schema that leads nowhere, must not fail the others
                sequence.done = True
                sequence.result.fail(e)

    def _execute(self, batch: dict[Chunk, Sequence]) -> torch.Tensor | None:
        """One pass over the batch. Without the memory for it None, and then the batch is read in another way."""
        try:
            return self.executor.execute(self.runner, list(batch))
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            self._use_less_memory(batch, e)
            return None

    def _finish(self, sequence: Sequence) -> None:
        # The copy costs time that a full batch does not have.
        if self.prefix_sharing and len(self._running) <= MAX_SEQUENCES_TO_KEEP:
            self._if_memory_allows(partial(self.prefix_sharing.keep, sequence))
        self._running.remove(sequence)
        self._free_slot(sequence)

    # ---- short of memory ----

    def _if_memory_allows(self, work: Callable[[], None]) -> None:
        """Do what only saves time. Without the memory for it, free what is kept and go on."""
        try:
            work()
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            self._free_caches()

    def _free_caches(self) -> None:
        self.prefixes.clear()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _use_less_memory(self, batch: dict[Chunk, Sequence], error: BaseException) -> None:
        """Go on with smaller passes; else with fewer sequences; else with shorter parts of the prompt; else fail."""
        self._free_caches()
        self._token_budget = max(MIN_TOKEN_BUDGET, self._token_budget // 2)
        pairs = list(batch.items())
        chunk, sequence = pairs[0]
        if len(pairs) > 1:
            self._read(dict(pairs[: len(pairs) // 2]))
            self._read(dict(pairs[len(pairs) // 2 :]))
        elif len(self._running) > 1:  # the others' states take the memory, so this one starts again when they are done
            self._max_sequences = len(self._running) - 1
            self._postpone(sequence)
        elif len(chunk.tokens) > max(MIN_TOKEN_BUDGET, chunk.logits_wanted):  # the next step reads it in shorter parts
            self._token_budget = max(MIN_TOKEN_BUDGET, min(self._token_budget, len(chunk.tokens) // 2))
        else:
            log.warning("out of memory: %s", error)
            sequence.done = True
            sequence.result.fail(
                MachineError(
                    f"not enough memory for a request of {len(sequence.tokens)} tokens",
                    next_step="shorten the prompt, lower max_tokens, or use quantization='nf4'",
                )
            )

    def _postpone(self, sequence: Sequence) -> None:
        self._queue.put([sequence])
        self._running.remove(sequence)
        self._free_slot(sequence)
