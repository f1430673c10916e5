"""The incumbent: the chat model that is to be left, as a variant of the comparison."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from domainkit.comparison.ladder import CHAINS, find_variant
from domainkit.errors import FOREIGN_ERRORS, MachineError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.task import Task
from domainkit.evaluation.variant import Variant
from domainkit.llm.named_model import NamedModel, find_model
from domainkit.messages import JsonObject
from domainkit.results.leaving import AskedAs
from domainkit.storage import sha256_json

NAME = "incumbent"
"""Of its variant."""
AT_ONCE = 8
"""Questions on their way at a time. A kill loses at most these."""
_FINE_TUNED = re.compile(r"(^|[:/#])ft:")
"""OpenAI's names of fine-tuned models begin with this."""
Question = str | JsonObject


class Incumbent(Runnable[Question, AIMessage]):
    """Asks the model each question. Once a whole batch has failed, it asks no more: a vendor that has closed the model,
    or a key that has ended, would refuse every other question, too."""

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
        failed = [a for a in answers if isinstance(a, FOREIGN_ERRORS)]
        if len(failed) == len(inputs) >= self.at_once:
            what = (
                f"not asked, since {len(failed)} questions in a row failed: {type(failed[-1]).__name__}: {failed[-1]}"
            )
            self._ended = MachineError(what, where=self.model.name, next_step="run the same command again")
        return answers

    def _ask(self, questions: Sequence[Question]) -> list[Any]:
        """Questions with the same tools in one batch; an error in place of an answer that failed."""
        answers: list[Any] = [None] * len(questions)
        groups: dict[str, list[int]] = {}
        for i, question in enumerate(questions):
            groups.setdefault(sha256_json(_tools(question)), []).append(i)
        for rows in groups.values():
            tools = _tools(questions[rows[0]])
            llm = self.model.llm.bind_tools(tools) if tools else self.model.llm
            messages = [self.messages(questions[i]) for i in rows]
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
    given: str | BaseChatModel, task: Task, asked: AskedAs | None
) -> tuple[Variant, Incumbent, AskedAs]:
    """The variant that asks the model `given`, and how it asks. Raises ConfigError or MachineError as `find_model`."""
    model = find_model(given, NAME)
    form = asked or asked_as(model, task)
    chain = _bare(model) if form == "rows" else _instructed(model, task)
    incumbent = Incumbent(model, chain)
    how = "the messages of the rows as they are" if form == "rows" else "an instruction, then the question"
    return (
        Variant(
            name=NAME,
            family="custom",
            description=f"The model in use, {model.name}: {how}.",
            runnable=incumbent,
            identity=sha256_json([model.key, form, chain.instruction]),
        ),
        incumbent,
        form,
    )


def _bare(model: NamedModel) -> Any:
    return CHAINS.load("answer_chain")(model.llm)


def _instructed(model: NamedModel, task: Task) -> Any:
    """The rung zero-shot of the ladder on this model."""
    values = kind_of(task.kind).prompt_values(task)
    parts = CHAINS.load("parts")(base=model.llm, kind=task.kind, labels=task.labels, values=values)
    return CHAINS.load("build_chain")(find_variant("zero-shot"), parts)


__all__ = ["AT_ONCE", "NAME", "Incumbent", "asked_as", "incumbent_variant"]
