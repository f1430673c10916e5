"""What every export target takes and gives: an ExportJob in, an Exported out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.task import Task
from domainkit.models import Quantization
from domainkit.training.heldout import HeldOutComparison


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What to export. A target uses the fields that it needs."""

    adapters: tuple[Path, ...]
    """Adapter folders of one base; for GGUF also the folder of a merged model."""
    out: Path | None = None
    """Folder or file to write; a target that only prints needs none."""
    base: str | None = field(default=None, metadata={"option": "--base"})
    """Base of an adapter without a card; for GGUF the base's GGUF file, where the card names another form of it."""
    quantization: Quantization | None = field(default=None, metadata={"option": "--quantization"})
    """How that base was held in training."""
    held_out: Sequence[Example] = field(default=(), metadata={"option": "--data"})
    """Examples that the adapter was not trained on, for targets that prove that the tune survives."""
    task: Task | None = field(default=None, metadata={"option": "--task"})
    """Test questions to answer in the other engine too."""
    engine: str | None = field(default=None, metadata={"option": "--engine"})
    """Where to replay: a name of ENGINES, a server's URL, or none."""
    repo: str | None = field(default=None, metadata={"option": "--repo"})
    """OWNER/NAME on the hub."""
    run: Path | None = field(default=None, metadata={"option": "--run"})
    """Folder of the comparison whose verdict the model card tells."""
    dry_run: bool = field(default=False, metadata={"option": "--dry-run"})
    """Write the folder, and push nothing."""

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
    uses: tuple[str, ...]
    """The optional fields of ExportJob that it uses."""

    def __call__(self, job: ExportJob) -> Exported:
        """Export. Raises ConfigError for a field that is not used: what a user gives is never ignored silently."""
        for one in fields(job):
            if one.name != "adapters" and one.name not in self.uses and getattr(job, one.name):
                option = one.metadata.get("option", f"--{one.name}")
                raise ConfigError("this target does not use it", where=option, next_step=f"leave {option} out")
        return self.export(job)


def export_target(*, uses: tuple[str, ...] = ("out",)) -> Callable[[Callable[[ExportJob], Exported]], ExportTarget]:
    """Declares the function below it as a target that uses the named optional fields of its job."""
    return lambda export: ExportTarget(export, uses)


def proof_lines(proof: HeldOutComparison, not_taken: Sequence[HeldOutComparison] = ()) -> list[str]:
    """The measurements on held-out text: of the result, and of the rejected candidates."""
    return [
        f"Held out: {proof.examples} examples, {proof.tokens:,} target tokens.",
        f"Taken: {proof}",
        *(f"Not taken: {one}" for one in not_taken),
    ]
