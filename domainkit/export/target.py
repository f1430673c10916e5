"""What every export target takes and gives: an ExportJob in, an Exported out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.models import Quantization
from domainkit.training.heldout import HeldOutComparison


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What to export. A target uses the fields that it needs."""

    adapters: tuple[Path, ...]
    """Adapter folders of one base."""
    out: Path | None = None
    """Folder or file to write; a target that only prints needs none."""
    base: str | None = None
    """Base of an adapter without a card."""
    quantization: Quantization | None = None
    """How that base was held in training."""
    held_out: Sequence[Example] = ()
    """Examples that the adapter was not trained on, for targets that prove that the tune survives."""

    def one_adapter(self) -> Path:
        """The only adapter. Raises ConfigError when there are several."""
        if len(self.adapters) != 1:
            raise ConfigError("this target takes one adapter at a time", next_step="run it once for each")
        return self.adapters[0]

    def required_out(self) -> Path:
        """`out`. Raises ConfigError when it is not given."""
        if self.out is None:
            raise ConfigError("this target writes a folder", where="--out", next_step="name a new folder: --out FOLDER")
        return self.out


@dataclass(frozen=True, slots=True)
class Exported:
    """What a target made."""

    lines: tuple[str, ...]
    """What the command line prints."""
    path: Path | None = None
    """What was written."""


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """A line of EXPORTS; `@export_target()` makes one of a function."""

    export: Callable[[ExportJob], Exported]
    """Raises a DomainkitError for what it cannot export, and then writes nothing."""
    unused: tuple[str, ...]
    """Optional fields of ExportJob that it does not use."""

    def __call__(self, job: ExportJob) -> Exported:
        """Export. Raises ConfigError for a field that is not used: what a user gives is never ignored silently."""
        for field in self.unused:
            if getattr(job, field):
                option = OPTIONS.get(field, f"--{field}")
                raise ConfigError("this target does not use it", where=option, next_step=f"leave {option} out")
        return self.export(job)


OPTIONS = {"held_out": "--data"}
"""The command line's options for fields of ExportJob, where the names differ."""


def export_target(*, unused: tuple[str, ...] = ()) -> Callable[[Callable[[ExportJob], Exported]], ExportTarget]:
    """Declares the function below it as a target that does not use the named fields of its job."""
    return lambda export: ExportTarget(export, unused)


def proof_lines(proof: HeldOutComparison, not_taken: Sequence[HeldOutComparison] = ()) -> list[str]:
    """The measurements on held-out text: of the result, and of the rejected candidates."""
    return [
        f"Held out: {proof.examples} examples, {proof.tokens:,} target tokens.",
        f"Taken: {proof}",
        *(f"Not taken: {one}" for one in not_taken),
    ]
