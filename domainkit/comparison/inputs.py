"""What a comparison reads before anything is trained or asked. What does not fit together is refused here."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from domainkit.comparison.config import CompareConfig
from domainkit.comparison.judging.model import metrics_of
from domainkit.comparison.planning.models import LadderModel
from domainkit.corpus.chunk import chunk
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import examples_of, read_documents
from domainkit.corpus.rows.columns import Columns, columns_for
from domainkit.corpus.rows.open_rows import RowsGiven
from domainkit.corpus.rows.tools import ToolsGiven, read_tools
from domainkit.corpus.rows.turns import refuse_tools
from domainkit.errors import ConfigError, DataError, Problem, validation_error_text
from domainkit.evaluation.general_questions import GeneralQuestions, read_general
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.metrics import MetricSet, metric_set
from domainkit.evaluation.read_task import read_task
from domainkit.evaluation.task import Task
from domainkit.messages import JsonObject
from domainkit.retrieval import RETRIEVERS
from domainkit.retrieval.dense import check_embedding_time
from domainkit.retrieval.own import OwnRetriever, find_retriever
from domainkit.retrieval.passages import indexed_text
from domainkit.verdict.costs.prices import PriceTable, read_prices

if TYPE_CHECKING:
    from langchain_core.retrievers import BaseRetriever

log = logging.getLogger("domainkit")


@dataclass(frozen=True)
class Inputs:
    """All inputs of a comparison, read from their files. `train_missing` adds the adapters that it trains."""

    config: CompareConfig
    task: Task
    metrics: MetricSet
    examples: tuple[Example, ...]
    """The training rows."""
    documents: tuple[Document, ...]
    """The corpus in passages of at most `passage_words` words."""
    dev: tuple[Example, ...]
    """Questions that settings were chosen on."""
    prices: PriceTable
    general: GeneralQuestions | None
    """General questions, to measure what the adapter forgot."""
    adapter: Path | None = None
    context_adapter: Path | None = None
    """Trained with passages in its prompts."""
    encoder: Path | None = None
    """The small encoder fine-tuned on the training rows."""
    why_no_encoder: str = "no encoder was fine-tuned"
    curve: tuple[Path, ...] = ()
    """Adapters trained on smaller parts of the training rows."""
    replicas: tuple[Path, ...] = ()
    """Adapters trained as `adapter` was, with other seeds."""
    retriever: OwnRetriever | None = None
    """Of the user's own, in place of an index over `documents`."""
    models: Mapping[str, LadderModel] = field(default_factory=dict)
    """Chat models beside the base, by the name that variants give them."""
    model_adapters: Mapping[tuple[str, bool], Path] = field(default_factory=dict)
    """Adapters of these models, by the model's name and whether passages were in their training prompts."""

    @property
    def solved(self) -> tuple[Example, ...]:
        """The training rows that are a question and its answer: what prompts show and simple models learn. An answer
        that follows a tool's result is only trained on."""
        return tuple(e for e in self.examples if e.prompt[-1].role != "tool")


def parse_options(options: Mapping[str, object]) -> CompareConfig:
    """CompareConfig from plain values; every wrong option in one ConfigError."""
    try:
        return CompareConfig.model_validate(dict(options))
    except ValidationError as e:
        clauses = "; ".join(validation_error_text(error, CompareConfig) for error in e.errors())
        raise ConfigError(clauses, next_step="domainkit compare --help lists every option") from e


