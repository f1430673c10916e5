"""LoadedVariant: a variant of a comparison as a LangChain Runnable, with the chain that was measured inside."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import ToolCall, tool_call
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig

from domainkit.errors import RequestError
from domainkit.evaluation.calls.call_list import calls_of
from domainkit.evaluation.classical import query_of
from domainkit.evaluation.variant import Answerer, Variant
from domainkit.messages import new_call_id
from domainkit.results.variants import VariantsRecord
from domainkit.winner.question import Question, read_question

log = logging.getLogger("domainkit")
Configs = RunnableConfig | list[RunnableConfig] | None


@dataclass(frozen=True)
class Outside:
    """What a variant answers with that is not in its run folder, where the record's words do not find it."""

    base: str | None = None
    """The place of the base."""
    retriever: BaseRetriever | None = None
    """Of the user's own."""
    # Any: a chat model of any class, or the words that name one.
    models: Mapping[str, Any] = field(default_factory=dict)
    """The models beside the base, by name."""


class LoadedVariant(Runnable[object, AIMessage]):
    """Answers a question (a text, {"question", "system", "history", "tools"}, or messages) with an AIMessage, as the
    comparison measured.

    `response_metadata["passages"]` holds the passages that stood in the prompt. Each call is one run of LangChain's
    tracing, with retrieval and the model as its children. It pickles by its place: where it is unpickled, it is loaded
    again from the same folder.
    """

    def __init__(
        self,
        variant: Variant,
        record: VariantsRecord,
        answerer: object,
        reload: tuple[str, str, Outside],
        known: Collection[str] | None = None,
    ) -> None:
        self.name = variant.name
        self.variant = variant
        self.record = record
        """What the comparison stored of its variants: task, labels, base, prompts."""
        self._chain: Runnable[object, AIMessage]
        if variant.uses_llm:
            self._chain = cast("Runnable[object, AIMessage]", answerer)
        else:
            self._chain = SimpleAnswers(cast("Answerer", answerer), variant.name, calls=record.kind == "calls")
        self._reload = reload
        """(source, name, what lies outside the source)."""
        self._known = known
        """The only questions that an oracle can be asked; None for all."""
        self._warned = False

    def __reduce__(self) -> tuple[Callable[..., LoadedVariant], tuple[str, str, Outside]]:
        from domainkit.winner.load import load_again

        return load_again, self._reload

    def __repr__(self) -> str:
        return f"LoadedVariant({self.name!r} of {str(self._reload[0])!r})"

    # ---- one question ------------------------------------------------------------------------------------------------

    def invoke(self, input: object, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        return self._call_with_config(self._answer, input, config, **kwargs)

    async def ainvoke(self, input: object, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        return await self._acall_with_config(self._aanswer, input, config, **kwargs)

    def stream(self, input: object, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[AIMessage]:
        return self.transform(iter([input]), config, **kwargs)

    def transform(
        self, input: Iterator[object], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessage]:
        yield from self._transform_stream_with_config(input, self._pieces, config, **kwargs)

    async def astream(
        self, input: object, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[AIMessage]:
        async def alone() -> AsyncIterator[object]:
            yield input

        async with aclosing(self.atransform(alone(), config, **kwargs)) as pieces:
            async for piece in pieces:
                yield piece

    async def atransform(
        self, input: AsyncIterator[object], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncGenerator[AIMessage]:
        stream = self._atransform_stream_with_config(input, self._apieces, config, **kwargs)
        async with aclosing(
            cast("AsyncGenerator[AIMessage]", stream)
        ) as pieces:  # a caller that stops reading frees the answer's slot at once
            async for piece in pieces:
                yield piece

    # ---- many questions ----------------------------------------------------------------------------------------------

    def batch(
        self, inputs: list[object], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[AIMessage]:
        """All in shared batches: retrieval, solved examples, then the model. Order is kept."""
        return self._batch_with_config(self._answers, inputs, config, return_exceptions=return_exceptions, **kwargs)

    # ---- inside ------------------------------------------------------------------------------------------------------
    #
    # LangChain's helpers above call these by their arguments' names; `config` is that of the run's children.

    def _answer(
        self, given: object, run_manager: CallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> AIMessage:
        answer: AIMessage = self._chain.invoke(self._question(given, kwargs), config, **kwargs)
        return answer

    async def _aanswer(
        self, given: object, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> AIMessage:
        answer: AIMessage = await self._chain.ainvoke(self._question(given, kwargs), config, **kwargs)
        return answer

    def _answers(
        self,
        given: list[object],
        run_manager: list[CallbackManagerForChainRun],
        config: list[RunnableConfig],
        **kwargs: Any,
    ) -> list[Exception | AIMessage]:
        """One entry a question: what cannot be asked is an error in its place, and the others are answered."""
        found = [self._question_or_error(g, kwargs) for g in given]
        asked = [i for i, q in enumerate(found) if not isinstance(q, Exception)]
        configs = [config[i] for i in asked]
        answers = self._chain.batch([found[i] for i in asked], configs, return_exceptions=True, **kwargs)
        by_place = dict(zip(asked, answers, strict=True))
        return [q if isinstance(q, Exception) else by_place[i] for i, q in enumerate(found)]

    def _pieces(
        self, given: Iterator[object], run_manager: CallbackManagerForChainRun, config: RunnableConfig, **kwargs: Any
    ) -> Iterator[AIMessage]:
        for question in [self._question(g, kwargs) for g in given]:
            yield from map(_chunk, self._chain.stream(question, config, **kwargs))

    async def _apieces(
        self,
        given: AsyncIterator[object],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessage]:
        for question in [self._question(g, kwargs) async for g in given]:
            stream = self._chain.astream(question, config, **kwargs)
            async with aclosing(cast("AsyncGenerator[AIMessage]", stream)) as messages:
                async for message in messages:
                    yield _chunk(message)

    def _question_or_error(self, given: object, options: dict[str, object]) -> object:
        try:
            return self._question(given, options)
        except RequestError as e:
            return e

    def _question(self, given: object, options: dict[str, object]) -> object:
        question = read_question(given, dialogues=self.record.dialogues)
        if options and (self.variant.agent or not self.variant.uses_llm):
            what = f"'{next(iter(options))}' is an option of a model's call, and '{self.name}' takes none"
            raise RequestError(what, next_step="leave it out")
        question = self._with_tools(question)
        text = question if isinstance(question, str) else query_of(question)
        if self._known is not None and text not in self._known:
            what = f"'{self.name}' is given the right document, and knows it for the comparison's own questions only"
            raise RequestError(what, next_step="ask one of these, or load a variant that retrieves")
        if "system" in question and isinstance(question, dict) and not self.variant.uses_llm and not self._warned:
            self._warned = True
            log.warning("%s reads no system turn, as it was measured: it is not used", self.name)
        return question

    def _with_tools(self, question: Question) -> Question:
        """The question with its own tools, else those of the comparison. Raises RequestError where there are none, or
        where the comparison was not about calls."""
        asked = {"question": question} if isinstance(question, str) else question
        if self.record.kind != "calls":
            if "tools" not in asked:
                return question
            what = f"the question brings tools, and the comparison was of the kind {self.record.kind}"
            raise RequestError(what, next_step="leave them out, or ask the model itself")
        if "tools" not in asked and not self.record.tools:
            what = "the question brings no tools, and those of the comparison differed from question to question"
            raise RequestError(what, next_step='give {"question": …, "tools": [...]}; [] for none')
        return {**asked, "tools": asked.get("tools", list(self.record.tools))}


class SimpleAnswers(Runnable[object, AIMessage]):
    """A model without a language model, in a chain's form."""

    def __init__(self, model: Answerer, name: str, *, calls: bool = False) -> None:
        self._model, self.name, self._calls = model, name, calls

    def invoke(self, input: object, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        return self.batch([input])[0]

    def batch(
        self, inputs: list[object], config: Configs = None, *, return_exceptions: bool = False, **kwargs: Any
    ) -> list[AIMessage]:
        about = {"model_name": self.name}
        answers = self._model.batch(inputs)
        if not self._calls:
            return [AIMessage(content=text, response_metadata=about) for text in answers]
        return [AIMessage(content="", tool_calls=_calls(text), response_metadata=about) for text in answers]


def _calls(text: str) -> list[ToolCall]:
    return [tool_call(name=c.name, args=c.arguments or {}, id=new_call_id()) for c in calls_of(text)]


def _chunk(message: AIMessage) -> AIMessageChunk:
    if isinstance(message, AIMessageChunk):
        return message
    fields = {name: getattr(message, name) for name in type(message).model_fields if name != "type"}
    return AIMessageChunk(**fields)
