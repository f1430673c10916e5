"""answer_chain: question in, answer out. Prompting, retrieval and fine-tuning differ only in its settings.

So every variant of a comparison shares one prompt form, one decoder and one scorer, and the chain that is measured is the chain
that is shipped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from pydantic import ConfigDict

from chains.prompts import fill, prompt_text
from domainkit import Example

Question = str | dict[str, Any]
ChooseShots = Callable[[Sequence[str]], list[list[Example]]]


class AnswerChain(RunnableSerializable[Question, AIMessage]):
    """A question string, or {"question": …, "system": …}, to an AIMessage.

    The ids, titles and texts of the passages shown to the model stand in `response_metadata["passages"]`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    llm: Runnable[LanguageModelInput, AIMessage]
    """A chat model, or one with settings bound (`llm.bind(choices=labels)`)."""
    instruction: str = ""
    """Opens the system turn; "" keeps the system turn of the question, or none."""
    shots: tuple[Example, ...] = ()
    """Solved examples shown as earlier turns, the same for every question."""
    choose_shots: ChooseShots | None = None
    """Questions to each one's own solved examples; replaces `shots`."""
    retriever: BaseRetriever | None = None
    """Finds the passages put before the question."""
    context_prompt: str = ""
    """How passages and question are put together: a text with {passages} and {question}."""

    def invoke(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        [(messages, passages)] = self._prepare([input], config)
        return _with_passages(self.llm.invoke(messages, config, **kwargs), passages)

    async def ainvoke(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        passages = [await self.retriever.ainvoke(_text(input), config)] if self.retriever else [[]]
        [(messages, shown)] = self._assemble([input], passages)
        return _with_passages(await self.llm.ainvoke(messages, config, **kwargs), shown)

    def batch(
        self,
        inputs: list[Question],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Every step in one batch: retrieval, examples, then the model. Order is kept."""
        if not inputs:
            return []
        prepared = self._prepare(inputs, config)
        messages: list[Any] = [m for m, _ in prepared]
        answers = self.llm.batch(messages, config, return_exceptions=return_exceptions, **kwargs)
        pairs = zip(answers, prepared, strict=True)
        return [a if isinstance(a, Exception) else _with_passages(a, shown) for a, (_, shown) in pairs]

    def stream(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        [(messages, passages)] = self._prepare([input], config)
        for i, chunk in enumerate(self.llm.stream(messages, config, **kwargs)):
            yield _with_passages(chunk, passages) if i == 0 else chunk

    async def astream(
        self, input: Question, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        passages = [await self.retriever.ainvoke(_text(input), config)] if self.retriever else [[]]
        [(messages, shown)] = self._assemble([input], passages)
        first = True
        async for chunk in self.llm.astream(messages, config, **kwargs):
            yield _with_passages(chunk, shown) if first else chunk
            first = False

    def messages(self, question: Question) -> list[BaseMessage]:
        """The exact messages the model is given for `question`: to read, to test, to debug."""
        return self._prepare([question], None)[0][0]

    def _prepare(
        self, inputs: Sequence[Question], config: RunnableConfig | list[RunnableConfig] | None
    ) -> list[tuple[list[BaseMessage], list[Document]]]:
        found: list[list[Document]] = [[] for _ in inputs]
        if self.retriever is not None:
            found = self.retriever.batch([_text(q) for q in inputs], config)
        return self._assemble(inputs, found)

    def _assemble(
        self, inputs: Sequence[Question], found: Sequence[list[Document]]
    ) -> list[tuple[list[BaseMessage], list[Document]]]:
        questions = [_text(q) for q in inputs]
        shots = self.choose_shots(questions) if self.choose_shots else [list(self.shots)] * len(questions)
        return [
            (self._messages(question, _system(given), examples, passages), passages)
            for given, question, examples, passages in zip(inputs, questions, shots, found, strict=True)
        ]

    def _messages(
        self, question: str, system: str | None, shots: Sequence[Example], passages: Sequence[Document]
    ) -> list[BaseMessage]:
        opening = "\n\n".join(part for part in (system, self.instruction) if part)
        turns: list[BaseMessage] = [SystemMessage(opening)] if opening else []
        for example in shots:
            turns += [HumanMessage(example.question), AIMessage(example.target)]
        if self.retriever is None:
            return [*turns, HumanMessage(question)]
        return [*turns, HumanMessage(question_in_context(question, passages, self.context_prompt))]


def answer_chain(
    llm: Runnable[LanguageModelInput, AIMessage],
    shots: Sequence[Example] | ChooseShots = (),
    retriever: BaseRetriever | None = None,
    *,
    instruction: str = "",
    context_prompt: str = "",
) -> AnswerChain:
    """The chain behind every variant: `shots` are fixed examples or a function that picks them per question."""
    return AnswerChain(
        llm=llm,
        instruction=instruction,
        shots=() if callable(shots) else tuple(shots),
        choose_shots=shots if callable(shots) else None,
        retriever=retriever,
        context_prompt=context_prompt,
    )


def question_in_context(question: str, passages: Sequence[Document], context_prompt: str = "") -> str:
    """The user turn that puts passages before the question; "" takes the prompt of prompts/context.md."""
    return fill(context_prompt or prompt_text("context"), passages=_passage_text(passages), question=question)


def _text(question: Question) -> str:
    return question if isinstance(question, str) else str(question["question"])


def _system(question: Question) -> str | None:
    return None if isinstance(question, str) else question.get("system")


def _passage_text(passages: Sequence[Document]) -> str:
    shown = []
    for passage in passages:
        title = str(passage.metadata.get("title") or "").strip()
        shown.append(f"{title}\n{passage.page_content}" if title else passage.page_content)
    return "\n\n".join(shown)


def _with_passages(message: AIMessage, passages: Sequence[Document]) -> AIMessage:
    """The message with its passages; a retriever's own metadata beyond id and title is not repeated."""
    if not passages:
        return message
    shown = [
        {"id": str(d.metadata.get("id", i)), "title": str(d.metadata.get("title", "")), "text": d.page_content}
        for i, d in enumerate(passages)
    ]
    meta = {**message.response_metadata, "passages": shown}
    if isinstance(message, (AIMessageChunk, AIMessage)):
        return message.model_copy(update={"response_metadata": meta})
    return message
