"""answer_agent: an agent with retrieval as its tool, on the base or on an adapter.

Small models rarely decide to search, their queries lose the question, and they stop only when they make no more calls.
So the first search can be forced, the question can be added to its query, and the number of searches is limited. The
last turn is written as `answer_chain` writes it: an agent and a chain differ only in how passages are found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast
from uuid import uuid4

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.runnables.config import get_config_list
from langchain_core.tools import StructuredTool
from langgraph.types import Command

from chains.answer import Question, answer_chain, passage_rows, question_in_context

Model = Runnable[LanguageModelInput, AIMessage]
"""A chat model, or one with settings bound."""
ToolResult = ToolMessage | Command[Any]
Request = ModelRequest[Any]
Response = ModelResponse[Any]
"""Of an agent without a context or a structured answer."""
SEARCH = "search"
SEARCH_TOKENS = 64
"""Room for one call of the tool: its form takes about 25 tokens."""
MAX_CONCURRENCY = 64
"""Agents of one `batch` that run at the same time unless `max_concurrency` is set; each is a thread."""
QUERY = "question"
"""The tool's argument."""
# A small model copies an argument's name and description into the argument: with the name `query` and the description
# "what to look for", it searched for "what to look for". Of five wordings tried on SmolLM2-135M, this one kept most of
# the question.
TOOL: dict[str, Any] = {
    "name": SEARCH,
    "description": "Search the articles for a question in plain words.",
    "args_schema": {
        "type": "object",
        "properties": {QUERY: {"type": "string", "description": "the user's question as asked", "maxLength": 120}},
        "required": [QUERY],
    },
}


def answer_agent(
    llm: Model,
    retriever: BaseRetriever,
    *,
    instruction: str = "",
    searches: int = 1,
    force_first: bool = True,
    keep_question: bool = True,
    search_llm: Model | None = None,
    context_prompt: str = "",
) -> Runnable[Question, AIMessage]:
    """A question (or {"question": …, "system": …, "history": earlier turns}) to the agent's final AIMessage.

    Its `response_metadata` holds the `passages` found and the model's own `queries`. Usage and seconds are sums over
    all turns.

    `searches` limits how often the model may search; after that it gets no tools, so it must answer. With `force_first`
    a grammar makes the first turn a search. With `keep_question` the first search is for the question and the query
    together. `search_llm` writes the searches; left out, `llm` does. Give it when `llm` has settings that only fit
    answers: closed choices, few tokens, an adapter that was trained without tools. The other options are those of
    `answer_chain`.
    """
    rules = _TurnRules(searches, force_first, keep_question, search_llm, context_prompt)
    agent = create_agent(_chat_model(llm), tools=[_search_tool(retriever)], middleware=[rules])
    opening = answer_chain(llm, instruction=instruction)
    # A step is a model or a tool turn. `searches` ends the run well before this limit does.
    limit: RunnableConfig = {"recursion_limit": 4 * searches + 10}

    def answer(question: Question) -> AIMessage:
        messages: Any = {"messages": opening.messages(question)}
        return _with_usage(agent.invoke(messages, limit)["messages"])

    async def aanswer(question: Question) -> AIMessage:
        messages: Any = {"messages": opening.messages(question)}
        return _with_usage((await agent.ainvoke(messages, limit))["messages"])

    return _Agents(answer, aanswer, name="answer_agent")


def _chat_model(llm: Model) -> BaseChatModel:
    """LangChain's agents also take a chat model with settings bound, which their types leave out."""
    return cast("BaseChatModel", llm)


