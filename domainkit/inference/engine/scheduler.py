"""Scheduler: one thread that owns the model, and the requests of all others, merged into shared passes.

A request joins the running batch at the next step and leaves when it is finished; the others go on. In a step every row reads
what is new to it: a newcomer its prompt, a running answer its last token, a constrained one several tokens at once.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch

from domainkit.errors import DomainkitError, MachineError, RequestError
from domainkit.inference.adapters.pool import MIXED, NO_ADAPTER, AdapterPool, LoadedAdapter, PassRow
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.batch_invariance import Referee, take_seat
from domainkit.inference.engine.acceleration.small_batch_linear import use_small_batch_linear
from domainkit.inference.engine.batching import TOKENS_AT_ONCE, passes
from domainkit.inference.engine.encoder_decoder_runner import make_pair_runner
from domainkit.inference.engine.model_runner import make_runner
from domainkit.inference.engine.prefix_cache import PrefixCache
from domainkit.inference.engine.prefix_sharing import Sharing
from domainkit.inference.engine.sequence import Row, timed_out
from domainkit.models.encoder_decoder import is_encoder_decoder
from domainkit.models.memory import OUT_OF_MEMORY, free_memory, out_of_memory, return_freed_memory, state_bytes

log = logging.getLogger("domainkit")

MOST_ROWS = 128
TOKENS_PER_PASS = 4096
"""Most tokens in one pass, padding included."""
LEAST_AT_ONCE = 64
"""Tokens in a pass that a machine short of memory still tries."""
QUIET = 0.004
"""Seconds without a new request after which an idle engine starts: callers that come together share their first pass."""
LONGEST_QUIET = 0.25
"""Seconds after which it starts although requests still come, one after the other: a batch's prompts take a while to be written."""
REST = 1.0
"""Seconds without work after which the room for states goes back to the system; sooner, the next request would ask for it again."""
FEW = 4
"""With so few rows running, a finished conversation's state is kept for its next turn."""


