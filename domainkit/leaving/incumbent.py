"""The incumbent: the chat model that is to be left, as a variant of the comparison."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from domainkit.comparison.ladder import CHAINS, find_variant
from domainkit.errors import MachineError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.task import Task
from domainkit.evaluation.variant import Variant
from domainkit.llm.held_answers import hold
from domainkit.llm.named_model import NamedModel, find_model
from domainkit.llm.provider_errors import described, meaning_of
from domainkit.messages import JsonObject
from domainkit.results.leaving import AskedAs
from domainkit.results.variants import RECORD, VariantsRecord
from domainkit.storage import sha256_json

NAME = "incumbent"
"""Of its variant."""
AT_ONCE = 8
"""Questions on their way at a time. A kill loses at most these."""
MOST_VERSIONS = 4
"""Named; a provider that says another one each time says nothing."""
_FINE_TUNED = re.compile(r"(^|[:/#])ft:")
"""OpenAI's names of fine-tuned models begin with this."""
Question = str | JsonObject


class Incumbent(Runnable[Question, AIMessage]):
    """Asks the model each question. Once it has refused for good (no such model, no such key), or a whole batch has
    failed, it is asked no more: it would refuse every other question, too."""

    # Any: a chain of `chains.answer`, which domainkit knows by name only.
    def __init__(self, model: NamedModel, chain: Any, at_once: int = AT_ONCE) -> None:
        self.model, self.at_once = model, at_once
        self._chain = chain
        self._ended: Exception | None = None

    # Any: the signature of LangChain's Runnable.
    def invoke(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        [answer] = self.batch([input], config)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def batch(
        self,
        inputs: list[Question],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        if self._ended is not None:
            return [self._ended] * len(inputs)
        answers = self._ask(inputs)
        failed = [a for a in answers if isinstance(a, Exception)]
        final = next((e for e in failed if meaning_of(e) == "stop"), None)
        if final is not None or len(failed) == len(inputs) >= self.at_once:
            why = f"not asked any more, after {described(final or failed[-1])}"
            self._ended = MachineError(why, where=self.model.name, next_step="run the same command again")
        return answers

    def _ask(self, questions: Sequence[Question]) -> list[Any]:
        """Questions with the same tools in one batch; an error in place of an answer that failed."""
        answers: list[Any] = [None] * len(questions)
        groups: dict[str, list[int]] = {}
        for i, question in enumerate(questions):
            groups.setdefault(sha256_json(_tools(question)), []).append(i)
        for rows in groups.values():
            tools = _tools(questions[rows[0]])
            llm = self.model.llm.bind_tools(tools) if tools else self._chain.llm
            messages: list[Any] = [self.messages(questions[i]) for i in rows]
            found = llm.batch(messages, {"max_concurrency": self.at_once}, return_exceptions=True)
            for i, answer in zip(rows, found, strict=True):
                answers[i] = answer
        return answers

    def messages(self, question: Question) -> list[BaseMessage]:
        """The exact messages that the model gets."""
        found: list[BaseMessage] = self._chain.messages(question)
        return found


def _tools(question: Question) -> list[JsonObject]:
    return [] if isinstance(question, str) else list(question.get("tools") or [])


def asked_as(model: NamedModel, task: Task) -> AskedAs:
    """How it is fair to ask: as the rows are, where it was fine-tuned on such rows, or these have a system turn; else
    behind an instruction, since nothing in a bare question tells a model what to do."""
    in_rows = any(s.system for s in task.samples)
    tuned = _FINE_TUNED.search(model.name) or (Path(model.name) / "adapter_config.json").is_file()
    return "rows" if in_rows or tuned or getattr(model.llm, "adapter", None) else "instruction"


def incumbent_variant(
    given: str | BaseChatModel, task: Task, asked: AskedAs | None = None, *, held: bool = True
) -> tuple[Variant, NamedModel, AskedAs]:
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
    return variant, model, form


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


__all__ = ["AT_ONCE", "NAME", "Incumbent", "asked_as", "incumbent_variant", "seen_of"]
