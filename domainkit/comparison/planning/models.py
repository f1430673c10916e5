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
from domainkit.llm.named_model import NAMES, NamedModel, find_model
from domainkit.registry import suggestion

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

BASE = "base"
"""The name of the comparison's own base: `few-shot@base` runs on it alone."""
ONE_BASE = "an adapter runs on the base that it was trained on, so tuned variants run on the comparison's base only"
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


def named_variants(variants: Sequence[str | Variant], models: Mapping[str, object]) -> list[Variant]:
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


def over_models(ladder: Sequence[Variant], models: Mapping[str, object]) -> list[Variant]:
    """The ladder on the base and on each model. Of one family, the base's variants come first: of variants that are
    tied the first is chosen, and one that needs no other model is the simpler one."""
    order: list[Variant] = []
    for _, block in groupby(ladder, key=lambda v: v.family):
        all_of_them = [on_all(v, models) for v in block]
        order += [on_base for on_base, *_ in all_of_them]
        order += [v for i in range(len(models)) for _, *others in all_of_them if others for v in [others[i]]]
    return order


def on_all(variant: Variant, models: Mapping[str, object]) -> list[Variant]:
    """The variant on the base, and on each model where it can run on any."""
    return [variant, *(on_model(variant, name) for name in models if why_not_on_others(variant) is None)]


def on_model(variant: Variant, model: str) -> Variant:
    """The variant on the named model."""
    description = variant.description.replace("The base model", f"The model {model}").replace("the base model", model)
    return variant.model_copy(update={"name": f"{variant.name}@{model}", "model": model, "description": description})


def why_not_on_others(variant: Variant) -> str | None:
    """Why the variant runs on no model but the base; None where it can."""
    if variant.runnable is not None:
        return "it is a Runnable with a model of its own"
    if variant.classical != "none":
        return "it uses no language model"
    return ONE_BASE if variant.tuned else None


def unused_models(variants: Sequence[Variant], models: Mapping[str, object]) -> list[str]:
    used = {v.model for v in variants}
    return [name for name in models if name not in used]


def _on_named(given: str, models: Mapping[str, object]) -> Variant:
    name, _, model = given.rpartition("@")
    variant = find_variant(name)
    if model != BASE:
        _check_known(given, model, models)
    # "@base" says only that it runs on the base: wrong for what runs on no language model.
    why = why_not_on_others(variant)
    if why is not None and (model != BASE or not variant.tuned):
        raise ConfigError(f"variant '{given}' cannot run: {why}", next_step=f"write {name} without '@{model}'")
    return variant if model == BASE else on_model(variant, model)


def _own(variant: Variant, models: Mapping[str, object]) -> Variant:
    if variant.model is not None:
        _check_known(variant.name, variant.model, models)
    return variant


def _check_known(variant: str, model: str, models: Mapping[str, object]) -> None:
    if model not in models:
        what = f"variant '{variant}' runs on the model '{model}', which is not among the models"
        names = [*models, BASE]
        step = suggestion(model, names) if models else f"name it: --model {model or 'NAME'}=SPEC"
        raise ConfigError(what, next_step=step)