def read_inputs(
    task: Task | RowsGiven,
    config: CompareConfig,
    *,
    train: RowsGiven | Sequence[Example] | None = None,
    corpus: Path | str | Sequence[Document] | None = None,
    dev: RowsGiven | Sequence[Example] | None = None,
    adapter: Path | str | None = None,
    context_adapter: Path | str | None = None,
    curve: Sequence[Path | str] = (),
    replicas: Sequence[Path | str] = (),
    will_train: bool = False,
    columns: Columns | None = None,
    tools: ToolsGiven | None = None,
    schema: JsonObject | Path | str | None = None,
    retriever: BaseRetriever | None = None,
    models: Mapping[str, LadderModel] | None = None,
) -> Inputs:
    """Read everything. `will_train`: an adapter that is not given is to be trained. `columns`: our fields to the files'
    columns; a file that has none of them is read in its own layout. `tools` are those of rows that bring none, and
    `schema` is that of the objects of a task of fields. `retriever` is one of the user's own, in place of that which
    `config` names."""
    offered = read_tools(tools)
    examples, questions = (_examples(rows, columns, offered) for rows in (train, dev))
    if not isinstance(task, Task):
        task = read_task(
            task,
            train=None if _are_examples(train) else train,
            kind=config.kind,
            columns=columns,
            tools=offered or None,
            schema=schema,
        )
    elif config.kind not in (None, task.kind):
        what = f"the task is ready, of the kind {task.kind}, and kind={config.kind} is given beside it"
        raise ConfigError(what, where="kind", next_step="give the kind to read_task")
    elif schema is not None:
        what = "the task is ready, and a schema is given beside it"
        raise ConfigError(what, where="schema", next_step="give the schema to read_task")
    if not task.samples:
        raise DataError([Problem(task.source or task.name, None, "has no questions", "give at least one row")])
    ids = Counter(s.id for s in task.samples)
    if repeated := [name for name, count in ids.items() if count > 1]:
        what = f"the id '{repeated[0]}' stands on {ids[repeated[0]]} questions"
        raise DataError([Problem(task.source or task.name, None, what, "give each question an id of its own")])
    documents = _documents(corpus)
    found = _own_retriever(retriever if retriever is not None else config.retriever, config, task)
    if found is not None:
        config = config.model_copy(update={"retriever": found.name})
    _check_tools_are_used(offered, task, examples)
    about = kind_of(task.kind)
    if task.kind != "calls":
        refuse_tools([*examples, *questions], f"a task of the kind {task.kind}")
    return Inputs(
        config=config,
        task=task,
        metrics=metric_set(task, metrics_of(config, task.kind)),
        examples=tuple(about.learnt(e, task) for e in examples),
        documents=tuple(chunk(documents, config.passage_words)),
        dev=tuple(about.learnt(e, task) for e in questions),
        general=_general_questions(config, will_train or bool(adapter or context_adapter)),
        prices=read_prices(config.prices),
        adapter=Path(adapter) if adapter else None,
        context_adapter=Path(context_adapter) if context_adapter else None,
        curve=tuple(map(Path, curve)),
        replicas=tuple(map(Path, replicas)),
        retriever=found,
        models=models or {},
    )


def _documents(given: Path | str | Sequence[Document] | None) -> list[Document]:
    if given is None or isinstance(given, str | Path):
        return list(read_documents(Path(given))) if given is not None else []
    for item in given:
        if not isinstance(item, Document):
            what = f"corpus holds {type(item).__name__}, not documents"
            raise ConfigError(what, where="corpus", next_step="give one file or folder, or a list of Document")
    return list(given)


def _own_retriever(given: str | BaseRetriever, config: CompareConfig, task: Task) -> OwnRetriever | None:
    """None where `given` is a name of our own table."""
    if isinstance(given, str) and given in RETRIEVERS:
        return None
    found = find_retriever(given, config.passages, {name for s in task.samples for name in s.doc_ids})
    if found.identity is None:
        log.warning(
            "retriever %s: every question is asked again, since its parts cannot be read and an old answer could be of "
            "another store; as_retriever(metadata={'identity': 'manuals of May'}) says which store it is",
            found.name,
        )
    return found


def check_index(inputs: Inputs) -> None:
    """Refuse a corpus whose passages would take too long to embed, and a retriever that fails, before anything is
    trained. Raises ConfigError or MachineError."""
    if inputs.retriever is not None:
        inputs.retriever.invoke(inputs.task.samples[0].query)
    elif inputs.config.retriever in ("dense", "fused"):
        check_embedding_time([indexed_text(d) for d in inputs.documents], inputs.config.embed_hours)


def _check_tools_are_used(tools: Sequence[JsonObject], task: Task, examples: Sequence[Example]) -> None:
    used = any(s.tools == tools for s in task.samples) or any(e.tools == tools for e in examples)
    if tools and not used:
        log.warning("tools is not used: every row has tools of its own")


def _examples(
    source: RowsGiven | Sequence[Example] | None, columns: Columns | None, tools: Sequence[JsonObject]
) -> list[Example]:
    if source is None or _are_examples(source):
        return examples_of(source or ())
    return examples_of(source, columns_for(source, columns), tools=tools)


def _are_examples(source: object) -> bool:
    """Examples that a program has read already, rather than something to read them from."""
    return isinstance(source, Sequence) and not isinstance(source, str) and all(isinstance(e, Example) for e in source)


def _general_questions(config: CompareConfig, has_adapter: bool) -> GeneralQuestions | None:
    if config.general_text and not config.general:
        raise ConfigError("general_text is given without general", next_step="give --general a file of questions, too")
    if config.general and not has_adapter:
        raise ConfigError(
            "general questions are given, but no adapter that could have forgotten them",
            where=config.general,
            next_step="give --adapter (or --fit), or leave --general out",
        )
    return read_general(config.general, config.general_text) if config.general else None
