"""answer_chain: question in, answer out. Prompting, retrieval and fine-tuning differ only in its settings.

So all variants of a comparison share one prompt form, one decoder and one scorer, and the measured chain is the chain
that is shipped.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.messages.tool import tool_call
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.config import ContextThreadPoolExecutor, get_config_list
from pydantic import ConfigDict

from chains.prompts import fill, prompt_text
from domainkit import Example

Question = str | dict[str, Any]
ChooseShots = Callable[[Sequence[str]], list[list[Example]]]
MOST_BATCHES = 64
"""Batches of questions with different tools that are asked at once."""


class AnswerChain(RunnableSerializable[Question, AIMessage]):
    """A question string, or {"question": …, "system": …, "history": messages of earlier turns, "tools": …}, to an
    AIMessage, which has `tool_calls` where the model called one of the question's tools.

    `response_metadata["passages"]` holds the ids, titles and texts of the passages in the prompt.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    llm: Runnable[LanguageModelInput, AIMessage]
    """A chat model, or one with settings bound (`llm.bind(choices=labels)`)."""
    instruction: str = ""
    """Opens the system turn; "" keeps the system turn of the question, or none."""
    shots: tuple[Example, ...] = ()
    """Solved examples as earlier turns, the same for every question."""
    choose_shots: ChooseShots | None = None
    """Chooses solved examples for each question; replaces `shots`."""
    retriever: BaseRetriever | None = None
    """Finds the passages put before the question."""
    context_prompt: str = ""
    """How passages and question are put together: a text with {passages} and {question}."""

    def invoke(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        [(messages, passages)] = self._prepare([input], config)
        return _with_passages(self._model(input).invoke(messages, config, **kwargs), passages)

    async def ainvoke(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        retrieved = [await self.retriever.ainvoke(query_of(input), config)] if self.retriever else [[]]
        [(messages, passages)] = self._assemble([input], retrieved)
        return _with_passages(await self._model(input).ainvoke(messages, config, **kwargs), passages)

    def batch(
        self,
        inputs: list[Question],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Every step in one batch: retrieval, examples, then the model. Order is kept. With `return_exceptions` a
        question whose retrieval fails has the exception as its answer, and the others are asked."""
        found = self._retrieved(inputs, config, return_exceptions=return_exceptions)
        failed = {i: p for i, p in enumerate(found) if isinstance(p, Exception)}
        asked = [i for i in range(len(inputs)) if i not in failed]
        configs = [config[i] for i in asked] if isinstance(config, list) else config
        passages: list[Any] = [found[i] for i in asked]
        options = {"return_exceptions": return_exceptions, **kwargs}
        answers = iter(self._answered([inputs[i] for i in asked], passages, configs, **options) if asked else ())
        return [cast("AIMessage", failed[i]) if i in failed else next(answers) for i in range(len(inputs))]

    # Any: LangChain's signature tells calls with exceptions from those without, by two overloads.
    def batch_as_completed(
        self,
        inputs: Sequence[Question],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Any]]:
        """(index, answer) of each question as soon as it is answered. Retrieval and examples are one batch, as in
        `batch`; then all questions are under way at once, or as many as `max_concurrency` says."""
        configs = get_config_list(config, len(inputs))
        found = self._retrieved(inputs, configs, return_exceptions=return_exceptions)
        failed = {i: p for i, p in enumerate(found) if isinstance(p, Exception)}
        yield from failed.items()
        asked = [i for i in range(len(inputs)) if i not in failed]
        if not asked:
            return
        prepared = dict(zip(asked, self._assemble([inputs[i] for i in asked], [found[i] for i in asked]), strict=True))

        def answer(i: int) -> AIMessage:
            messages, passages = prepared[i]
            return _with_passages(self._model(inputs[i]).invoke(messages, configs[i], **kwargs), passages)

        with ContextThreadPoolExecutor(configs[0].get("max_concurrency") or len(asked)) as pool:
            futures = {pool.submit(answer, i): i for i in asked}
            for future in as_completed(futures):
                error = future.exception()
                caught = return_exceptions and isinstance(error, Exception)
                yield futures[future], error if caught else future.result()

    def _answered(
        self,
        inputs: list[Question],
        found: Sequence[list[Document]],
        config: RunnableConfig | list[RunnableConfig] | None,
        **options: Any,
    ) -> list[AIMessage]:
        prepared = self._assemble(inputs, found)
        messages: list[Any] = [m for m, _ in prepared]
        answers = self._answers(inputs, messages, config, **options)
        pairs = zip(answers, prepared, strict=True)
        return [a if isinstance(a, Exception) else _with_passages(a, passages) for a, (_, passages) in pairs]

    def stream(self, input: Question, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        [(messages, passages)] = self._prepare([input], config)
        for i, chunk in enumerate(self._model(input).stream(messages, config, **kwargs)):
            yield _with_passages(chunk, passages) if i == 0 else chunk

    async def astream(
        self, input: Question, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        retrieved = [await self.retriever.ainvoke(query_of(input), config)] if self.retriever else [[]]
        [(messages, passages)] = self._assemble([input], retrieved)
        first = True
        async for chunk in self._model(input).astream(messages, config, **kwargs):
            yield _with_passages(chunk, passages) if first else chunk
            first = False

    def _model(self, question: Question) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with the question's tools, which it may call or not."""
        tools = [] if isinstance(question, str) else question.get("tools") or []
        return cast("BaseChatModel", self.llm).bind_tools(tools) if tools else self.llm

    def _answers(
        self,
        inputs: list[Question],
        messages: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Questions with the same tools in one batch, and all batches at once, so that a local model joins them."""
        groups: dict[str, list[int]] = {}
        for i, question in enumerate(inputs):
            tools = None if isinstance(question, str) else question.get("tools")
            groups.setdefault(json.dumps(tools, default=repr), []).append(i)
        if len(groups) == 1:
            return self._model(inputs[0]).batch(messages, config, **kwargs)

        def answer(rows: list[int]) -> list[AIMessage]:
            configs = [config[i] for i in rows] if isinstance(config, list) else config
            return self._model(inputs[rows[0]]).batch([messages[i] for i in rows], configs, **kwargs)

        with ContextThreadPoolExecutor(min(len(groups), MOST_BATCHES)) as pool:
            found = list(pool.map(answer, groups.values()))
        rows = [i for own in groups.values() for i in own]
        by_row = dict(zip(rows, (a for answers in found for a in answers), strict=True))
        return [by_row[i] for i in range(len(inputs))]

    def messages(self, question: Question) -> list[BaseMessage]:
        """The exact messages that the model gets for `question`: to read, to test, to debug."""
        return self._prepare([question], None)[0][0]

    def _prepare(
        self, inputs: Sequence[Question], config: RunnableConfig | list[RunnableConfig] | None
    ) -> list[tuple[list[BaseMessage], list[Document]]]:
        return self._assemble(inputs, self._retrieved(inputs, config))

    def _retrieved(
        self,
        inputs: Sequence[Question],
        config: RunnableConfig | list[RunnableConfig] | None,
        *,
        return_exceptions: bool = False,
    ) -> list[list[Document]]:
        if self.retriever is None or not inputs:
            return [[] for _ in inputs]
        return self.retriever.batch([query_of(q) for q in inputs], config, return_exceptions=return_exceptions)

    def _assemble(
        self, inputs: Sequence[Question], passages: Sequence[list[Document]]
    ) -> list[tuple[list[BaseMessage], list[Document]]]:
        questions = [text_of(q) for q in inputs]
        chosen = self.choose_shots([query_of(q) for q in inputs]) if self.choose_shots else None
        shots = [list(self.shots)] * len(questions) if chosen is None else chosen
        return [
            (self._messages(text, _system(question), examples, documents, _history(question)), documents)
            for question, text, examples, documents in zip(inputs, questions, shots, passages, strict=True)
        ]

    def _messages(
        self,
        question: str,
        system: str | None,
        shots: Sequence[Example],
        passages: Sequence[Document],
        history: Sequence[BaseMessage],
    ) -> list[BaseMessage]:
        opening = "\n\n".join(part for part in (system, self.instruction) if part)
        turns: list[BaseMessage] = [SystemMessage(opening)] if opening else []
        for example in shots:
            turns += _solved(example)
        turns += history
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


def text_of(question: Question) -> str:
    """The question itself, without its system turn."""
    return question if isinstance(question, str) else str(question["question"])


def _answered(example: Example) -> AIMessage:
    """The answer of a solved example, with its calls."""
    last = example.turns[-1]
    calls = [tool_call(name=c.name, args=c.arguments, id=c.id) for c in last.tool_calls]
    return AIMessage(last.content, tool_calls=calls) if calls else AIMessage(example.target)


def query_of(question: Question) -> str:
    """What is searched for: the question behind all that was said before it, a line a turn. Of "For how long?" the
    words before it are most of the meaning: on the sample dialogues a right passage is among the first three for 94 %
    of the questions, and with the last question alone for 25 %."""
    said = [m.text for m in _history(question) if isinstance(m, HumanMessage | AIMessage)]
    return "\n".join([*filter(None, said), text_of(question)])


def _solved(example: Example) -> list[BaseMessage]:
    """A solved example as turns, its own earlier turns included; of turns with tools only the question stays."""
    plain = all(turn.role in ("system", "user", "assistant") and not turn.tool_calls for turn in example.prompt)
    earlier = [t for t in example.prompt if t.role != "system"][:-1] if plain else []
    said: list[BaseMessage] = [HumanMessage(t.content) if t.role == "user" else AIMessage(t.content) for t in earlier]
    return [*said, HumanMessage(example.question), _answered(example)]


def _system(question: Question) -> str | None:
    return None if isinstance(question, str) else question.get("system")


def _history(question: Question) -> list[BaseMessage]:
    return [] if isinstance(question, str) else convert_to_messages(question.get("history") or [])


def _passage_text(passages: Sequence[Document]) -> str:
    texts = []
    for passage in passages:
        title = str(passage.metadata.get("title") or "").strip()
        texts.append(f"{title}\n{passage.page_content}" if title else passage.page_content)
    return "\n\n".join(texts)


def passage_rows(passages: Sequence[Document]) -> list[dict[str, str]]:
    """Id, title and text of each passage, as JSON; other metadata of the retriever is left out."""
    return [
        {"id": str(d.metadata.get("id", i)), "title": str(d.metadata.get("title", "")), "text": d.page_content}
        for i, d in enumerate(passages)
    ]


def _with_passages(message: AIMessage, passages: Sequence[Document]) -> AIMessage:
    if not passages or not isinstance(message, AIMessage):
        return message
    meta = {**message.response_metadata, "passages": passage_rows(passages)}
    return message.model_copy(update={"response_metadata": meta})
