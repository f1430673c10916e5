"""Checkpoints: the folder of a run, and what an interrupted run continues from, bit for bit."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer
from transformers.trainer_pt_utils import safe_globals

from domainkit.adapters.adaptation import MethodHooks
from domainkit.adapters.folder import PEFT_CONFIG, Adapter, work_folder
from domainkit.errors import ConfigError, DomainkitError, saving
from domainkit.messages import JsonObject
from domainkit.storage import locked_folder, parse_json, read_bytes, write_text
from domainkit.training import distributed

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel

log = logging.getLogger("domainkit")

RUN = "run.json"
RUN_STATE = "run_state.json"
CHECKPOINT_WEIGHTS = "trainable.safetensors"
METHOD_STATE = "method_state.safetensors"
OPTIMIZER = "optimizer.pt"
SETTINGS_FREE_TO_CHANGE = {"save_every", "report_to"}
"""Settings that change no weight."""
KEPT = 2
"""Checkpoints of a run on the disk."""


@dataclass
class Ledger:
    """What a run has done so far, also before it was resumed."""

    losses: list[tuple[int, float]] = field(default_factory=list)
    """(step, nats per supervised token)."""
    tokens: int = 0
    supervised: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.losses = [(step, loss) for step, loss in self.losses]  # JSON has no tuples

    def add(self, step: int, loss: float, *, tokens: int, supervised: int) -> None:
        self.losses.append((step, loss))
        self.tokens += tokens
        self.supervised += supervised


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What decides the weights of a run. A run is only continued under the same identity."""

    config: JsonObject
    data: str
    """Fingerprint of the training data."""
    base: str
    """Fingerprint of the base's weights."""
    start: str | None = None
    """SHA-256 of the adapter's weights that training starts from."""
    reward: str | None = None
    """Name of the reward."""
    teacher: str | None = None
    """SHA-256 of what the teacher of context distillation reads and is."""


L = TypeVar("L", bound=Ledger)


# ---- the folder of a run ---------------------------------------------------------------------------------------------


def finished_adapter(out: Path, identity: RunIdentity) -> Adapter | None:
    """The adapter in `out`, when this run made it and no checkpoint is left to resume.

    Raises ConfigError when another run made it.
    """
    if not (out / PEFT_CONFIG).is_file() or last_checkpoint(work_folder(out)):
        return None
    adapter = Adapter.load(out)
    card = adapter.card
    if card is None:
        return None
    preference = card.preference or {}
    made_by = RunIdentity(
        card.config,
        card.data_fingerprint,
        card.base_fingerprint,
        preference.get("start"),
        preference.get("reward"),
        (card.teacher or {}).get("identity"),
    )
    changed = _differences(asdict(made_by), asdict(identity) | {"config": _resolved(identity.config, card.config)})
    if changed:
        raise ConfigError(
            f"holds a finished adapter made with other settings: {'; '.join(changed)}",
            where=f"out={out}",
            next_step="choose another folder, or train without --resume to replace it",
        )
    return adapter


def locked_run(out: Path) -> AbstractContextManager[None]:
    """Keep other trainings out of `out` and its folder of checkpoints. Raises ConfigError where one is under way."""
    return locked_folder(work_folder(out)) if distributed.is_main_process() else nullcontext()


def open_work_folder(out: Path, identity: RunIdentity, *, resume: bool) -> Path:
    """The folder of checkpoints: continued when `resume` finds the same run in it, else empty. Raises ConfigError."""
    work = work_folder(out)
    current = json.loads(json.dumps(asdict(identity)))
    last = last_checkpoint(work)
    if resume and last:
        changed = _differences(_read_run(work), current)
        if changed:
            raise ConfigError(
                f"cannot continue, since the run was started with other settings: {'; '.join(changed)}",
                where=str(work),
                next_step="use the settings of that run, or train without --resume to start again",
            )
        return work
    if last:
        log.warning("starting again, without the checkpoint of step %d in %s", step_of(last), work)
    with saving(work):
        work.mkdir(parents=True, exist_ok=True)
        for path in work.iterdir():  # the folder itself is locked
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    _write_run(work, current)
    return work


def check_resolved(work: Path, config: JsonObject) -> None:
    """Record what the run's open settings came to be. Raises ConfigError where a continued run's were others."""
    run, config = _read_run(work), json.loads(json.dumps(config))
    changed = _differences({"config": run.get("resolved", config)}, {"config": config})
    if changed:
        raise ConfigError(
            f"cannot continue, since here the run's open settings come to be others: {'; '.join(changed)}",
            where=str(work),
            next_step="set them as they were, or train without --resume to start again",
        )
    if "resolved" not in run:
        _write_run(work, {**run, "resolved": config})


def _read_run(work: Path) -> JsonObject:
    """What was asked of the run whose checkpoints are in `work`."""
    try:
        run = parse_json(read_bytes(work / RUN))
        if isinstance(run, dict) and isinstance(run.get("config"), dict):
            return run
        reason = "it is not the description of a run"
    except (OSError, ValueError) as e:
        reason = str(getattr(e, "strerror", None) or e)
    raise ConfigError(
        f"cannot continue: {RUN} cannot be read: {reason}",
        where=str(work),
        next_step="train without --resume to start again",
    )


def _write_run(work: Path, run: JsonObject) -> None:
    write_text(work / RUN, json.dumps(run, indent=1) + "\n")


