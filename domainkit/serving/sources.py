"""What a command line names, as models to serve: a base, adapter folders, run folders and packs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from domainkit.adapters.folder import PEFT_CONFIG, split_task
from domainkit.errors import ConfigError
from domainkit.inference.local import local_backend
from domainkit.llm.settings import BaseSettings, Settings, base_settings
from domainkit.models import Quantization
from domainkit.serving.models import EngineModel, Models, names_of
from domainkit.serving.winner import WinnerModel
from domainkit.winner.load import load_variant, load_winner

RUN_FILES = ("variants.json", "results.json")


@dataclass(frozen=True, slots=True)
class Sources:
    """What to serve."""

    base: str | None = None
    adapters: list[Path] = field(default_factory=list)
    winners: list[Path] = field(default_factory=list)
    """Run folders and packs; FOLDER#VARIANT is another variant than the recommended one."""


def read_sources(sources: Sequence[Path], base: str | None = None) -> Sources:
    """The sources by their kind. Raises ConfigError for what is none, and where there is nothing to serve."""
    adapters, winners = [], []
    for source in sources:
        folder = Path(split_task(str(source))[0])
        if (folder / PEFT_CONFIG).is_file():
            adapters.append(source)
        elif any((folder / name).is_file() for name in RUN_FILES):
            winners.append(source)
        else:
            what = f"is neither an adapter ({PEFT_CONFIG}) nor a run or pack ({RUN_FILES[0]})"
            step = "check the path; a base is named with --base"
            raise ConfigError(what if folder.exists() else "no such folder", where=str(source), next_step=step)
    if not (adapters or winners or base):
        raise ConfigError("nothing to serve", next_step="name adapter folders, a run or a pack, or give --base")
    return Sources(base, adapters, winners)


def make_models(sources: Sources, *, loadable: Path | None = None, prompt_limit: int | None = None) -> Models:
    """The models to serve. No weights are loaded yet. Raises ConfigError for adapters of different bases, and what
    `load_winner` raises."""
    if loadable is not None and not loadable.is_dir():
        raise ConfigError("no such folder", where=f"--adapters {loadable}", next_step="name an existing folder")
    winners = [_winner(source, sources.base) for source in sources.winners]
    found = _common_base(sources, winners)
    engine = None
    if found.base is not None:
        backend = local_backend(found.base, revision=found.revision, quantization=found.quantization)
        engine = EngineModel(base_id(backend.base), backend, prompt_limit=prompt_limit)
    elif loadable is not None:
        raise ConfigError("no base is served, so no adapter can be loaded", where="--adapters", next_step="give --base")
    return Models(engine, names_of(sources.adapters), winners, loadable=loadable)


def base_id(base: str) -> str:
    """The base's name in /v1/models: as it was named; of a folder or file the last part, since its path is nobody's
    business."""
    return Path(base).name if Path(base).exists() else base


def _winner(source: Path, base: str | None) -> WinnerModel:
    folder, variant = split_task(str(source))
    name = Path(folder).resolve().name
    if variant is None:
        return WinnerModel(name, load_winner(folder, base=base))
    return WinnerModel(f"{name}:{variant}", load_variant(folder, variant, base=base))


def _common_base(sources: Sources, winners: Sequence[WinnerModel]) -> BaseSettings:
    """The base, revision and quantization of all adapters, as DomainLLM takes them; without adapters those of a winner,
    so that both share one engine."""
    found = [base_settings(Settings(base=sources.base, adapter=str(a))) for a in sources.adapters]
    # An adapter without a card does not say how its base was held: it takes the others' word.
    held: Quantization = next((one.quantization for one in found if one.quantization != "auto"), "auto")
    found = [one._replace(quantization=held) if one.quantization == "auto" else one for one in found]
    different = next((i for i, one in enumerate(found) if one != found[0]), None)
    if different is not None:
        one, other = found[0], found[different]
        raise ConfigError(
            f"is over {_words(other)}, and {sources.adapters[0].name} over {_words(one)}",
            where=str(sources.adapters[different]),
            next_step="serve adapters of one base together; name it with --base where an adapter names none",
        )
    if found and found[0].base is None:
        step = "give --base: builtin:smollm2-135m, a hub id, or a folder"
        raise ConfigError("names no base", where=str(sources.adapters[0]), next_step=step)
    wanted = found[0] if found else base_settings(Settings(base=sources.base))
    measured = [_measured_base(w, sources.base) for w in winners]
    same = [m for m in measured if m is not None and _agree(m, wanted)]
    return same[0] if same else wanted


def _measured_base(winner: WinnerModel, base: str | None) -> BaseSettings | None:
    """The base of a winner, as `load_winner` loads it; None where no language model answers."""
    measured = winner.variant.record.base
    if measured is None or not winner.variant.variant.uses_base:
        return None
    quantization = cast(Quantization, measured.quantization)  # as compare has loaded it
    return BaseSettings(base or measured.name, None if base else measured.revision, quantization)


def _agree(measured: BaseSettings, wanted: BaseSettings) -> bool:
    """Whether a winner's engine can serve the base and the adapters too."""
    quantization = wanted.quantization in ("auto", measured.quantization)
    return wanted.base in (None, measured.base) and wanted.revision in (None, measured.revision) and quantization


def _words(base: BaseSettings) -> str:
    return f"{base.base or 'no base that it names'} ({base.quantization})"
