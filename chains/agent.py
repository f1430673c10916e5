"""answer_agent: an agent with retrieval as its tool, on the base or on an adapter.

The first call may be forced, since small models seldom decide to search; the number of searches is limited, since an agent stops
only when the model makes no more calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import StructuredTool

SEARCH = "search"


def answer_agent(
    llm: BaseChatModel,
    retriever: BaseRetriever,
    *,
    instruction: str = "",
    searches: int = 1,
    force_first: bool = True,
) -> Runnable[Any, AIMessage]:
    """A question (or {"question": …}) to the agent's final AIMessage, its passages in `response_metadata["passages"]`.

    `searches` limits how often the model may search; after that it is asked without tools, so it must answer. With `force_first`
    the first turn is a search by grammar.
    """
    tool = StructuredTool.from_function(
        func=lambda query: _found(retriever.invoke(query)),
        name=SEARCH,
        description="Search the company's articles for a question in plain words.",
        response_format="content_and_artifact",
        args_schema=_search_schema(),
    )
    limit = _SearchLimit(searches, force_first)
    agent = create_agent(llm, tools=[tool], system_prompt=instruction or None, middleware=[limit])

    def answer(question: Any) -> AIMessage:
        text = question["question"] if isinstance(question, dict) else question
        # A step is a model or a tool turn; the limit above ends the run well before this guard.
        state: Any = agent.invoke({"messages": [HumanMessage(text)]}, {"recursion_limit": 4 * searches + 10})
        return _with_usage(state["messages"])

    return RunnableLambda(answer, name="answer_agent")


def _search_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "what to look for", "maxLength": 200}},
        "required": ["query"],
    }


def _found(passages: list[Document]) -> tuple[str, list[dict[str, str]]]:
    """What the model reads, and what the report shows."""
    shown = [
        {"id": str(d.metadata.get("id", i)), "title": str(d.metadata.get("title", "")), "text": d.page_content}
        for i, d in enumerate(passages)
    ]
    return "\n\n".join(f"{p['title']}\n{p['text']}".strip() for p in shown) or "nothing found", shown


class _SearchLimit(AgentMiddleware):
    """Forces the first search, and takes the tools away once the searches are used up."""

    def __init__(self, searches: int, force_first: bool) -> None:
        super().__init__()
        self.searches = searches
        self.force_first = force_first

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        return handler(self._limited(request))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Any) -> ModelResponse[Any]:
        return await handler(self._limited(request))

    def _limited(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        done = sum(isinstance(m, ToolMessage) for m in request.messages)
        if done >= self.searches:
            return request.override(tools=[], tool_choice=None)
        if done == 0 and self.force_first:
            return request.override(tool_choice=SEARCH)
        return request


def _with_usage(messages: list[Any]) -> AIMessage:
    """The last AIMessage, with the tokens and seconds of all turns and the passages of every search."""
    turns = [m for m in messages if isinstance(m, AIMessage)]
    passages = [p for m in messages if isinstance(m, ToolMessage) for p in m.artifact or ()]
    meta = dict(turns[-1].response_metadata)
    for key in ("prefill_seconds", "decode_seconds"):
        known = [m.response_metadata[key] for m in turns if isinstance(m.response_metadata.get(key), int | float)]
        if known:
            meta[key] = sum(known)
    used: list[dict[str, Any]] = [dict(m.usage_metadata) for m in turns if m.usage_metadata]
    counted = ("input_tokens", "output_tokens", "total_tokens")
    usage = {key: sum(u[key] for u in used) for key in counted} if used else None
    update = {"response_metadata": {**meta, "passages": passages}, "usage_metadata": usage}
    return turns[-1].model_copy(update=update)
