"""What a command line names, as models to serve: a base, adapter folders, run folders and packs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainkit.adapters.folder import PEFT_CONFIG, split_task
from domainkit.errors import ConfigError
from domainkit.inference.local import local_backend
from domainkit.llm.settings import BaseSettings, Settings, base_settings
from domainkit.models import DEFAULT_BASE
from domainkit.serving.models import EngineModel, Models, names_of

RESULTS = "results.json"


@dataclass(frozen=True, slots=True)
class Sources:
    """What to serve."""

    base: str | None = None
    adapters: list[Path] = field(default_factory=list)
    winners: list[Path] = field(default_factory=list)
    """Run folders and packs."""


def read_sources(sources: Sequence[Path], base: str | None = None) -> Sources:
    """The sources by their kind. Raises ConfigError for what is none, and where there is nothing to serve."""
    adapters, winners = [], []
    for source in sources:
        folder = Path(split_task(str(source))[0])
        if (folder / PEFT_CONFIG).is_file():
            adapters.append(source)
        elif (folder / RESULTS).is_file():
            winners.append(source)
        else:
            what = "is neither an adapter (adapter_config.json) nor a run or pack (results.json)"
            step = "check the path; a base is named with --base"
            raise ConfigError(what if folder.exists() else "no such folder", where=str(source), next_step=step)
    if not (adapters or winners or base):
        raise ConfigError("nothing to serve", next_step="name adapter folders, a run or a pack, or give --base")
    return Sources(base, adapters, winners)


def make_models(sources: Sources, *, loadable: Path | None = None, prompt_limit: int | None = None) -> Models:
    """The models to serve. No weights are loaded yet. Raises ConfigError for adapters of different bases."""
    if loadable is not None and not loadable.is_dir():
        raise ConfigError("no such folder", where=f"--adapters {loadable}", next_step="name an existing folder")
    found = _common_base(sources)
    backend = local_backend(found.base or DEFAULT_BASE, revision=found.revision, quantization=found.quantization)
    engine = EngineModel(base_id(backend.base), backend, prompt_limit=prompt_limit)
    return Models(engine, names_of(sources.adapters), loadable=loadable)


def base_id(base: str) -> str:
    """The base's name in /v1/models: as it was named; a folder's or file's last part, since its path is nobody's
    business."""
    return Path(base).name if Path(base).exists() else base


def _common_base(sources: Sources) -> BaseSettings:
    """The base, revision and quantization that all adapters were trained on, as DomainLLM takes them: so a winner over
    the same base shares its engine."""
    found = [base_settings(Settings(base=sources.base, adapter=str(a))) for a in sources.adapters]
    different = next((i for i, one in enumerate(found) if one != found[0]), None)
    if different is not None:
        one, other = found[0], found[different]
        raise ConfigError(
            f"is over {_words(other)}, and {sources.adapters[0].name} over {_words(one)}",
            where=str(sources.adapters[different]),
            next_step="serve adapters of one base together; name it with --base where an adapter names none",
        )
    return found[0] if found else base_settings(Settings(base=sources.base))


def _words(base: BaseSettings) -> str:
    return f"{base.base or 'no base that it names'} ({base.quantization})"
