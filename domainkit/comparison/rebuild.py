"""A finished comparison's variant built again from its record, by the code that built the measured one."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from domainkit.adapters.folder import Adapter
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.fitting.simple_models import Chosen
from domainkit.comparison.inputs import Inputs
from domainkit.comparison.ladder import CHAINS
from domainkit.comparison.planning.models_again import check_model, model_again
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.record import needs_embeddings, reads_examples, reads_passages, searches
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import AdapterError, BaseModelError, ConfigError, DataError, Problem
from domainkit.evaluation.metrics import MetricSet
from domainkit.evaluation.task import Sample, Task
from domainkit.evaluation.variant import Variant
from domainkit.models.source import resolve_base
from domainkit.results.variants import MeasuredBase, StoredFolder, StoredRows, VariantsRecord
from domainkit.retrieval import MiniLMEmbeddings
from domainkit.retrieval.own import OwnRetriever, find_retriever
from domainkit.storage import sha256_file
from domainkit.verdict.costs.prices import read_prices

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.retrievers import BaseRetriever

log = logging.getLogger("domainkit")
Row = TypeVar("Row", bound=BaseModel)
AGAIN = "run the same `domainkit compare` again on this folder: answers that are there are kept"


def rebuild(
    record: VariantsRecord,
    folder: Path,
    variant: Variant,
    *,
    base: str | None = None,
    gold: Sequence[Sample] = (),
    retriever: BaseRetriever | None = None,
    models: Mapping[str, str | Path | BaseChatModel] | None = None,
) -> ComparisonPlan:
    """A plan with `variant` alone; its `runnable(variant)` answers as the measured one did.

    `folder` holds the record. `base` says where the base lies on this machine, if it has moved. `gold` are the
    comparison's questions with their documents: of an oracle, or to name the passages of the user's own `retriever`,
    which is given where a program gave it to the comparison. `models` gives the model that answers where it is not
    found by the record's words: an object, or a base that has moved. Raises AdapterError, BaseModelError, ConfigError,
    DataError or MachineError for a part that is missing or is not the one that was measured.
    """
    config, own = _config(record, variant, base), record.retriever is not None
    found = own_retriever(record, variant, gold, retriever)
    if variant.uses_base:
        assert record.base is not None, "a record with such a variant has a base"
        check_base(record.base, base)
    if needs_embeddings(variant, record.settings, record.classical):
        check_embeddings(record.embeddings)
    if variant.agent and record.tool != CHAINS.load("agent tool"):
        log.warning("%s: the agent's tool has other words than when it was measured: answers may differ", variant.name)
    stored = record.adapter_of(variant.context, variant.model) if variant.tuned else None
    adapter = _adapter(stored, folder)
    task = Task(
        name=record.task,
        kind=record.kind,
        samples=tuple(gold),
        labels=record.labels,
        json_schema=record.json_schema,
        fingerprint="",
    )
    inputs = Inputs(
        config=config,
        task=task,
        metrics=MetricSet("", {}, {}),
        examples=read_rows(record.examples, folder, Example) if reads_examples(variant) else (),
        documents=read_rows(record.passages, folder, Document) if reads_passages(variant, own=own) else (),
        dev=(),
        prices=read_prices(None),
        general=None,
        encoder=_found(record.encoder, folder) if variant.classical == "encoder" and record.encoder else None,
        retriever=found,
        models=model_again(record, variant, models or {}),
    )
    plan = ComparisonPlan(
        inputs,
        (variant,),
        {},
        variant.name,
        adapter if variant.uses_base and not variant.context else None,
        adapter if variant.uses_base and variant.context else None,
        model_adapters={(variant.model, variant.context): adapter} if variant.model and adapter else {},
        prompts=record.prompts,
        chosen_shots=record.chosen_shots,
        chosen=Chosen(record.classical, record.trivial),
    )
    if variant.model is not None:
        check_model(record.models[variant.model], variant.model, plan)
    return plan


def variant_of(record: VariantsRecord, name: str) -> Variant:
    """The variant as it was measured. Its name is one of the record's."""
    return Variant.model_validate(record.variants[name].flags)


def _config(record: VariantsRecord, variant: Variant, base: str | None) -> CompareConfig:
    settings = {**record.settings, "max_tokens": record.limit_of(variant.model) if variant.uses_llm else None}
    if record.base is not None:
        settings |= {
            "base": base or record.base.name,
            "revision": None if base else record.base.revision,
            "quantization": record.base.quantization,
        }
    if record.retriever is None:
        return CompareConfig.model_validate(settings)
    del settings["retriever"]  # the name of one that a program gave is none of those that the option takes
    return CompareConfig.model_validate(settings).model_copy(update={"retriever": record.retriever.name})