class _Agents(RunnableLambda[Question, AIMessage]):
    """A batch runs its agents at the same time, so that their turns share the model's batches."""

    def batch(
        self,
        inputs: list[Question],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        concurrency = min(max(1, len(inputs)), MAX_CONCURRENCY)
        configs = get_config_list(config, len(inputs))
        configs = [c if c.get("max_concurrency") else {**c, "max_concurrency": concurrency} for c in configs]
        return super().batch(inputs, configs, return_exceptions=return_exceptions, **kwargs)


def _search_tool(retriever: BaseRetriever) -> StructuredTool:
    def search(question: str) -> tuple[str, list[Document]]:
        return _read(retriever.invoke(question))

    async def asearch(question: str) -> tuple[str, list[Document]]:
        return _read(await retriever.ainvoke(question))

    return StructuredTool(func=search, coroutine=asearch, response_format="content_and_artifact", **TOOL)


def _read(passages: list[Document]) -> tuple[str, list[Document]]:
    """(the text for the model, the passages as the tool message's artifact)."""
    texts = [f"{d.metadata.get('title', '')}\n{d.page_content}".strip() for d in passages]
    return "\n\n".join(texts) or "nothing found", passages


class _TurnRules(AgentMiddleware):
    """What each turn may do: search first, answer last."""

    def __init__(
        self, searches: int, force_first: bool, keep_question: bool, search_llm: Model | None, context_prompt: str
    ) -> None:
        super().__init__()
        self.searches = searches
        self.force_first = force_first
        self.keep_question = keep_question
        self.search_llm = _chat_model(search_llm) if search_llm is not None else None
        self.context_prompt = context_prompt

    def wrap_model_call(self, request: Request, handler: Callable[[Request], Response]) -> Response:
        return self._with_forced_search(request, handler(self._turn(request)))

    async def awrap_model_call(self, request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
        return self._with_forced_search(request, await handler(self._turn(request)))

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        return handler(self._search(request))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        return await handler(self._search(request))

    def _forced(self, messages: list[AnyMessage]) -> bool:
        return self.force_first and self.searches > 0 and _n_searches(messages) == 0

    def _turn(self, request: Request) -> Request:
        if _n_searches(request.messages) >= self.searches:
            return request.override(messages=self._answering(request.messages), tools=[], tool_choice=None)
        if self._forced(request.messages):
            # The system turn is about the answer; a query written after it reads like an answer.
            messages: list[AnyMessage] = [m for m in request.messages if not isinstance(m, SystemMessage)]
            request = request.override(messages=messages, tool_choice=SEARCH)
        return request.override(model=self.search_llm) if self.search_llm is not None else request

    def _with_forced_search(self, request: Request, response: Response) -> Response:
        """A forced search whose call is incomplete (too few tokens) becomes a search for the question itself: without a
        call the agent would end."""
        message: Any = response.result[-1]
        if not self._forced(request.messages) or message.tool_calls:
            return response
        call = {"name": SEARCH, "args": {QUERY: _query(request.messages)}, "id": uuid4().hex, "type": "tool_call"}
        whole = message.model_copy(update={"content": "", "tool_calls": [call], "invalid_tool_calls": []})
        return ModelResponse(result=[*response.result[:-1], whole])

    def _answering(self, messages: list[AnyMessage]) -> list[AnyMessage]:
        """The earlier turns, and the passages found and the question, as `answer_chain` writes them."""
        at = _place_of_question(messages)
        question = question_in_context(messages[at].text, _passages_of(messages), self.context_prompt)
        return [*messages[:at], HumanMessage(question)]

    def _search(self, request: ToolCallRequest) -> ToolCallRequest:
        messages, call = request.state["messages"], request.tool_call
        question, query = _query(messages), str(call["args"].get(QUERY, ""))
        if not self.keep_question or _n_searches(messages) or query.strip().lower() == question.strip().lower():
            return request
        return request.override(tool_call={**call, "args": {**call["args"], QUERY: f"{question}\n{query}"}})


def _n_searches(messages: Sequence[BaseMessage]) -> int:
    return sum(isinstance(m, ToolMessage) for m in messages[_place_of_question(messages) :])


def _place_of_question(messages: Sequence[BaseMessage]) -> int:
    return max(i for i, m in enumerate(messages) if isinstance(m, HumanMessage))


def _query(messages: Sequence[BaseMessage]) -> str:
    """The question behind what was said before it, as `answer_chain` searches for it."""
    said = messages[: _place_of_question(messages) + 1]
    return "\n".join(m.text for m in said if isinstance(m, HumanMessage | AIMessage) and m.text)


def _passages_of(messages: Sequence[BaseMessage]) -> list[Document]:
    """The passages of every search, each once."""
    found = messages[_place_of_question(messages) :]
    passages = [d for m in found if isinstance(m, ToolMessage) for d in m.artifact or ()]
    return list({(d.metadata.get("id"), d.page_content): d for d in passages}.values())


def _with_usage(messages: Sequence[BaseMessage]) -> AIMessage:
    """The last AIMessage, with the tokens and seconds of all turns, the queries and the passages."""
    turns = [m for m in messages[_place_of_question(messages) :] if isinstance(m, AIMessage)]
    meta = dict(turns[-1].response_metadata)
    for key in ("prefill_seconds", "decode_seconds"):
        seconds = [m.response_metadata[key] for m in turns if isinstance(m.response_metadata.get(key), int | float)]
        if seconds:
            meta[key] = sum(seconds)
    meta["queries"] = [str(call["args"].get(QUERY, "")) for m in turns for call in m.tool_calls]
    meta["passages"] = passage_rows(_passages_of(messages))
    usages: list[dict[str, Any]] = [dict(m.usage_metadata) for m in turns if m.usage_metadata]
    counted = ("input_tokens", "output_tokens", "total_tokens")
    usage = {key: sum(u[key] for u in usages) for key in counted} if usages else None
    return turns[-1].model_copy(update={"response_metadata": meta, "usage_metadata": usage})