def last_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint in the work folder."""
    return max(_whole_checkpoints(work), key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which the checkpoint was written."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _whole_checkpoints(work: Path) -> list[Path]:
    folders = [file.parent for file in work.glob(f"checkpoint-*/{RUN_STATE}")]
    return [folder for folder in folders if folder.name.removeprefix("checkpoint-").isdecimal()]


def _resolved(requested: JsonObject, resolved: JsonObject) -> JsonObject:
    """`requested` with what it left open (None, auto) as it is in `resolved`."""
    filled = {name: resolved.get(name) if value in (None, "auto") else value for name, value in requested.items()}
    return filled | {"method_options": {**resolved.get("method_options", {}), **requested["method_options"]}}


def _differences(before: JsonObject, now: JsonObject) -> list[str]:
    old, new = before["config"], now["config"]
    fields = [f for f in sorted({*old, *new}) if f not in SETTINGS_FREE_TO_CHANGE and old.get(f) != new.get(f)]
    changed = [f"{f} was {old.get(f)!r}, is {new.get(f)!r}" for f in fields]
    names = {
        "data": "the training data",
        "base": "the base model's weights",
        "start": "the adapter it starts from",
        "reward": "the reward",
        "teacher": "the teacher",
    }
    return changed + [f"{text} changed" for key, text in names.items() if before.get(key) != now.get(key)]


# ---- one checkpoint --------------------------------------------------------------------------------------------------


def save_checkpoint(
    work: Path,
    step: int,
    model: AdaptedModel,
    trainable: Mapping[str, torch.nn.Parameter],
    optimizer: Optimizer,
    hooks: MethodHooks,
    ledger: Ledger,
) -> None:
    """Write the state after `step` and remove old checkpoints. All processes call it; the main one writes most."""
    folder = work / f"checkpoint-{step}"
    with saving(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if distributed.is_main_process():
            save_weights(folder, model, trainable, hooks)
            torch.save(optimizer.state_dict(), folder / OPTIMIZER)
        torch.save(_rng_state(), folder / _rng_file())
        mark_whole(folder, ledger)
    if distributed.is_main_process():
        for old in sorted(_whole_checkpoints(work), key=step_of)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(
    folder: Path,
    model: AdaptedModel,
    trainable: Mapping[str, torch.nn.Parameter],
    optimizer: Optimizer,
    hooks: MethodHooks,
) -> Ledger:
    """Restore weights, optimizer and random numbers; return the ledger. Raises ConfigError for a damaged checkpoint."""
    with reading_checkpoint(folder):
        return _load_checkpoint(folder, model, trainable, optimizer, hooks)


def _load_checkpoint(
    folder: Path,
    model: AdaptedModel,
    trainable: Mapping[str, torch.nn.Parameter],
    optimizer: Optimizer,
    hooks: MethodHooks,
) -> Ledger:
    load_weights(folder, model, trainable, hooks)
    optimizer.load_state_dict(torch.load(folder / OPTIMIZER, map_location="cpu", weights_only=True))
    # A checkpoint of another number of processes has no random state for this one.
    if (folder / _rng_file()).is_file():
        with safe_globals():  # checkpoints of transformers' Trainer hold a NumPy state too
            state = torch.load(folder / _rng_file(), map_location="cpu", weights_only=True)
        torch.random.set_rng_state(state["cpu"])
        if torch.cuda.is_available() and isinstance(state.get("cuda"), torch.Tensor):
            torch.cuda.random.set_rng_state(state["cuda"])
    return read_ledger(folder, Ledger)


def _rng_state() -> dict[str, torch.Tensor]:
    state = {"cpu": torch.random.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.random.get_rng_state()
    return state


def _rng_file() -> str:
    return f"rng_state_{distributed.rank()}.pth" if distributed.world_size() > 1 else "rng_state.pth"


def save_weights(
    folder: Path, model: AdaptedModel, trainable: Mapping[str, torch.nn.Parameter], hooks: MethodHooks
) -> None:
    """All trainable weights as they are: PEFT's own layout leaves out what only training needs."""
    save_file({name: p.detach().contiguous() for name, p in trainable.items()}, str(folder / CHECKPOINT_WEIGHTS))
    state = {name: t.detach().contiguous() for name, t in hooks.state(model).items()}
    save_file(state, str(folder / METHOD_STATE))


def load_weights(
    folder: Path, model: AdaptedModel, trainable: Mapping[str, torch.nn.Parameter], hooks: MethodHooks
) -> None:
    weights = load_file(str(folder / CHECKPOINT_WEIGHTS))
    with torch.no_grad():
        for name, p in trainable.items():
            p.copy_(weights[name])
    hooks.restore(model, load_file(str(folder / METHOD_STATE)))


def mark_whole(folder: Path, ledger: Ledger) -> None:
    """Write the ledger, last of all: a checkpoint without it is incomplete and does not count."""
    distributed.barrier()
    if distributed.is_main_process():
        write_text(folder / RUN_STATE, json.dumps(vars(ledger)) + "\n")


def read_ledger(folder: Path, kind: type[L]) -> L:
    return kind(**json.loads((folder / RUN_STATE).read_text(encoding="utf-8")))


@contextmanager
def reading_checkpoint(folder: Path) -> Iterator[None]:
    """Turn what torch and safetensors raise for a damaged file into a ConfigError."""
    try:
        yield
    except (DomainkitError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as e:  # unpickling alone raises a dozen types
        raise ConfigError(
            f"the checkpoint cannot be read: {str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__}",
            where=str(folder),
            next_step="delete it to continue from the one before, or train without --resume to start again",
        ) from e
