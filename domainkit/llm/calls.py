"""What one call of DomainLLM asks for: its keyword arguments, checked, as a Request; schemas and tools in their one form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from domainkit.adapters.folder import Card, split_task
from domainkit.errors import AdapterError, ConfigError
from domainkit.inference.backend import Request
from domainkit.llm.messages import to_backend
from domainkit.registry import suggestion

SETTINGS = ("max_tokens", "temperature", "top_p", "seed", "timeout")
"""Constructor fields that a call may set anew."""
CALL_OPTIONS = (
    *SETTINGS, "model", "adapter", "stop", "choices", "json_schema", "regex", "response_format", "tools", "tool_choice",
    "logprobs",
)  # fmt: skip
IGNORED = ("stream", "strict", "ls_structured_output_format", "structured_output_format")
"""LangChain passes these along; output is always strict."""
BASE_ALONE = "base"
"""As `model=`, the base without an adapter."""


def check_options(names: Sequence[str]) -> None:
    """Unknown keyword arguments are a ConfigError that names the near one."""
    for name in names:
        if name not in CALL_OPTIONS and name not in IGNORED:
            raise ConfigError(
                f"unknown option '{name}' for a call of DomainLLM", next_step=suggestion(name, CALL_OPTIONS)
            )


def make_request(
    llm: Any, messages: Sequence[BaseMessage], stop: Sequence[str] | None, options: dict[str, Any]
) -> Request:
    """The call's Request: what the call says, else what the model's fields say."""
    check_options(list(options))
    given = {name: options.get(name) for name in SETTINGS}
    tools, choice = tools_of(options)
    stop = stop if stop is not None else options.get("stop")
    stop = stop if stop is not None else llm.stop
    return Request(
        messages=to_backend(messages),
        adapter=adapter_of(llm, options),
        **{name: getattr(llm, name) if value is None else value for name, value in given.items()},
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        choices=tuple(options.get("choices") or ()),
        json_schema=schema_of(options),
        regex=options.get("regex"),
        tools=tools,
        tool_choice=choice,
        logprobs=bool(options.get("logprobs")),
    )


# ---- which adapter ----------------------------------------------------------------------------------------------------


def adapter_of(llm: Any, options: dict[str, Any]) -> str | None:
    """Folder of the adapter a call wants: `adapter=`, else `model=`, else the model's own."""
    named = [str(options[k]) for k in ("adapter", "model") if options.get(k) is not None]
    if len(set(named)) > 1:
        raise ConfigError(
            f"adapter={named[0]!r} and model={named[1]!r} contradict each other", next_step="give one of them"
        )
    if not named:
        own = None if "adapter" in options and "model" not in options else llm.adapter
        return own and find_adapter(llm, own)
    if named[0] in (BASE_ALONE, llm.base):
        return None
    return find_adapter(llm, named[0])


def find_adapter(llm: Any, name: str) -> str:
    """The folder of an adapter: a name of `adapters`, the folder name of the model's own, or a path; each maybe with `#task`."""
    if name in llm.adapters:
        return str(llm.adapters[name])
    own = split_task(llm.adapter)[0] if llm.adapter is not None else None
    if own is not None and name in (llm.adapter, Path(llm.adapter).name, own, Path(own).name):
        return str(llm.adapter)
    if llm.backend != "local" or Path(name).is_dir():
        return name
    folder, task = split_task(name)
    if task is not None:
        found = own if own is not None and folder in (own, Path(own).name) else find_adapter(llm, folder)
        return f"{found}#{task}"
    known = [BASE_ALONE, *llm.adapters, *([Path(own).name] if own else [])]
    raise AdapterError("no such adapter folder", where=name, next_step=suggestion(name, known))


def place_of(llm: Any) -> tuple[str | None, str | None, str]:
    """(base, revision, quantisation): the fields', else what the constructor's adapter was trained on."""
    base, revision, quantization = llm.base, llm.revision, llm.quantization
    if llm.adapter is not None and llm.backend == "local" and (base is None or quantization == "auto"):
        facts = _facts_of(find_adapter(llm, llm.adapter))
        if base is None:
            base, revision = facts.get("base"), revision or facts.get("revision")
        if quantization == "auto" and base == facts.get("base"):
            quantization = facts.get("quantization") or quantization
    return base, revision, quantization


