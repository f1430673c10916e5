"""A named model of a finished comparison, found again by what named it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.comparison.planning.models import LadderModel, read_models
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.errors import BaseModelError, ConfigError
from domainkit.evaluation.variant import Variant
from domainkit.results.variants import MeasuredModel, VariantsRecord

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

log = logging.getLogger("domainkit")


def model_again(
    record: VariantsRecord, variant: Variant, given: Mapping[str, str | Path | BaseChatModel]
) -> dict[str, LadderModel]:
    """The model that the variant runs on: the one that is given, else what the record's spec names; nothing for the
    base.

    Raises ConfigError where another model is given, or the record has no spec since a program gave the object, and
    what `find_model` raises.
    """
    name = variant.model
    if unused := [other for other in given if other != name]:
        what = f"'{variant.name}' does not answer with the model '{unused[0]}'"
        runs_on = f"it answers with '{name}'" if name else "it answers with no model beside the base"
        raise ConfigError(what, where="models", next_step=f"leave it out: {runs_on}")
    if name is None:
        return {}
    measured = record.models[name]
    spec = given.get(name, measured.spec)
    if spec is None:
        what = f"'{variant.name}' answers with {measured.name}, a model object of your own program, which is not stored"
        raise ConfigError(what, next_step=f"give it: load_winner(…, models={{{name!r}: llm}})")
    return read_models({name: spec})


def check_model(measured: MeasuredModel, name: str, plan: ComparisonPlan) -> None:
    """Raises BaseModelError where weights that were read are not those that were measured. Of a provider's model or a
    server only the name is known, so another one is named in a warning."""
    if plan.digest_of_model(name) == measured.identity:
        return
    found = plan.inputs.models[name].model
    if measured.weights and found.is_local:
        what = f"is not the model '{name}' that was measured: its weights or settings differ"
        raise BaseModelError(what, where=found.name, next_step=f"use the same files as the comparison: {measured.name}")
    log.warning("the model %s is not the one that was measured (%s): answers may differ", name, measured.name)
