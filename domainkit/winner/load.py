"""load_winner and load_variant: a run folder, or a pack, to the Runnable that was measured."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.rebuild import rebuild, variant_of
from domainkit.comparison.record import searches
from domainkit.errors import ConfigError
from domainkit.evaluation.task import Sample
from domainkit.machine import versions
from domainkit.registry import suggestion
from domainkit.results.schema import Results
from domainkit.results.variants import VariantsRecord
from domainkit.verdict.sentences import CANNOT_TELL
from domainkit.winner.loaded_variant import LoadedVariant, Outside
from domainkit.winner.source import Source, open_source

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.retrievers import BaseRetriever

log = logging.getLogger("domainkit")
NOTHING = Outside()
Models = Mapping[str, "str | Path | BaseChatModel"] | None


def load_winner(
    source: Path | str,
    *,
    base: Path | str | None = None,
    retriever: BaseRetriever | None = None,
    models: Models = None,
) -> LoadedVariant:
    """The variant that the comparison in the run folder `source` recommends, or that of a pack, as a LangChain
    Runnable.

    A question (a text, {"question": …, "system": …}, or messages) gives the AIMessage that the measured chain gave:
    same base, adapter, decoding, prompt, examples, index and passages. `base` names the place of the base where it has
    moved; another base is refused. `retriever` is the one of your own that a program gave to the comparison, and
    `models` the chat models beside the base ({"gpt": llm}); what was named in words is made again, and a provider's
    model needs its package and its key here.

    Raises ConfigError where nothing is recommended, or what is recommended is a Runnable of the user's own, and the
    errors of `load_variant`.
    """
    opened = open_source(source)
    return _load(opened, source, winner_of(opened), _outside(base, retriever, models))


def load_variant(
    source: Path | str,
    name: str,
    *,
    base: Path | str | None = None,
    retriever: BaseRetriever | None = None,
    models: Models = None,
) -> LoadedVariant:
    """The variant `name` of the comparison in the run folder `source`; the rest as `load_winner`.

    Raises ConfigError for a folder that is no run and for an unknown variant; AdapterError, BaseModelError, DataError
    or MachineError where a part is missing, or is not the one that was measured.
    """
    return _load(open_source(source), source, name, _outside(base, retriever, models))


def load_again(source: str, name: str, outside: Outside) -> LoadedVariant:
    """What a pickled variant does where it is unpickled."""
    return _load(open_source(source), source, name, outside)


def _outside(base: Path | str | None, retriever: BaseRetriever | None, models: Models) -> Outside:
    return Outside(str(base) if base is not None else None, retriever, dict(models or {}))


def winner_of(source: Source) -> str:
    """The name of the recommended variant, or the one of a pack. Raises ConfigError where there is none."""
    if source.manifest is not None:
        return source.manifest.variant
    verdict, where = source.results().verdict, str(source.folder)
    if verdict.answer != CANNOT_TELL:
        return verdict.choice
    names = list(dict.fromkeys([*([verdict.choice] if verdict.choice else []), *verdict.tied]))
    if not names:
        loadable = ", ".join(name for name, measured in source.record.variants.items() if not measured.own)
        what = f"the comparison recommends nothing: {verdict.headline}"
        raise ConfigError(what, where=where, next_step=f"load_variant(…, NAME) loads one of: {loadable}")
    others = f" The others in question: {', '.join(names[1:])}." if len(names) > 1 else ""
    raise ConfigError(
        f"the comparison has no winner. {verdict.headline}{others}",
        where=where,
        next_step=f'load_variant("{where}", "{names[0]}") loads the simplest that is not shown to be worse '
        f"(in a command: --variant {names[0]})",
    )


def measured_plan(opened: Source, name: str, outside: Outside = NOTHING) -> ComparisonPlan:
    """The plan that builds the variant `name`, its only one, as it was measured."""
    record, where = opened.record, str(opened.folder)
    measured = record.variants.get(name) if isinstance(name, str) else None
    if measured is None:
        what = f"'{name}' is not a variant of this {'pack' if opened.manifest else 'comparison'}"
        raise ConfigError(what, where=where, next_step=suggestion(str(name), record.variants))
    if measured.own:
        what = f"'{name}' is a Runnable of your own program, and code is not stored in a run folder"
        raise ConfigError(what, where=where, next_step="use the Runnable that you gave to compare()")
    variant = variant_of(record, name)
    names_gold = variant.oracle or (record.retriever is not None and searches(variant))
    gold = _gold(opened.results()) if names_gold else ()
    plan = rebuild(record, opened.folder, variant, gold=gold, **vars(outside))
    plan.prepare()
    if outside.base is not None and not variant.uses_base:
        log.warning("base is not used: %s does not answer with the comparison's base", name)
    _name_other_versions(record, where)
    if variant.uses_base:
        _name_other_device(record, where)
    return plan


def _name_other_versions(record: VariantsRecord, where: str) -> None:
    """A warning where packages have changed since the comparison; an answer may depend on any of them."""
    here = versions()
    changed = [f"{n} {old}, here {here.get(n, 'missing')}" for n, old in record.versions.items() if here.get(n) != old]
    if changed:
        log.warning("%s was measured with %s: answers may differ", where, "; ".join(changed))


def _name_other_device(record: VariantsRecord, where: str) -> None:
    """A warning where the base ran on another kind of device; "auto" in older records says nothing of it."""
    from domainkit.models.load import pick_device

    measured, here = record.base.device if record.base else "", pick_device().type
    if measured not in ("", "auto", here):
        log.warning(
            "%s was measured on %s, and answers on %s here: rounding differs, so texts may", where, measured, here
        )


def _load(opened: Source, source: Path | str, name: str, outside: Outside) -> LoadedVariant:
    plan = measured_plan(opened, name, outside)
    variant, samples = plan.variants[0], plan.inputs.task.samples
    if (
        opened.manifest is not None
        and variant.model is not None
        and not plan.inputs.models[variant.model].model.is_local
    ):
        log.warning("%s: questions go to %s", source, plan.inputs.models[variant.model].model.name)
    known = frozenset(s.query for s in samples if s.doc_ids) if variant.oracle else None
    reload = (str(Path(source).expanduser().absolute()), name, outside)
    return LoadedVariant(variant, opened.record, plan.runnable(variant), reload, known)


def _gold(results: Results) -> Sequence[Sample]:
    """The questions of an oracle with the documents that answer them."""
    return [
        Sample(id=i.id, input=i.input, target=i.target, references=i.references, turns=i.turns, doc_ids=i.doc_ids)
        for i in results.items
    ]
