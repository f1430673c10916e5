"""What one call of DomainLLM asks for: its keyword arguments, checked, as a Request; tools and schemas in one form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

from domainkit.adapters.folder import Card, split_task
from domainkit.errors import AdapterError, ConfigError
from domainkit.inference.backend import Request
from domainkit.llm.messages import to_backend
from domainkit.messages import JsonObject
from domainkit.models import Quantization
from domainkit.registry import suggestion

if TYPE_CHECKING:
    from domainkit.llm.chat_model import DomainLLM

LLMRunnable = Runnable[LanguageModelInput, AIMessage]
Tool = JsonObject | type | Callable[..., Any] | BaseTool
"""What LangChain takes for a tool."""
Schema = JsonObject | type
"""A JSON schema, a pydantic class or a TypedDict."""
StructuredAnswer = JsonObject | BaseModel
CallOptions = Mapping[str, Any]
"""Keyword arguments of a call, as LangChain passes them on."""

SETTINGS = ("max_tokens", "temperature", "top_p", "seed", "timeout")
"""Constructor fields that a call may override."""
CALL_OPTIONS = (
    *SETTINGS,
    "model",
    "adapter",
    "stop",
    "choices",
    "json_schema",
    "regex",
    "response_format",
    "tools",
    "tool_choice",
    "logprobs",
)
IGNORED = ("stream", "strict", "ls_structured_output_format", "structured_output_format")
"""LangChain passes these on; output is always strict."""
BASE_ALONE = "base"
"""As `model=`, the base without an adapter."""


def check_options(names: Sequence[str]) -> None:
    """Raise ConfigError for an unknown keyword argument; it names the near one."""
    for name in names:
        if name not in CALL_OPTIONS and name not in IGNORED:
            raise ConfigError(
                f"unknown option '{name}' for a call of DomainLLM", next_step=suggestion(name, CALL_OPTIONS)
            )


def make_request(
    llm: DomainLLM, messages: Sequence[BaseMessage], stop: Sequence[str] | None, options: CallOptions
) -> Request:
    """The call's Request: what the call says, else what the model's fields say."""
    check_options(list(options))
    settings = {name: options.get(name) for name in SETTINGS}
    tools, choice = request_tools(options)
    stop = stop if stop is not None else options.get("stop")
    stop = stop if stop is not None else llm.stop
    return Request(
        messages=to_backend(messages),
        adapter=request_adapter(llm, options),
        **{name: getattr(llm, name) if value is None else value for name, value in settings.items()},
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        choices=tuple(options.get("choices") or ()),
        json_schema=request_schema(options),
        regex=options.get("regex"),
        tools=tools,
        tool_choice=choice,
        logprobs=bool(options.get("logprobs")),
    )


# ---- which adapter ---------------------------------------------------------------------------------------------------


def request_adapter(llm: DomainLLM, options: CallOptions) -> str | None:
    """Folder of the adapter that answers a call: `adapter=`, else `model=`, else the model's own."""
    names = [str(options[k]) for k in ("adapter", "model") if options.get(k) is not None]
    if len(set(names)) > 1:
        raise ConfigError(
            f"adapter={names[0]!r} and model={names[1]!r} contradict each other", next_step="give one of them"
        )
    if not names:
        # An explicit adapter=None is the base alone.
        explicit_base = "adapter" in options and "model" not in options
        return None if explicit_base or llm.adapter is None else find_adapter(llm, llm.adapter)
    return None if names[0] in (BASE_ALONE, llm.base) else find_adapter(llm, names[0])


def find_adapter(llm: DomainLLM, name: str) -> str:
    """The folder of an adapter: a name in `adapters`, the folder name of the model's own, or a path; each maybe with
    `#task`."""
    if name in llm.adapters:
        return str(llm.adapters[name])
    own_names: list[str] = []
    if llm.adapter is not None:
        own_folder = split_task(llm.adapter)[0]
        own_names = [own_folder, Path(own_folder).name]
        if name in (llm.adapter, Path(llm.adapter).name, *own_names):
            return llm.adapter
    if llm.backend != "local" or Path(name).is_dir():
        return name
    folder, task = split_task(name)
    if task is not None:
        return f"{own_names[0] if folder in own_names else find_adapter(llm, folder)}#{task}"
    raise AdapterError(
        "no such adapter folder", where=name, next_step=suggestion(name, [BASE_ALONE, *llm.adapters, *own_names[1:]])
    )


class BaseSettings(NamedTuple):
    """Which base a model loads, and how."""

    base: str | None
    revision: str | None
    quantization: Quantization


def base_settings(llm: DomainLLM) -> BaseSettings:
    """The model's fields; what they leave open is what the constructor's adapter was trained on."""
    base, revision, quantization = llm.base, llm.revision, llm.quantization
    if llm.adapter is not None and llm.backend == "local" and (base is None or quantization == "auto"):
        trained_on = _trained_on(find_adapter(llm, llm.adapter))
        if base is None:
            base, revision = trained_on.get("base"), revision or trained_on.get("revision")
        if quantization == "auto" and base == trained_on.get("base"):
            quantization = trained_on.get("quantization") or quantization
    return BaseSettings(base, revision, quantization)