def _facts_of(folder: str) -> dict[str, Any]:
    folder = split_task(folder)[0]
    file = next((f for n in ("card.json", "adapter_config.json") if (f := Path(folder) / n).is_file()), None)
    if file is None:
        raise AdapterError(
            "is no adapter: neither card.json nor adapter_config.json in it", where=folder, next_step="check the path"
        )
    return _read_facts(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=128)
def _read_facts(file: str, changed: int) -> dict[str, Any]:
    try:
        facts = json.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as e:
        raise AdapterError(f"cannot be read: {e}", where=file, next_step="copy the folder again") from e
    if file.endswith("card.json"):
        return {name: facts.get(name) for name in ("base", "revision", "quantization") if name in Card.model_fields}
    return {"base": facts.get("base_model_name_or_path"), "revision": facts.get("revision")}


# ---- tools and schemas -------------------------------------------------------------------------------------------------


def tools_of(options: dict[str, Any]) -> tuple[tuple[dict[str, Any], ...], str]:
    """(tools in OpenAI form, tool choice); "none" offers no tools."""
    tools = tuple(convert_to_openai_tool(t) for t in options.get("tools") or ())
    choice = tool_choice_of(options.get("tool_choice"), [t["function"]["name"] for t in tools])
    return ((), "auto") if choice == "none" else (tools, choice)


def tool_choice_of(choice: Any, names: Sequence[str]) -> str:
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
        f"tool_choice names '{choice}', which is no bound tool",
        next_step=suggestion(str(choice), ["auto", "any", *names]),
    )


def schema_of(options: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema of `json_schema=` or of OpenAI's `response_format=`."""
    wanted = options.get("json_schema")
    form = options.get("response_format")
    if form is None:
        return None if wanted is None else json_schema(wanted)
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        return json_schema(form["json_schema"].get("schema", form["json_schema"]))
    raise ConfigError(
        f"response_format={form!r} is unknown", next_step='use {"type": "json_schema", "json_schema": {"schema": ...}}'
    )


def json_schema(schema: Any) -> dict[str, Any]:
    """A pydantic class, TypedDict, function or JSON schema as JSON schema."""
    if (
        isinstance(schema, dict)
        and "function" not in schema
        and ("type" in schema or "properties" in schema or "$ref" in schema)
    ):
        return schema
    return convert_to_json_schema(schema)


def structured(
    llm: Any,
    schema: Any,
    method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
    *,
    include_raw: bool = False,
    **options: Any,
) -> Runnable[Any, Any]:
    """A Runnable that answers with `schema` and nothing else; see DomainLLM.with_structured_output."""
    if method not in ("json_schema", "function_calling", "json_mode"):
        raise ConfigError(
            f"unknown method '{method}' of structured output",
            next_step=suggestion(str(method), ("json_schema", "function_calling", "json_mode")),
        )
    options.pop("strict", None)
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    told = {"ls_structured_output_format": {"kwargs": {"method": method}, "schema": _titled(schema)}}
    parser: BaseOutputParser[Any] | Runnable[Any, Any]
    if method == "function_calling":
        tool = convert_to_openai_tool(_titled(schema))
        name = tool["function"]["name"]
        bound = llm.bind_tools([tool], tool_choice=name, **told, **options)
        if is_class:
            parser = PydanticToolsParser(tools=[schema], first_tool_only=True)
        else:
            parser = JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    else:
        bound = llm.bind(json_schema=json_schema(_titled(schema)), **told, **options)
        parser = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
    if not include_raw:
        return bound | parser
    parse = RunnablePassthrough.assign(parsed=lambda x: parser.invoke(x["raw"]), parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parse.with_fallbacks([failed], exception_key="parsing_error")


def _titled(schema: Any) -> Any:
    """LangChain's converters want a title."""
    if isinstance(schema, dict) and "title" not in schema and "name" not in schema and schema.get("type") != "function":
        return {"title": "answer", **schema}
    return schema
