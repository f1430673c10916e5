"""The keyword arguments of one call of DomainLLM, in the forms that LangChain's users pass, as a Request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from domainkit.errors import ConfigError
from domainkit.inference.backend import Request
from domainkit.llm.messages import to_backend
from domainkit.llm.schema_forms import read_schema, recursive_parameters
from domainkit.llm.settings import (
    BASE_ALONE,
    Folder,
    MaxTokens,
    Settings,
    Temperature,
    Timeout,
    TopP,
    adapter_template_options,
    adapter_thinking_budget,
    find_adapter,
)
from domainkit.messages import JsonObject
from domainkit.models.thinking import ThinkingChoice, refuse_two_switches, thinking_budget, thinking_option
from domainkit.registry import suggestion

LLMRunnable = Runnable[LanguageModelInput, AIMessage]
Tool = JsonObject | type | Callable[..., object] | BaseTool
"""What LangChain takes for a tool."""
NonEmpty = Annotated[str, Field(min_length=1)]

SETTINGS = ("max_tokens", "temperature", "top_p", "seed", "timeout")
"""Constructor fields that a call may override."""
MODES: dict[str | bool, str] = {
    "auto": "auto",
    "any": "any",
    "none": "none",
    "required": "any",
    True: "any",
    False: "auto",
}
"""What a tool choice that names no tool may be."""
FORMATS = ("text", "json_object", "json_schema")
"""What OpenAI's `response_format` may be."""
IGNORED = ("stream", "ls_structured_output_format", "structured_output_format")
"""LangChain's own: it reads them itself, and passes them on."""


class CallOptions(BaseModel):
    """The keyword arguments of a call. None is as if left out."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    max_tokens: MaxTokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: int | None = None
    timeout: Timeout | None = None
    model: Folder | None = None
    adapter: Folder | None = None
    stop: Annotated[list[NonEmpty], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] | None = None
    choices: Annotated[list[str], Field(min_length=1)] | None = None
    regex: NonEmpty | None = None
    # Any: each of these has many forms, which the functions below read.
    json_schema: object = None
    response_format: object = None
    tools: list[Any] | None = None
    tool_choice: object = None
    parallel_tool_calls: bool | None = None
    strict: bool | None = None
    check_schema: bool | None = None
    logprobs: bool | None = None
    template_options: JsonObject | None = None
    chat_template_kwargs: JsonObject | None = None  # vLLM's name for them
    thinking: ThinkingChoice | None = None
    enable_thinking: bool | None = None
    reasoning_effort: NonEmpty | None = None


def read_options(options: Mapping[str, object]) -> CallOptions:
    """Raises ConfigError for an option that is unknown, of which it names the near one, or that has a wrong value."""
    given = {k: v for k, v in options.items() if k not in IGNORED}
    try:
        return CallOptions.model_validate(given)
    except ValidationError as e:
        error = e.errors()[0]
        name = str(error["loc"][0])
        if error["type"] == "extra_forbidden":
            step = suggestion(name, [*CallOptions.model_fields])
            raise ConfigError(f"unknown option '{name}' for a call of DomainLLM", next_step=step) from e
        raise ConfigError(
            f"{name}={str(given[name])[:80]!r} is not a value of this option: {error['msg']}",
            where="a call of DomainLLM",
            next_step=f"give {name} such a value, or leave it out",
        ) from e


def make_request(
    settings: Settings, messages: Sequence[BaseMessage], stop: Sequence[str] | None, options: Mapping[str, object]
) -> Request:
    """The call's Request: what the call says, else what the model's fields say."""
    given = read_options({**options, **({} if stop is None else {"stop": stop})})
    stops = settings.stop if given.stop is None else given.stop
    tools = request_tools(given)
    check_names(tools.tools)
    schema, strict = request_schema(given)
    adapter = request_adapter(settings, given)
    return Request(
        messages=to_backend(messages),
        adapter=adapter,
        **{name: getattr(settings if getattr(given, name) is None else given, name) for name in SETTINGS},
        stop=tuple(stops or ()),
        choices=tuple(given.choices or ()),
        json_schema=schema,
        regex=given.regex,
        tools=tools.tools,
        tool_choice=tools.choice,
        parallel_tool_calls=tools.parallel,
        strict=strict or any(t["function"].get("strict") for t in tools.tools),
        check_schema=given.check_schema is not False,
        template_options=template_options(settings, given, adapter),
        thinking_budget=budget_of_call(settings, given, adapter),
        logprobs=bool(given.logprobs),
    )


def template_options(settings: Settings, options: CallOptions, adapter: str | None) -> JsonObject:
    """The chat template's options: the call's, else the model's, else those that the adapter was trained with."""
    named = {"enable_thinking": options.enable_thinking, "reasoning_effort": options.reasoning_effort}
    of_call = {
        **(options.chat_template_kwargs or {}),
        **(options.template_options or {}),
        **{k: v for k, v in named.items() if v is not None},
    }
    refuse_two_switches(options.thinking, of_call, "a call of DomainLLM")
    return {
        **adapter_template_options(adapter),
        **settings.template_options,
        **thinking_option(settings.thinking),
        **of_call,
        **thinking_option(options.thinking),
    }


def budget_of_call(settings: Settings, options: CallOptions, adapter: str | None) -> int | None:
    """Most tokens of reasoning: what the call says, else the model, else the adapter's card."""
    said = options.thinking if options.thinking is not None else settings.thinking
    return adapter_thinking_budget(adapter) if said is None else thinking_budget(said)


