"""The incumbent: the chat model that is to be left, as a variant of the comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig

from domainkit.comparison.ladder import CHAINS, find_variant
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.task import Task
from domainkit.evaluation.variant import Variant
from domainkit.llm.held_answers import hold
from domainkit.llm.named_model import NamedModel, find_model
from domainkit.messages import JsonObject
from domainkit.results.leaving import AskedAs
from domainkit.results.variants import RECORD, VariantsRecord
from domainkit.storage import sha256_json

NAME = "incumbent"
"""Of its variant."""
MOST_VERSIONS = 4
"""Named; a provider that says another one each time says nothing."""
_FINE_TUNED = re.compile(r"(^|[:/#])ft:")
"""OpenAI's names of fine-tuned models begin with this."""
Question = str | JsonObject


@dataclass(frozen=True)
class Asked:
    """The incumbent, and how it is asked."""

    variant: Variant
    model: NamedModel
    form: AskedAs
    held: bool
    """Whether an answer behind the instruction is held to the form of the task."""

    @property
    def is_chat_model(self) -> bool:
        """Whether settings can be given to it; a Runnable is asked as it is."""
        return isinstance(self.model.llm, BaseChatModel)


class Incumbent(Runnable[Question, AIMessage]):
    """Asks the model each question."""

    counts_when_ended = True
    """What it answered before its vendor closed it is still evidence: `decide_leaving` leaves the other questions
    out."""

    # Any: a chain of `chains.answer`, which domainkit knows by name only.
    def __init__(self, model: NamedModel, chain: Any) -> None:
        self.is_elsewhere = not model.is_local
        """Whether it is asked question by question, each tried again where that helps."""
        self.paid_as = model.name if self.is_elsewhere else ""
        """The model whose tokens are paid for."""
        self.chain = chain

    # Any: the signatures of LangChain's Runnable.
    def invoke(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        answer: AIMessage = self.chain.invoke(input, config)
        return answer

    def batch(
        self,
        inputs: list[Question],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        answers: list[Any] = self.chain.batch(inputs, config, return_exceptions=return_exceptions)
        return answers


def asked_as(model: NamedModel, task: Task) -> AskedAs:
    """How it is fair to ask: as the rows are, where it was fine-tuned on such rows, or these have a system turn; else
    behind an instruction, since nothing in a bare question tells a model what to do."""
    in_rows = any(s.system for s in task.samples)
    tuned = _FINE_TUNED.search(model.name) or (Path(model.name) / "adapter_config.json").is_file()
    return "rows" if in_rows or tuned or getattr(model.llm, "adapter", None) else "instruction"


def incumbent_variant(
    given: str | BaseChatModel, task: Task, asked: AskedAs | None = None, *, held: bool = True
) -> Asked:
    """The variant that asks the model `given`, the model, and how it asks. Behind an instruction its answers are `held`
    to their form as a named model's are; a fine-tuned model has learnt its form.

    Raises ConfigError or MachineError as `find_model`.
    """
    found = find_model(given, NAME)
    model = replace(found, llm=_greedy(found.llm))
    form = asked or asked_as(model, task)
    constraint = kind_of(task.kind).constraint(task) if held and form == "instruction" else {}
    chain = _instructed(model, task, constraint) if form == "instruction" else CHAINS.load("answer_chain")(model.llm)
    how = "an instruction, then the question" if form == "instruction" else "the messages of the rows as they are"
    variant = Variant(
        name=NAME,
        family="custom",
        description=f"The model in use, {model.name}: {how}.",
        runnable=Incumbent(model, chain),
        identity=sha256_json([model.key, form, chain.instruction, constraint]),
    )
    return Asked(variant, model, form, held)


# Any: a chat model of any class, and a chain of `chains.answer`.
def _greedy(llm: Any) -> Any:
    """Our own models answer without chance, unless they were told otherwise; another's settings are its user's."""
    own = getattr(llm, "_llm_type", "") == "domainkit"
    return llm.model_copy(update={"temperature": 0.0}) if own and "temperature" not in llm.model_fields_set else llm


def _instructed(model: NamedModel, task: Task, constraint: JsonObject) -> Any:
    """The rung zero-shot of the ladder on this model."""
    values = kind_of(task.kind).prompt_values(task)
    llm = hold(model.llm, constraint)
    parts = CHAINS.load("parts")(base=llm, kind=task.kind, labels=task.labels, values=values)
    return CHAINS.load("build_chain")(find_variant("zero-shot"), parts)


def seen_of(run: Path, name: str) -> JsonObject:
    """What the answers on disk say of the variant's model, as fields of LeavingFacts: versions, and the first and last
    day it was asked."""
    record = VariantsRecord.model_validate_json((run / RECORD).read_text(encoding="utf-8"))
    with RowStore(run / "rows.jsonl") as store:
        rows = list(store.finished(record.variants[name].key).values())
    days = sorted(row.asked[: len("2026-03-01")] for row in rows if row.asked)
    versions = dict.fromkeys(row.model_version for row in rows if row.model_version)
    return {
        "versions": tuple(versions)[:MOST_VERSIONS],
        "asked_from": days[0] if days else "",
        "asked_to": days[-1] if days else "",
    }


__all__ = ["NAME", "Asked", "Incumbent", "asked_as", "incumbent_variant", "seen_of"]
