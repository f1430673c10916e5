"""Several models in one ladder: the models that are named beside the base, and the variants that run on each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.comparison.ladder import find_variant
from domainkit.errors import ConfigError
from domainkit.evaluation.variant import Variant
from domainkit.llm.chat_model import DomainLLM
from domainkit.llm.named_model import NAMES, NamedModel, find_model
from domainkit.registry import suggestion

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

BASE = "base"
"""The name of the comparison's own base: `few-shot@base` runs on it alone."""
_SECRET = re.compile(r"//[^/\s]*@")
_NAME = re.compile(r"[^\W_][\w.-]*")


@dataclass(frozen=True)
class LadderModel:
    """A chat model that variants run on beside the comparison's base."""

    name: str
    """What variants say after their @."""
    model: NamedModel
    spec: str | None
    """What `find_model` found it by; None where a program gave the object itself."""


def read_models(models: Mapping[str, str | Path | BaseChatModel] | None) -> dict[str, LadderModel]:
    """The models by name, in the order given. No weights are loaded, and nothing is asked.

    Raises ConfigError for a name that variants could not say after their @ and for what names no model; MachineError
    for a LangChain integration that is not installed.
    """
    if models is None:
        return {}
    if not isinstance(models, Mapping):
        what = f"{models!r} is not a table of models"
        raise ConfigError(what, where="models", next_step='write models={"small": "builtin:smollm2-135m"}')
    found = {}
    for name, model in models.items():
        check_name(name)
        if model is None or model == "":
            raise ConfigError("names no model", where=f"model {name}", next_step=f"write {name}=SPEC: {NAMES}")
        spec = str(model) if isinstance(model, str | Path) else None
        if spec and _SECRET.search(spec):
            what = "holds a user name or a password, which would be written into the results"
            step = "leave it out of the address; DomainLLM(backend='server', api_key=…) in Python takes a key"
            raise ConfigError(what, where=f"model {name}", next_step=step)
        found[name] = LadderModel(name, find_model(model, f"model {name}"), spec)
    return found


def check_name(name: object) -> None:
    """Raises ConfigError for a name that is not a word, or is the base's."""
    if name == BASE:
        what = f"'{BASE}' is the comparison's own base"
        raise ConfigError(what, where="models", next_step="give this model another name, or name the base with --base")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        what = f"{name!r} cannot be the name of a model: variants are named after it, as few-shot@{BASE}"
        raise ConfigError(what, where="models", next_step="use letters, digits, '-', '_' and '.', such as gpt-mini")


def named_variants(variants: Sequence[str | Variant], models: Mapping[str, LadderModel]) -> list[Variant]:
    """The variants that the list means: a name runs on the base and on each model, `name@model` on that model alone.

    Raises ConfigError for an unknown variant or model, and for a variant that cannot run on the model it names.
    """
    found = []
    for given in variants:
        if isinstance(given, str) and "@" in given:
            found.append(_on_named(given, models))
        elif isinstance(given, str):
            found += on_all(find_variant(given), models)
        else:
            found.append(_own(find_variant(given) if not isinstance(given, Variant) else given, models))
    return found


def over_models(ladder: Sequence[Variant], models: Mapping[str, LadderModel]) -> list[Variant]:
    """The ladder on the base and on each model. Of one family, the base's variants come first: of variants that are
    tied the first is chosen, and one that needs no other model is the simpler one."""
    order: list[Variant] = []
    for _, block in groupby(ladder, key=lambda v: v.family):
        all_of_them = [on_all(v, models) for v in block]
        order += [on_base for on_base, *_ in all_of_them]
        order += [v for name in models for _, *others in all_of_them for v in others if v.model == name]
    return order


def on_all(variant: Variant, models: Mapping[str, LadderModel]) -> list[Variant]:
    """The variant on the base, and on each model where it can run on it."""
    able = [name for name, model in models.items() if why_not_on(variant, model) is None]
    return [variant, *(on_model(variant, name) for name in able)]


def on_model(variant: Variant, model: str) -> Variant:
    """The variant on the named model."""
    description = variant.description.replace("The base model", f"The model {model}").replace("the base model", model)
    if variant.tuned:
        description = description.replace("The adapter", f"An adapter of {model}")
    return variant.model_copy(update={"name": f"{variant.name}@{model}", "model": model, "description": description})


def why_not_on(variant: Variant, model: LadderModel) -> str | None:
    """Why the variant cannot run on the model; None where it can."""
    why = why_on_no_model(variant)
    return why if why is not None or not variant.tuned else why_not_tuned(model)


def why_on_no_model(variant: Variant) -> str | None:
    """Why the variant has no model to choose; None where it asks one."""
    if variant.runnable is not None:
        return "it is a Runnable with a model of its own"
    return "it uses no language model" if variant.classical != "none" else None


def why_not_tuned(model: LadderModel) -> str | None:
    """Why no adapter is trained on the model; None for a base of our own in this process."""
    llm = model.model.llm
    if not isinstance(llm, DomainLLM) or not model.model.is_local:
        return f"{model.name} ({model.model.name}) does not run in this process, so no adapter is trained on it here"
    return f"{model.name} is a base with an adapter already: name its base" if llm.adapter else None


def unused_models(variants: Sequence[Variant], models: Mapping[str, object]) -> list[str]:
    used = {v.model for v in variants}
    return [name for name in models if name not in used]


def _on_named(given: str, models: Mapping[str, LadderModel]) -> Variant:
    name, _, model = given.rpartition("@")
    variant = find_variant(name)
    if model != BASE:
        _check_known(given, model, models)
    # "@base" says only that it runs on the base: wrong for what runs on no language model.
    why = why_on_no_model(variant) if model == BASE else why_not_on(variant, models[model])
    if why is not None:
        raise ConfigError(f"variant '{given}' cannot run: {why}", next_step=f"write {name} without '@{model}'")
    return variant if model == BASE else on_model(variant, model)


def _own(variant: Variant, models: Mapping[str, LadderModel]) -> Variant:
    if variant.model is not None:
        _check_known(variant.name, variant.model, models)
        if why := why_not_on(variant, models[variant.model]):
            raise ConfigError(f"variant '{variant.name}' cannot run: {why}", next_step="name another model, or none")
    return variant


def _check_known(variant: str, model: str, models: Mapping[str, object]) -> None:
    if model not in models:
        what = f"variant '{variant}' runs on the model '{model}', which is not among the models"
        names = [*models, BASE]
        step = suggestion(model, names) if models else f"name it: --model {model or 'NAME'}=SPEC"
        raise ConfigError(what, next_step=step)