def request_adapter(settings: Settings, options: CallOptions) -> str | None:
    """Folder of the adapter that answers a call: `adapter=`, else `model=`, else the model's own."""
    names = [name for name in (options.adapter, options.model) if name is not None]
    if len(set(names)) > 1:
        raise ConfigError(
            f"adapter={names[0]!r} and model={names[1]!r} contradict each other", next_step="give one of them"
        )
    if not names:
        # An explicit adapter=None is the base alone.
        explicit_base = options.model_fields_set >= {"adapter"} and "model" not in options.model_fields_set
        return None if explicit_base or settings.adapter is None else find_adapter(settings, settings.adapter)
    return None if names[0] in (BASE_ALONE, settings.base) else find_adapter(settings, names[0])


# ---- tools -----------------------------------------------------------------------------------------------------------


class RequestTools(NamedTuple):
    """The tools that a call offers."""

    tools: tuple[JsonObject, ...]
    """In OpenAI's form."""
    choice: str
    """auto, any, or a tool's name."""
    parallel: bool


def request_tools(options: CallOptions) -> RequestTools:
    """The call's tools; the choice "none" offers none."""
    tools = openai_tools(options.tools or ())
    names = [t["function"]["name"] for t in tools]
    choice, parallel = options.tool_choice, options.parallel_tool_calls is not False
    if isinstance(choice, dict):
        parallel = parallel and not choice.get("disable_parallel_tool_use")  # Anthropic's spelling
        allowed = _allowed_tools(choice, names)
        if allowed is not None:
            choice, names = allowed
            tools = [t for t in tools if t["function"]["name"] in names]
    chosen = normalize_tool_choice(choice, names)
    return RequestTools((), "auto", True) if chosen == "none" else RequestTools(tuple(tools), chosen, parallel)


def openai_tools(tools: Sequence[Tool]) -> list[JsonObject]:
    """Tools in OpenAI's form. Raises ConfigError for what is no tool of ours."""
    return [_openai_tool(t) for t in tools]


def check_names(tools: Sequence[JsonObject]) -> None:
    names = [t["function"]["name"] for t in tools]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two tools are named '{name}'", next_step="give each tool its own name")


def _openai_tool(tool: Tool) -> JsonObject:
    try:
        converted = convert_to_openai_tool(tool)
    except (ValueError, TypeError, AttributeError) as e:
        raise _no_tool(tool) from e
    function = converted.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise _no_tool(tool)
    parameters = recursive_parameters(tool)
    return converted if parameters is None else {**converted, "function": {**function, "parameters": parameters}}


def _no_tool(tool: object) -> ConfigError:
    return ConfigError(
        f"not a tool that this model can call: {str(tool)[:120]}",
        next_step='give a function, a LangChain tool, a pydantic class, or {"type": "function", "function": {...}}; '
        "tools that a provider runs on its own servers do not exist here",
    )


def normalize_tool_choice(choice: object, names: Sequence[str]) -> str:
    """The spellings of LangChain, OpenAI and Anthropic as one: auto, any, none, or a tool's name."""
    named = _chosen_name(choice) if isinstance(choice, dict) else None
    mode = choice.get("type") if isinstance(choice, dict) else choice
    if named in names and named not in MODES.values():
        return str(named)
    if named is None and isinstance(mode, str | bool) and mode in MODES:
        return MODES[mode]
    if named is None and mode in names:
        return str(mode)
    if choice is None:
        return "auto"
    raise ConfigError(
        f"tool_choice names '{named or choice}', which is not a bound tool",
        next_step=suggestion(str(named or choice), ["auto", "any", "none", *names]),
    )


def _chosen_name(choice: JsonObject) -> str | None:
    """The tool that {"type": "function", "function": {"name": …}} and the like name."""
    function = choice.get("function", choice)
    name = function.get("name") if isinstance(function, dict) else function
    return None if name is None else str(name)


def _allowed_tools(choice: JsonObject, names: Sequence[str]) -> tuple[str, list[str]] | None:
    """(mode, names) of OpenAI's {"type": "allowed_tools", …}; None for any other choice."""
    if choice.get("type") != "allowed_tools":
        return None
    inner = choice.get("allowed_tools", choice)
    given = inner.get("tools", ()) if isinstance(inner, dict) else ()
    allowed = [normalize_tool_choice(t, names) for t in given]
    if not allowed:
        raise ConfigError("tool_choice allows no tool", next_step='name them under "tools", or give "none"')
    return str(inner.get("mode", "auto")), allowed


# ---- schemas ---------------------------------------------------------------------------------------------------------


def request_schema(options: CallOptions) -> tuple[JsonObject | None, bool]:
    """The JSON schema of `json_schema=` or of OpenAI's `response_format=`, and whether it is to be strict."""
    schema = options.json_schema
    response = options.response_format
    if response is not None and schema is not None:
        raise ConfigError("json_schema and response_format are both given", next_step="give one of them")
    kind = response.get("type") if isinstance(response, dict) else None
    if response is not None and not isinstance(response, type) and kind not in FORMATS:
        raise ConfigError(
            f"response_format={response!r} is unknown",
            next_step='use {"type": "json_schema", "json_schema": {"schema": ...}}',
        )
    if kind == "text":
        response = None
    given = response if schema is None else schema
    if given is None:
        return None, bool(options.strict)
    found = read_schema(given)
    return found.schema, bool(found.strict if options.strict is None else options.strict)
