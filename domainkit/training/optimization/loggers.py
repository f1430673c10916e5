"""Loggers of a run (`report_to`), through Accelerate's trackers: TensorBoard, Weights & Biases, MLflow and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from domainkit.errors import ConfigError, MachineError
from domainkit.registry import suggestion
from domainkit.training.config import AdapterConfig
from domainkit.training.distributed import is_main_process
from domainkit.training.optimization.progress import Progress, show_progress

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "domainkit"
RUN_NAME_OPTION = {"wandb": "name", "mlflow": "run_name"}
"""Where a tracker's first argument is the project, the option that names the run."""


def check_loggers(names: Sequence[str]) -> None:
    """Raises ConfigError for a name that Accelerate does not know, MachineError for a package that is not installed."""
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
    from accelerate.utils import LoggerType

    installed = {str(kind) for kind in get_available_trackers()}
    built_in = {str(kind) for kind in LoggerType}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            raise ConfigError(
                f"unknown logger '{name}'", where="report_to", next_step=suggestion(name, list(LOGGER_TYPE_TO_CLASS))
            )
        # A tracker that a program has registered needs no package.
        if name in built_in - installed:
            raise MachineError(
                f"report_to={name} needs the package {name}", next_step=f"pip install {name}, or leave report_to out"
            )


@contextmanager
def open_loggers(config: AdapterConfig, out: Path) -> Iterator[Callable[[Progress], None]]:
    """Yields a callback that logs every step. A logger's files, if any, go to the folder `runs` beside `out`."""
    trackers = [_start(name, out) for name in config.report_to]
    for tracker in trackers:
        tracker.store_init_configuration(_flat(config.model_dump()))

    def log(progress: Progress) -> None:
        for tracker in trackers:
            tracker.log(progress.metrics(), step=progress.step)

    try:
        yield log
    finally:
        for tracker in trackers:
            tracker.finish()


@contextmanager
def step_callbacks(
    on_progress: Callable[[Progress], None] | None, config: AdapterConfig, out: Path
) -> Iterator[list[Callable[[Progress], None]]]:
    """What to call after every step: `on_progress`, in its absence a progress bar, and the loggers.

    Only `on_progress` runs in every process; the others run in the main process.
    """
    with ExitStack() as stack:
        callbacks = [on_progress] if on_progress else []
        if is_main_process():
            if not on_progress:
                callbacks.append(stack.enter_context(show_progress()))
            if config.report_to:
                callbacks.append(stack.enter_context(open_loggers(config, out)))
        yield callbacks


def _start(name: str, out: Path) -> GeneralTracker:
    from accelerate import PartialState
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    PartialState(cpu=not torch.cuda.is_available())  # trackers ask it whether this is the main process
    kind = LOGGER_TYPE_TO_CLASS[name]
    if kind.requires_logging_directory:
        tracker = kind(out.name, str(out.absolute().parent / "runs"))
    else:
        tracker = kind(PROJECT, **({RUN_NAME_OPTION[name]: out.name} if name in RUN_NAME_OPTION else {}))
    tracker.start()
    return tracker


def _flat(config: Mapping[str, object]) -> dict[str, bool | int | float | str]:
    """Dotted keys and plain values, which is all that trackers accept."""
    flat: dict[str, object] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": v for inner, v in value.items()}
        else:
            flat[key] = value
    return {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in flat.items()}