def own_retriever(
    record: VariantsRecord, variant: Variant, gold: Sequence[Sample], given: BaseRetriever | None
) -> OwnRetriever | None:
    """The user's own retriever that the variant asks: `given`, or made again by its name; None where it asks none.

    Raises ConfigError where it must be given and is not, and where one is given that the variant does not ask.
    """
    measured = record.retriever if searches(variant) else None
    if measured is None:
        if given is None:
            return None
        what = f"'{variant.name}' was not measured with a retriever of your own, and one is given"
        raise ConfigError(what, where="retriever", next_step="leave it out")
    if given is None and not measured.spec:
        what = f"'{variant.name}' searches the {measured.name} that a program gave to compare(), which no folder stores"
        step = (
            "load_winner(RUN, retriever=…) takes it again in Python; compare(retriever='module:function') is made again"
        )
        raise ConfigError(what, where="retriever", next_step=f"{step} by its name")
    documents = {name for s in gold for name in s.doc_ids}
    found = find_retriever(given or measured.spec, int(record.settings["passages"]), documents)
    if found.identity is None or found.identity != measured.identity:
        log.warning(
            "%s: the retriever %s is not known to be as it was measured (code, settings, packages, texts): answers may "
            "differ",
            variant.name,
            found.name,
        )
    return found


def check_base(measured: MeasuredBase, base: str | None) -> None:
    """Raises BaseModelError where the base is not there, or is not the one that was measured."""
    name = base or measured.name
    try:
        source = resolve_base(name, None if base else measured.revision)
    except BaseModelError as e:
        where = "load_winner(…, base=FOLDER) or `domainkit ask --base FOLDER` names its place on this machine"
        what = f"the base that was measured is not here: {e.what}"
        raise BaseModelError(what, where=name, next_step=f"{e.next_step}; {where}") from e
    if source.fingerprint != measured.fingerprint:
        what = (
            f"is not the base that was measured (fingerprint {source.fingerprint[:12]}…, "
            f"measured {measured.fingerprint[:12]}…)"
        )
        raise BaseModelError(what, where=name, next_step=f"use the same files of {measured.name} as the comparison")


def check_embeddings(measured: str) -> None:
    """Raises MachineError where the embedding model is missing, ConfigError where it is another one."""
    model = MiniLMEmbeddings()
    model.resolve()
    if model.identity() != measured:
        raise ConfigError(
            "the embedding model is not the one that was measured",
            where=model.model,
            next_step=f"install it, or {AGAIN}",
        )


def _adapter(stored: StoredFolder | None, folder: Path) -> Adapter | None:
    if stored is None:
        return None
    return Adapter.load(_found(stored, folder), need_card=False)


def _found(stored: StoredFolder, folder: Path) -> Path:
    """The folder of weights, with the very files that were measured."""
    place = folder / stored.folder  # an absolute path stays itself
    outside = Path(stored.folder).is_absolute()
    back = "put it back there" if outside else "copy the whole folder again"
    with_new_path = f", or {AGAIN} (with the new path)" if outside else ""
    for name, digest in stored.files.items():
        file = place / name
        if not file.is_file():
            what = "is no longer there" if not place.is_dir() else f"has lost its {name}"
            raise AdapterError(f"{what}; the variant answers with it", where=str(place), next_step=back + with_new_path)
        if sha256_file(file) != digest:
            what = f"is not what was measured: {name} has changed"
            raise AdapterError(what, where=str(place), next_step=f"bring that version back, or {AGAIN}")
    return place


def read_rows(stored: StoredRows | None, folder: Path, kind: type[Row]) -> tuple[Row, ...]:
    """The rows of a file beside the record in `folder`. Raises DataError where it is not what the comparison wrote."""
    assert stored is not None, "a record with such a variant has its rows"
    file = folder / stored.file
    try:
        if sha256_file(file) != stored.sha256:
            raise ValueError("it is not what the comparison wrote")
        lines = file.read_bytes().split(b"\n")
        return tuple(kind.model_validate_json(line) for line in lines if line)
    except (OSError, ValidationError, ValueError) as e:
        reason = str(getattr(e, "strerror", None) or e).partition("\n")[0]
        next_step = f"copy the folder again, or {AGAIN}"
        raise DataError([Problem(str(file), None, f"cannot be read: {reason}", next_step)]) from e


__all__ = ["AGAIN", "check_base", "check_embeddings", "read_rows", "rebuild", "variant_of"]
