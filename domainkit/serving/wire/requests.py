"""Bodies as requests to a backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domainkit.inference.backend import Request
from domainkit.llm.calls import (
    CallOptions,
    RequestTools,
    check_names,
    read_options,
    request_schema,
    request_tools,
    template_options,
)
from domainkit.llm.settings import Settings, adapter_thinking_budget
from domainkit.messages import JsonObject
from domainkit.serving.wire.bodies import ChatBody, CompletionBody, Sampling
from domainkit.serving.wire.errors import ApiError, about
from domainkit.serving.wire.messages import read_messages

DEFAULT_MAX_TOKENS = 256
"""Most new tokens of a chat answer where the client names none: as DomainLLM's."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What an answer is held to; at most one of them is set."""

    choices: tuple[str, ...] = ()
    json_schema: JsonObject | None = None
    regex: str | None = None
    strict: bool = False


def chat_request(body: ChatBody, adapter: str | None) -> Request:
    """The request of a chat completion to the base or to an adapter. Raises ApiError 400 with the field that is
    wrong."""
    _check_stream_options(body)
    options = _options(body)
    tools, structure = _tools(body, options), _structure(body, options)
    if structure.choices or structure.regex is not None:
        _check_alone(body, tools)
    return Request(
        messages=read_messages(body.messages),
        adapter=adapter,
        max_tokens=_max_tokens(body),
        temperature=body.temperature,
        top_p=body.top_p,
        stop=body.stops,
        seed=body.seed,
        choices=structure.choices,
        json_schema=structure.json_schema,
        regex=structure.regex,
        tools=tools.tools,
        tool_choice=tools.choice,
        parallel_tool_calls=tools.parallel,
        strict=structure.strict or any(t["function"].get("strict") for t in tools.tools),
        template_options=template_options(Settings(), options, adapter),
        thinking_budget=adapter_thinking_budget(adapter) if body.thinking_budget is None else body.thinking_budget,
        logprobs=_logprobs(body),
        top_logprobs=body.top_logprobs,
    )


def completion_request(body: CompletionBody, adapter: str | None) -> Request:
    """The request of a text completion, without its prompt's ids."""
    _check_stream_options(body)
    structure = _named_structure(body.structured_outputs)
    return Request(
        messages=(),
        adapter=adapter,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        stop=body.stops,
        seed=body.seed,
        choices=structure.choices,
        json_schema=structure.json_schema,
        regex=structure.regex,
        logprobs=body.logprobs is not None,
        top_logprobs=body.logprobs or 0,
    )


def _check_stream_options(body: Sampling) -> None:
    if body.stream_options is not None and not body.stream:
        raise ApiError(400, "stream_options are for streams only", param="stream_options")


def _max_tokens(body: ChatBody) -> int:
    given = {n for n in (body.max_tokens, body.max_completion_tokens) if n is not None}
    if len(given) > 1:
        raise ApiError(400, "max_tokens and max_completion_tokens contradict each other", param="max_completion_tokens")
    return given.pop() if given else DEFAULT_MAX_TOKENS


def _logprobs(body: ChatBody) -> bool:
    if body.top_logprobs and not body.logprobs:
        raise ApiError(400, "top_logprobs needs logprobs: true", param="top_logprobs")
    return body.logprobs


def _options(body: ChatBody) -> CallOptions:
    names = ("tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "chat_template_kwargs")
    given: dict[str, object] = {name: getattr(body, name) for name in names}
    return read_options({**given, "tools": body.tools})


def _tools(body: ChatBody, options: CallOptions) -> RequestTools:
    for i, tool in enumerate(body.tools or ()):
        if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
            raise ApiError(400, 'a tool is {"type": "function", "function": {"name": …}}', param=f"tools[{i}]")
    if not body.tools and body.tool_choice not in (None, "auto", "none"):
        raise ApiError(400, "tool_choice needs tools", param="tool_choice")
    with about("tools"):
        check_names(request_tools(options.model_copy(update={"tool_choice": None})).tools)
    with about("tool_choice"):
        return request_tools(options)


# ---- what an answer is held to ---------------------------------------------------------------------------------------


def _structure(body: ChatBody, options: CallOptions) -> Structure:
    named = _named_structure(body.structured_outputs)
    with about("response_format"):
        schema, strict = request_schema(options)
    if schema is not None and body.structured_outputs is not None:
        raise ApiError(400, "response_format and structured_outputs are both given", param="structured_outputs")
    return named if body.structured_outputs is not None else Structure(json_schema=schema, strict=strict)


def _named_structure(given: JsonObject | None) -> Structure:
    """vLLM's structured_outputs."""
    where = "structured_outputs"
    forms = {k: v for k, v in (given or {}).items() if v is not None}
    if given is not None and len(forms) != 1:
        raise ApiError(400, "give one of choice, regex and json", param=where)
    for name, value in forms.items():
        if name == "choice" and _is_texts(value):
            return Structure(choices=tuple(value))
        if name == "regex" and isinstance(value, str) and value:
            return Structure(regex=value)
        if name == "json" and isinstance(value, dict):
            with about(where):
                return Structure(json_schema=request_schema(CallOptions(json_schema=value))[0])
        raise ApiError(400, f"{name} is not offered, or its value has another form", param=f"{where}.{name}")
    return Structure()


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _check_alone(body: ChatBody, tools: RequestTools) -> None:
    if tools.tools:
        raise ApiError(400, "choice and regex leave no room to call a tool", param="structured_outputs")
    if body.stops and body.structured_outputs and "choice" in body.structured_outputs:
        raise ApiError(400, "stop does not apply to one of given choices", param="stop")


def seeds(body: Sampling) -> Sequence[int | None]:
    """A seed for each of the `n` answers: different ones, or all would be the same text."""
    return [body.seed if body.seed is None else body.seed + i for i in range(body.n)]
