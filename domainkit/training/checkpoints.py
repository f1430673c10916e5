"""Checkpoints: what a run that was stopped goes on from. Its folder, whole checkpoints in it, and a stop that saves first."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from domainkit.adapters.adaptation import Hooks
from domainkit.adapters.folder import PEFT_CONFIG, Adapter
from domainkit.errors import ConfigError, saving
from domainkit.storage import write_text
from domainkit.training import distributed as ranks

RUN = "run.json"
RUN_STATE = "run_state.json"
CHECKPOINT_WEIGHTS = "trainable.safetensors"
METHOD_STATE = "method_state.safetensors"
SETTINGS_FREE_TO_CHANGE = {"save_every"}
KEPT = 2
"""Checkpoints of a run on the disk."""


@dataclass
class Ledger:
    """What a run has done so far, over all its sittings."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    tokens: int = 0
    supervised: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.losses = [(step, loss) for step, loss in self.losses]  # JSON has no tuples

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


# ---- the folder --------------------------------------------------------------------------------------------------------


def work_folder(out: Path) -> Path:
    """Where the run's checkpoints are until the adapter is in `out`."""
    return out.absolute().with_name(out.absolute().name + ".partial")


def finished(out: Path, identity: dict[str, Any]) -> Adapter | None:
    """The adapter in `out`, when no run is left to resume and it is what this run would make. Raises ConfigError when it is another."""
    if not (out / PEFT_CONFIG).is_file() or last_checkpoint(work_folder(out)):
        return None
    adapter = Adapter.load(out)
    card = adapter.card
    if card is None:
        return None
    told = card.preference or {}
    made = {**told, "config": card.config, "data": card.data_fingerprint, "base": card.base_fingerprint}
    changed = _differences(made, {**identity, "config": _as_made(identity["config"], card.config)})
    if changed:
        raise ConfigError(
            f"holds a finished adapter made with other settings: {'; '.join(changed)}",
            where=f"out={out}",
            next_step="choose another folder, or train without --resume to replace it",
        )
    return adapter


def open_work(out: Path, identity: dict[str, Any], *, resume: bool) -> Path:
    """The folder of checkpoints: continued when `resume` finds the same run in it, begun afresh otherwise. Raises ConfigError."""
    work = work_folder(out)
    identity = json.loads(json.dumps(identity))
    if resume and (work / RUN).is_file() and last_checkpoint(work):
        before = json.loads((work / RUN).read_text(encoding="utf-8"))
        changed = _differences(before, identity)
        if changed:
            raise ConfigError(
                f"cannot continue, since the run was started with other settings: {'; '.join(changed)}",
                where=str(work),
                next_step="use the settings of that run, or train without --resume to begin afresh",
            )
        return work
    with saving(work):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    write_text(work / RUN, json.dumps(identity, indent=1) + "\n")
    return work


def last_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint in the work folder."""
    whole = [p.parent for p in work.glob(f"checkpoint-*/{RUN_STATE}")]
    return max(whole, key=lambda p: int(p.name.removeprefix("checkpoint-")), default=None)


def _as_made(asked: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, with what it left open (None, auto) as it was resolved in `made`."""
    settled = {f: made.get(f) if v in (None, "auto") else v for f, v in asked.items()}
    return settled | {"method_options": {**made.get("method_options", {}), **asked["method_options"]}}


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    old, new = before["config"], now["config"]
    fields = [f for f in sorted({*old, *new}) if f not in SETTINGS_FREE_TO_CHANGE and old.get(f) != new.get(f)]
    changed = [f"{f} was {old.get(f)!r}, is {new.get(f)!r}" for f in fields]
    named = {
        "data": "the training data",
        "base": "the base model's weights",
        "start": "the adapter it starts from",
        "reward": "the reward",
    }
    return changed + [f"{text} changed" for key, text in named.items() if key in now and before.get(key) != now[key]]


# ---- the trainer's part ------------------------------------------------------------------------------------------------


class Checkpointed:
    """Mixed into a Trainer of transformers, before it: checkpoints of the trainable weights as they are, and of the ledger.

    `trainable` holds those weights by name; `hooks` says what the method must remember beside them.
    """

    trainable: dict[str, Any]
    hooks: Hooks
    ledger: Any
    interrupted = False
    """Set by Ctrl-C: the step at hand is ended and saved."""
    began: float
    before = 0.0
    """Seconds of the earlier sittings."""

    args: Any
    state: Any
    model: Any

    def go_on_from(self, checkpoint: Path | None) -> None:
        """Train to the end, from `checkpoint` if there is one."""
        if checkpoint is not None:
            self.ledger = type(self.ledger)(**json.loads((checkpoint / RUN_STATE).read_text(encoding="utf-8")))
            self.before = self.ledger.seconds
        self.began = time.perf_counter()
        try:
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)  # type: ignore[attr-defined]
        finally:
            self.ledger.seconds = self.elapsed()

    def elapsed(self) -> float:
        """Seconds of training, over all sittings."""
        return self.before + time.perf_counter() - self.began

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """All trainable weights as they are: PEFT's folder leaves out what only training needs."""
        folder = Path(output_dir or self.args.output_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: p.detach().contiguous() for name, p in self.trainable.items()}
        save_file(weights, str(folder / CHECKPOINT_WEIGHTS))
        state = {name: t.detach().contiguous() for name, t in self.hooks.state(self.model).items()}
        save_file(state, str(folder / METHOD_STATE))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        weights = load_file(str(folder / CHECKPOINT_WEIGHTS))
        with torch.no_grad():
            for name, p in self.trainable.items():
                p.copy_(weights[name])
        self.hooks.restore(self.model, load_file(str(folder / METHOD_STATE)))

    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        """The Trainer's checkpoint, and last the ledger: a checkpoint without it was cut off and does not count."""
        folder = Path(self.args.output_dir or ".") / f"checkpoint-{self.state.global_step}"
        with saving(folder), _refused_writes():
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self.ledger.seconds = self.elapsed()
            ranks.wait()  # a checkpoint is whole when every process has written its part
            if ranks.is_first():
                write_text(folder / RUN_STATE, json.dumps(vars(self.ledger)) + "\n")


@contextmanager
def stopping_gently(trainer: Checkpointed) -> Iterator[None]:
    """Ctrl-C ends the step at hand and saves; a second one stops at once. KeyboardInterrupt is raised either way, and says what
    is saved."""

    def stop(number: int, frame: Any) -> None:
        if trainer.interrupted:
            raise KeyboardInterrupt
        trainer.interrupted = True

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, stop) if main else None
    try:
        yield
        if trainer.interrupted and trainer.state.global_step < trainer.state.max_steps:
            raise KeyboardInterrupt(f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}")
    except KeyboardInterrupt as e:
        saved = last_checkpoint(Path(trainer.args.output_dir))
        kept = f"; step {saved.name.removeprefix('checkpoint-')} is saved" if saved else "; nothing is saved yet"
        raise KeyboardInterrupt(f"{e or 'stopped'}{kept}. Continue with the same command and --resume") from None
    finally:
        if main:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _refused_writes() -> Iterator[None]:
    """torch and safetensors hide a full disk in other exceptions: show it as the OSError it is."""
    try:
        yield
    except Exception as e:
        text = str(e)
        if not isinstance(e, OSError) and (
            "PytorchStreamWriter" in text or "No space left" in text or "os error 28" in text
        ):
            raise OSError(28, "No space left on device") from e
        raise


__all__ = [
    "KEPT",
    "Checkpointed",
    "Ledger",
    "finished",
    "last_checkpoint",
    "open_work",
    "stopping_gently",
    "work_folder",
]