class Scheduler:
    """Runs rows on `model`. `submit` may be called from any thread."""

    def __init__(self, loaded: Any, fingerprint: str, acceleration: Acceleration = ALL_ON) -> None:
        self.model = loaded.model
        if acceleration.small_batch_linear:
            use_small_batch_linear(loaded.model)
        self.context = loaded.context_length
        self.width = loaded.model.get_output_embeddings().weight.shape[0]
        self._memory = free_memory(loaded.model.device)
        probe = [i for i in range(len(loaded.tokenizer)) if i not in set(loaded.tokenizer.all_special_ids)][:8]
        self.runner: Any
        make: Any = make_pair_runner if is_encoder_decoder(loaded.model) else make_runner
        self.runner, slow = make(loaded.model, probe, acceleration)
        self.pool = AdapterPool(
            loaded.model,
            fingerprint,
            loaded.source.name,
            max_bytes=self._memory // 2,
            one_by_one=self.runner.one_by_one,
            takes_virtual_tokens=self.runner.begins,
            acceleration=acceleration,
        )
        self.notes = (*loaded.notes, *([slow] if slow else ()))
        for note in self.notes:
            log.info("%s: %s", loaded.source.name, note)
        # Half precision rounds too much to call on it; one row at a time has no company.
        exact = acceleration.batch_invariance and loaded.model.dtype == torch.float32 and not self.runner.one_by_one
        self.prefixes = PrefixCache(self._memory // 8)
        aside = type(self.runner)(
            loaded.model, acceleration
        )  # for what is read apart from the rows: beginnings, and near ties
        self.referee = Referee(aside, self._enter, self.prefixes) if exact else None
        self._sharing = Sharing(self.runner, aside, self.prefixes, self.referee, self._read_beginnings)
        self._bytes_per_token = state_bytes(loaded.model)
        self._budget = TOKENS_PER_PASS
        self._most_rows = MOST_ROWS
        self._batch_key = MIXED
        self._waiting: deque[Row] = deque()
        self._active: list[Row] = []
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._process = os.getpid()
        self.passes = 0

    def submit(self, rows: Sequence[Row]) -> None:
        """Queue rows; their outlets tell how they end."""
        with self._news:
            if self._stopping:
                raise RequestError("the interpreter is shutting down", next_step="ask before the program ends")
            self._waiting.extend(r for r in rows if not r.done)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="domainkit-model", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            self._news.notify_all()

    @property
    def is_here(self) -> bool:
        """Whether the caller is the model's own thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    @property
    def busy(self) -> int:
        """Rows that hold a slot or wait for one."""
        with self._news:
            return len(self._active) + len(self._waiting)

    def close(self) -> None:
        """Fail what is unfinished and end the thread; a daemon thread inside torch would crash the interpreter's exit."""
        if os.getpid() != self._process:  # a forked child has the lock but not the thread
            return
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        atexit.unregister(self.close)

    # ---- the loop ----

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                try:
                    self._drop_abandoned()
                    self._admit()
                    if self._active:
                        self._step()
                except Exception as e:  # a fault of ours must not leave callers waiting for ever
                    log.exception("a step failed")
                    self._fail_all(e)
        self._fail_all(RequestError("the interpreter is shutting down", next_step="ask before the program ends"))

    def _wait(self) -> bool:
        with self._news:
            if self._active:
                return not self._stopping
            # What an out-of-memory took back is tried again: others on the machine may have gone.
            self._budget, self._most_rows = TOKENS_PER_PASS, MOST_ROWS
            rested = False
            while not self._waiting and not self._stopping:
                if not self._news.wait(None if rested else REST):
                    self.runner.clear()
                    return_freed_memory()
                    rested = True
            end = time.monotonic() + LONGEST_QUIET
            while not self._stopping and time.monotonic() < end:
                before = len(self._waiting)
                self._news.wait(QUIET)
                if len(self._waiting) == before or len(self._waiting) >= MOST_ROWS:
                    break
            return not self._stopping

    def _drop_abandoned(self) -> None:
        """Rows whose caller has gone, or whose time is up."""
        now = time.monotonic()
        with self._news:
            rows = [*self._active, *self._waiting]
        for row in rows:
            if row.outlet.cancelled:
                self._remove(row)
            elif row.deadline is not None and now > row.deadline:
                row.outlet.fail(timed_out(row))
                self._remove(row)

    def _remove(self, row: Row) -> None:
        row.done = True
        with self._news:
            if row in self._waiting:
                self._waiting.remove(row)
        if row in self._active:
            self._active.remove(row)
            self.runner.leave(row.seat)

    def _fail_all(self, error: BaseException) -> None:
        """No row is left waiting, and no seat taken: where a step failed, the seats may not be what they should."""
        with self._news:
            rows = [*self._active, *self._waiting]
            self._active.clear()
            self._waiting.clear()
        for row in rows:
            row.done = True
            row.outlet.fail(error)
        self.runner.clear()

    # ---- joining ----

    def _admit(self) -> None:
        """Seat what may join, each adapter's rows side by side: their part of a pass then lies in one piece."""
        for row in sorted(self._joining(), key=lambda row: row.owner or ""):
            take_seat(self.runner, row)

    def _joining(self) -> Iterator[Row]:
        """Waiting rows in order, as long as they fit in memory and have the batch key of the running ones."""
        while True:
            with self._news:
                row = self._waiting[0] if self._waiting else None
            if row is None or not self._fits(row):
                return
            try:
                loaded = self._load_adapter(row)
            except DomainkitError as e:
                row.outlet.fail(e)
                self._remove(row)
                continue
            if loaded is None or (self._active and loaded.batch_key != self._batch_key):
                return  # its turn comes when the running rows are done
            self._batch_key = loaded.batch_key
            with self._news:
                self._active.append(self._waiting.popleft())
            yield row

    def _load_adapter(self, row: Row) -> LoadedAdapter | None:
        """The row's adapter; None when it cannot be loaded beside those in use."""
        if row.folder is None:
            return NO_ADAPTER
        if self._active and not self.pool.can_load_beside_others(row.folder):
            return None
        in_use = {r.owner for r in self._active if r.owner}
        loaded = self.pool.load(row.folder, in_use)
        row.adapter, row.owner, row.lead = loaded, loaded.name, loaded.virtual_tokens
        row.private = loaded.n_unshareable(len(row.prompt))
        over = row.most_tokens + loaded.n_virtual - self.context
        if loaded.n_virtual and over > 0:
            row.shorten(over)
        return loaded

    def _fits(self, row: Row) -> bool:
        if not self._active:
            return True
        if len(self._active) >= self._most_rows:
            return False
        longest = max(row.most_tokens, *(r.most_tokens for r in self._active))
        return longest * (len(self._active) + 1) * self._bytes_per_token <= self._memory // 2

    # ---- one step ----

    def _step(self) -> None:
        if self.runner.shares:
            self._if_memory_allows(self._sharing.share, [r for r in self._active if r.seat.length == 0])
        at_once = min(TOKENS_AT_ONCE, self._budget)
        long = [r for r in self._active if len(r.seat.chunk) > max(at_once, r.wants)]
        for row in long:
            self._read_part(row, at_once)
        for rows in self._passes([r for r in self._active if r not in long]):
            self._read(rows)
        for row in [r for r in self._active if r.done]:
            self._leave(row)

    def _passes(self, rows: Sequence[Row]) -> Iterator[list[Row]]:
        groups: dict[Any, list[Row]] = {}
        for row in rows:
            groups.setdefault(self.runner.company(row.seat), []).append(row)
        for group in groups.values():
            yield from passes(group, self._budget, self.model.device.type)

    def _read_part(self, row: Row, at_once: int) -> None:
        """The next tokens of a long prompt, no logits wanted."""
        seat, whole = row.seat, row.seat.tokens
        seat.tokens = whole[: min(seat.length + at_once, len(whole) - row.wants)]
        try:
            self._prefill([row])
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            self._with_less_memory([row], e)
        finally:
            seat.tokens = whole

    def _prefill(self, rows: Sequence[Row], runner: Any = None) -> None:
        begin = time.perf_counter()
        self._pass(rows, [1] * len(rows), runner)
        for row in rows:
            row.charge((time.perf_counter() - begin) / len(rows))

    def _read_beginnings(self, rows: list[Row], runner: Any) -> None:
        for together in self._passes(rows):
            self._prefill(together, runner)

    def _read(self, rows: Sequence[Row]) -> None:
        """One pass over `rows`; without the memory for it, two halves."""
        begin = time.perf_counter()
        try:
            logits = self._pass(rows, [r.wants for r in rows])
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            self._with_less_memory(rows, e)
            return
        last = logits[:, -1]
        best = last.argmax(-1)
        near = self.referee.near(last, best[:, None]) if self.referee else [False] * len(rows)
        places = best.tolist()
        share = (time.perf_counter() - begin) / len(rows)
        for i, row in enumerate(rows):
            row.charge(share)
            row.started = True
            try:
                again = partial(self.referee.settle, row) if self.referee else None
                row.take(None if row.greedy and not near[i] else logits[i], places[i], again)
            except Exception as e:  # one row's fault (a schema that leads nowhere) is that row's alone
                row.done = True
                row.outlet.fail(e)

    def _pass(self, rows: Sequence[Row], wants: Sequence[int], runner: Any = None) -> torch.Tensor:
        self.passes += 1
        self._enter(*rows)
        return (runner or self.runner).forward([r.seat for r in rows], wants)

    def _enter(self, *rows: Row) -> None:
        self.pool.enter(
            [PassRow(r.adapter, r.seat.length, len(r.seat.chunk), len(r.prompt), r.seat.encoded) for r in rows]
        )

    def _if_memory_allows(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do what only saves time; without the memory for it, give back what is kept and go on."""
        try:
            work(*arguments)
        except OUT_OF_MEMORY as e:
            if not out_of_memory(e):
                raise
            self._give_back()

    def _give_back(self) -> None:
        self.prefixes.clear()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _with_less_memory(self, rows: Sequence[Row], error: BaseException) -> None:
        """Go on with smaller passes; then with fewer rows; then with shorter parts of the prompt; else fail."""
        self._give_back()
        self._budget = max(LEAST_AT_ONCE, self._budget // 2)
        row, size = rows[0], len(rows[0].seat.chunk)
        if len(rows) > 1:
            half = len(rows) // 2
            self._read(rows[:half])
            self._read(rows[half:])
        elif len(self._active) > 1:  # the others' states take the memory: start this row again when they are done
            self._most_rows = len(self._active) - 1
            self._postpone(row)
        elif size > max(LEAST_AT_ONCE, row.wants):  # the next step reads it in shorter parts
            self._budget = max(LEAST_AT_ONCE, min(self._budget, size // 2))
        else:
            row.done = True
            row.outlet.fail(
                MachineError(
                    f"not enough memory for a request of {len(row.seat.tokens)} tokens",
                    next_step="shorten the prompt, lower max_tokens, or use quantization='nf4'",
                )
            )
            log.warning("out of memory: %s", error)

    def _postpone(self, row: Row) -> None:
        self._active.remove(row)
        with self._news:
            self._waiting.append(row)
        self.runner.leave(row.seat)

    def _leave(self, row: Row) -> None:
        if self.runner.shares and len(self._active) <= FEW:
            self._if_memory_allows(self._sharing.keep, row, row.seat.tokens[: row.keepable])
        self._active.remove(row)
        self.runner.leave(row.seat)