def _trained_on(folder: str) -> JsonObject:
    """Base, revision and quantisation that an adapter names."""
    path = Path(split_task(folder)[0])
    file = next((path / n for n in ("card.json", "adapter_config.json") if (path / n).is_file()), None)
    if file is None:
        raise AdapterError(
            "is not an adapter: it has neither card.json nor adapter_config.json",
            where=str(path),
            next_step="check the path",
        )
    return _read_trained_on(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=128)
def _read_trained_on(file: str, modified: int) -> JsonObject:
    try:
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as e:
        raise AdapterError(f"cannot be read: {e}", where=file, next_step="copy the folder again") from e
    if file.endswith("card.json"):
        return {name: values.get(name) for name in ("base", "revision", "quantization") if name in Card.model_fields}
    return {"base": values.get("base_model_name_or_path"), "revision": values.get("revision")}


# ---- tools and schemas -----------------------------------------------------------------------------------------------


def request_tools(options: CallOptions) -> tuple[tuple[JsonObject, ...], str]:
    """(tools in OpenAI form, tool choice); "none" offers no tools."""
    tools = tuple(convert_to_openai_tool(t) for t in options.get("tools") or ())
    choice = normalize_tool_choice(options.get("tool_choice"), [t["function"]["name"] for t in tools])
    return ((), "auto") if choice == "none" else (tools, choice)


def normalize_tool_choice(choice: str | bool | JsonObject | None, names: Sequence[str]) -> str:
    """LangChain's and OpenAI's spellings as one: auto, any, none, or a tool's name."""
    if isinstance(choice, dict):
        choice = choice.get("function", choice).get("name")
    if choice is True or choice == "required":
        return "any"
    if choice in (None, False, "auto"):
        return "auto"
    if choice in ("any", "none") or choice in names:
        return str(choice)
    raise ConfigError(
        f"tool_choice names '{choice}', which is not a bound tool",
        next_step=suggestion(str(choice), ["auto", "any", *names]),
    )


def request_schema(options: CallOptions) -> JsonObject | None:
    """The JSON schema of `json_schema=` or of OpenAI's `response_format=`."""
    schema = options.get("json_schema")
    response_format = options.get("response_format")
    if response_format is None:
        return None if schema is None else json_schema(schema)
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        return json_schema(response_format["json_schema"].get("schema", response_format["json_schema"]))
    raise ConfigError(
        f"response_format={response_format!r} is unknown",
        next_step='use {"type": "json_schema", "json_schema": {"schema": ...}}',
    )


def json_schema(schema: Schema | Callable[..., Any]) -> JsonObject:
    """A pydantic class, TypedDict, function or JSON schema as JSON schema."""
    if (
        isinstance(schema, dict)
        and "function" not in schema
        and any(k in schema for k in ("type", "properties", "$ref"))
    ):
        return schema
    return convert_to_json_schema(schema)


class ToolBinder(Protocol):
    """A model on which tools and options of calls can be bound."""

    def bind(self, **kwargs: Any) -> LLMRunnable: ...

    def bind_tools(self, tools: Sequence[Tool], **kwargs: Any) -> LLMRunnable: ...


def structured(
    llm: ToolBinder,
    schema: Schema,
    method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
    *,
    include_raw: bool = False,
    **options: Any,
) -> Runnable[LanguageModelInput, StructuredAnswer]:
    """A Runnable that answers with `schema` and nothing else; see DomainLLM.with_structured_output."""
    if method not in ("json_schema", "function_calling", "json_mode"):
        raise ConfigError(
            f"unknown method '{method}' of structured output",
            next_step=suggestion(str(method), ("json_schema", "function_calling", "json_mode")),
        )
    options.pop("strict", None)
    titled = _with_title(schema)
    options["ls_structured_output_format"] = {"kwargs": {"method": method}, "schema": titled}
    if method == "function_calling":
        tool = convert_to_openai_tool(titled)
        name = tool["function"]["name"]
        bound = llm.bind_tools([tool], tool_choice=name, **options)
        parser = _call_parser(schema, name)
    else:
        bound = llm.bind(json_schema=json_schema(titled), **options)
        parser = _text_parser(schema)
    if not include_raw:
        return bound | parser
    parse = RunnablePassthrough.assign(parsed=lambda x: parser.invoke(x["raw"]), parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parse.with_fallbacks([failed], exception_key="parsing_error")


def _call_parser(schema: Schema, name: str) -> BaseOutputParser[Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticToolsParser(tools=[schema], first_tool_only=True)
    return JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)


def _text_parser(schema: Schema) -> BaseOutputParser[Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticOutputParser(pydantic_object=schema)
    return JsonOutputParser()


def _with_title(schema: Schema) -> Schema:
    """LangChain's converters need a title."""
    if isinstance(schema, dict) and "title" not in schema and "name" not in schema and schema.get("type") != "function":
        return {"title": "answer", **schema}
    return schema
