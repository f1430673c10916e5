"""Checkpoints: the folder of a run, and what an interrupted run continues from, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch.optim import Optimizer
from transformers.trainer_pt_utils import safe_globals

from domainkit.adapters.adaptation import MethodHooks
from domainkit.adapters.folder import PEFT_CONFIG, Adapter, work_folder
from domainkit.errors import ConfigError, saving
from domainkit.messages import JsonObject
from domainkit.storage import write_text
from domainkit.training import distributed

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel

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
        card.config, card.data_fingerprint, card.base_fingerprint, preference.get("start"), preference.get("reward")
    )
    changed = _differences(asdict(made_by), asdict(identity) | {"config": _resolved(identity.config, card.config)})
    if changed:
        raise ConfigError(
            f"holds a finished adapter made with other settings: {'; '.join(changed)}",
            where=f"out={out}",
            next_step="choose another folder, or train without --resume to replace it",
        )
    return adapter


def open_work_folder(out: Path, identity: RunIdentity, *, resume: bool) -> Path:
    """The folder of checkpoints: continued when `resume` finds the same run in it, else empty. Raises ConfigError."""
    work = work_folder(out)
    current = json.loads(json.dumps(asdict(identity)))
    if resume and (work / RUN).is_file() and last_checkpoint(work):
        changed = _differences(json.loads((work / RUN).read_text(encoding="utf-8")), current)
        if changed:
            raise ConfigError(
                f"cannot continue, since the run was started with other settings: {'; '.join(changed)}",
                where=str(work),
                next_step="use the settings of that run, or train without --resume to start again",
            )
        return work
    with saving(work):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    write_text(work / RUN, json.dumps(current, indent=1) + "\n")
    return work


def last_checkpoint(work: Path) -> Path | None:
    """The newest whole checkpoint in the work folder."""
    return max(_whole_checkpoints(work), key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which the checkpoint was written."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _whole_checkpoints(work: Path) -> list[Path]:
    return [file.parent for file in work.glob(f"checkpoint-*/{RUN_STATE}")]


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
    with saving(folder), disk_full_as_os_error():
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
    """Restore weights, optimizer and random numbers; return the ledger."""
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
def disk_full_as_os_error() -> Iterator[None]:
    """torch and safetensors hide a full disk in other exceptions: raise the OSError behind them."""
    try:
        yield
    except Exception as e:
        text = str(e)
        if not isinstance(e, OSError) and (
            "PytorchStreamWriter" in text or "No space left" in text or "os error 28" in text
        ):
            raise OSError(28, "No space left on device") from e
        raise
