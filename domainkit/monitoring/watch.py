"""watch(): have the questions changed since the comparison? Counts alone, and bets one may look at at any time."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.errors import ConfigError, saving
from domainkit.monitoring.append import append_row
from domainkit.monitoring.callback import ObservingCallback
from domainkit.monitoring.measures import confidence_of, measure
from domainkit.monitoring.reference import Reference, make_reference
from domainkit.monitoring.sketch import vectors_of
from domainkit.monitoring.state import REFERENCE_FILE, TEXTS_FILE, State, now, read_folder, save_reference, save_state
from domainkit.monitoring.tally import Tally
from domainkit.results.schema import Portfolio, load_results
from domainkit.storage import hold_folder

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.messages import AIMessage

log = logging.getLogger("domainkit")
WAITING, TOGETHER = 1_000, 32
"""Answers that may wait to be measured; answers measured together."""
WRITTEN_AFTER = 1.0
"""Seconds after which new counts are written, at the latest."""


def watch(
    folder: Path | str,
    run: Path | str | None = None,
    *,
    variant: str | None = None,
    keep_texts: bool = False,
    embeddings: Embeddings | None = None,
) -> Watch:
    """A LangChain callback that counts what the recommended variant of `run` (or `variant`) is asked and answers.

    `chain.invoke(question, {"callbacks": [watch("watched", "RUN")]})`; what it found: `domainkit watch watched`.

    `folder` keeps the reference, which is made from the run's own answers, and the counts; later it opens without
    `run`. No text is kept, unless `keep_texts`: then each question and answer goes to texts.jsonl in it. `embeddings`
    measure what questions are about; left out, the packaged MiniLM. Answers are measured in a thread of their own, and
    the counts are written at most a second later.

    Raises ConfigError where another process or object holds the folder, where it belongs to another run or variant, or
    where neither has a reference; and what `load_results` raises.
    """
    folder = Path(folder).absolute()
    if embeddings is None:
        from domainkit.retrieval.embeddings import MiniLMEmbeddings

        embeddings = MiniLMEmbeddings()
    with saving(folder):
        held = _hold(folder)
    try:
        reference, state = open_folder(folder, run, variant, embeddings)
    except BaseException:
        if held is not None:
            os.close(held)
        raise
    return Watch(folder, reference, state, embeddings, keep_texts, held)


def _hold(folder: Path) -> int | None:
    try:
        return hold_folder(os.path.realpath(folder))
    except ConfigError as e:
        what = "is being watched into already, by another process or by this one"
        next_step = "give each process a folder of its own, or close() the other"
        raise ConfigError(what, where=str(folder), next_step=next_step) from e


def open_folder(
    folder: Path, run: Path | str | None, variant: str | None, embeddings: Embeddings
) -> tuple[Reference, State]:
    """Reference and state of the folder; made from `run` where it has none yet."""
    results = None if run is None else load_results(Path(run))
    if isinstance(results, Portfolio):
        what = "a run of several comparisons has no single winner"
        raise ConfigError(what, where=str(run), next_step="name the folder of one of them")
    if not (folder / REFERENCE_FILE).exists():
        if results is None:
            what = "there is nothing to compare with yet"
            raise ConfigError(what, where=str(folder), next_step=f"domainkit watch {folder} --run RUN")
        reference = make_reference(results, variant, embeddings, str(run))
        save_reference(folder, reference)
        return reference, State.new(len(reference.series) + 1)
    reference, state = read_folder(folder)
    asked = (variant or (results.verdict.choice if results else None)) or reference.variant
    if asked != reference.variant or (results and results.task.fingerprint != reference.fingerprint):
        what = f"watches '{reference.variant}' of {reference.run}, not '{asked}' of {run or reference.run}"
        raise ConfigError(what, where=str(folder), next_step="choose another folder for another run or variant")
    return reference, state


@dataclass(frozen=True, slots=True)
class _Observation:
    question: str
    text: str
    passages: tuple[str, ...]
    confidence: float | None
    conversation: str | None
    turn: int


class Watch(ObservingCallback):
    """Made by `watch()`. Also an `Observer`, for a server. Safe from many threads."""

    def __init__(
        self,
        folder: Path,
        reference: Reference,
        state: State,
        embeddings: Embeddings,
        keep_texts: bool = False,
        held: int | None = None,
    ) -> None:
        super().__init__()
        self.folder, self.reference, self.keep_texts = folder, reference, keep_texts
        self._embeddings, self._held = embeddings, held
        self._tally = Tally(reference, state)
        self._lock = threading.Lock()
        """Of the tally and its state."""
        self._unwritten = False
        self._written_at = time.monotonic()
        self._closed = False
        self._waiting: queue.Queue[_Observation | None] = queue.Queue(WAITING)
        self._worker = threading.Thread(target=self._work, name="domainkit-watch", daemon=True)
        self._worker.start()
        atexit.register(self.close)

    # ---- observations ------------------------------------------------------------------------------------------------

    def observe(
        self, question: str, answer: AIMessage, seconds: float, *, conversation: str | None = None, turn: int = 1
    ) -> None:
        try:
            metadata = answer.response_metadata
            passages = tuple(str(p["text"]) for p in metadata.get("passages") or ())
            seen = _Observation(question, str(answer.text), passages, confidence_of(metadata), conversation, turn)
            if self._closed:
                raise ValueError("the watch is closed")
            self._waiting.put_nowait(seen)
        except queue.Full:
            self._lose(f"more than {WAITING:,} answers were waiting to be measured")
        except Exception as e:  # an answer must reach its reader, whatever its form
            self._lose(f"{type(e).__name__}: {e}")

    def observe_failure(self, reason: str = "") -> None:
        with self._lock:
            self._tally.state.failed += 1
            self._unwritten = True

    def _lose(self, reason: str, answers: int = 1) -> None:
        with self._lock:
            state = self._tally.state
            if not state.lost:
                log.warning("watch %s: an answer could not be counted: %s", self.folder, reason)
            state.lost, state.lost_reason = state.lost + answers, reason
            self._unwritten = True

    # ---- the worker --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            try:
                block = [self._waiting.get(timeout=WRITTEN_AFTER)]
            except queue.Empty:
                self._write()
                continue
            while len(block) < TOGETHER and block[-1] is not None:
                try:
                    block.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            try:
                self._count([seen for seen in block if seen is not None])
            except Exception as e:
                self._lose(f"{type(e).__name__}: {e}", len(block))
            finally:
                for _ in block:
                    self._waiting.task_done()
            if time.monotonic() - self._written_at >= WRITTEN_AFTER:  # answers may come without a pause
                self._write()
            if block[-1] is None:
                return

    def _count(self, block: list[_Observation]) -> None:
        first = [seen for seen in block if not self._is_later(seen)]
        if not first:
            return
        sketch, questions = self.reference.sketch, [seen.question for seen in first]
        placed = None if sketch is None else sketch.places(vectors_of(questions, self._embeddings))
        for k, seen in enumerate(first):
            measures = measure(
                seen.question,
                seen.text,
                seen.passages if self.reference.retrieves else None,
                seen.confidence,
                parse_label=self.reference.parse_label,
                place=None if placed is None else placed[k],
            )
            with self._lock:
                marks = self._tally.add(measures)
                self._tally.state.latest = now()
                self._unwritten = True
            if self.keep_texts:
                self._keep(seen, marks)

    def _is_later(self, seen: _Observation) -> bool:
        """Whether the conversation has been counted; then its turn is."""
        with self._lock:
            state = self._tally.state
            known = seen.conversation is not None and state.is_known(seen.conversation)
            if later := known or seen.turn > 1:
                state.later_turns += 1
                self._unwritten = True
        return later

    def _keep(self, seen: _Observation, marks: list[str]) -> None:
        row = {"time": now(), "question": seen.question, "answer": seen.text, "marks": marks}
        append_row(self.folder / TEXTS_FILE, row)

    def _write(self) -> None:
        with self._lock:
            self._written_at = time.monotonic()
            if not self._unwritten:
                return
            try:
                save_state(self.folder, self._tally.to_state())
                self._unwritten = False
            except Exception as e:  # the disk is full, or the folder gone: counting goes on, and it is tried again
                if self._tally.state.lost_reason != str(e):
                    log.warning("watch %s: the counts could not be written: %s", self.folder, e)
                self._tally.state.lost_reason = str(e)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Wait until all answers are counted, and write the counts."""
        self._waiting.join()
        self._write()

    def close(self) -> None:
        """Count what waits, write, and let others watch into the folder. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._waiting.put(None)
        self._worker.join(timeout=60)
        self._write()
        atexit.unregister(self.close)
        if self._held is not None:
            os.close(self._held)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
