"""A chat model whose answers are held to a form: by a grammar, by the provider's structured output, or not at all."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from pydantic import PrivateAttr

from domainkit.messages import JsonObject, split_reasoning

Held = Literal["structured output", "grammar", "parsed"]
"""What holds an answer to its form: the provider, a grammar of domainkit's own engine, or nothing: its text is read."""
WRAPPED = "answer"
"""The one property of an object around an answer that is not an object: providers want an object at the top."""
_SHOWN = ("reasoning_content", "refusal")
"""What is kept of a message's further fields."""


# Any: `llm` is a chat model of any class, or a wrapper around one.
def hold(llm: Any, constraint: Mapping[str, Any]) -> Runnable[LanguageModelInput, AIMessage]:
    """`llm` with its answers held to `constraint`, as far as it can be; `held_by` says how.

    `constraint` is what `TaskKind.constraint` gives: `choices`, `json_schema` or `regex`; empty for none. The answer is
    one AIMessage whose text is the choice or the JSON, with the usage and metadata of the provider's message. One that
    does not fit keeps its text, for the task's kind to refuse. Nothing is sent to the provider here.
    """
    if not constraint:
        return _runnable(llm)
    if _is_own(llm):
        return _runnable(llm.bind(**constraint))
    schema, wrapped = schema_of(constraint)
    if schema is None or _structured(llm, schema) is None:
        return _runnable(llm)
    return HeldModel(llm=llm, answer_schema=schema, wrapped=wrapped)


# Any: as in `hold`.
def held_by(llm: Any, constraint: Mapping[str, Any]) -> Held:
    """What `hold` does for this model and constraint."""
    if constraint and _is_own(llm):
        return "grammar"
    return "structured output" if isinstance(hold(llm, constraint), HeldModel) else "parsed"


def schema_of(constraint: Mapping[str, Any]) -> tuple[JsonObject | None, bool]:
    """The JSON schema that says the same as the constraint, an object at its top, and whether that object is only put
    around it. None where no schema says it."""
    if "choices" in constraint:
        return _wrapped({"type": "string", "enum": list(constraint["choices"])}), True
    schema = constraint.get("json_schema")
    if not isinstance(schema, Mapping):
        return None, False  # a regular expression, which providers do not take
    if schema.get("type") == "object" and "properties" in schema:
        # Providers take the schema for a function, which has a name and says what it is for.
        return {"title": "answer", "description": "The answer.", **schema}, False
    return _wrapped(schema), True


def _wrapped(inner: Mapping[str, Any]) -> JsonObject:
    definitions = {"$defs": inner["$defs"]} if "$defs" in inner else {}
    return {
        "title": "answer",
        "description": "The answer.",
        **definitions,
        "type": "object",
        "properties": {WRAPPED: {k: v for k, v in inner.items() if k not in ("$defs", "$schema", "title")}},
        "required": [WRAPPED],
        "additionalProperties": False,
    }


class HeldModel(RunnableSerializable[LanguageModelInput, AIMessage]):
    """A chat model of another package, held to a schema by its `with_structured_output`.

    It is made again from its fields where it is copied to another process: what LangChain makes cannot be.
    """

    llm: BaseChatModel
    answer_schema: JsonObject
    wrapped: bool
    """Whether the answer is the one property of the schema's object."""
    _ready: Runnable[LanguageModelInput, Any] | None = PrivateAttr(None)

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        try:
            return self._message(self._model().invoke(input, config, **kwargs))
        except Exception as e:
            return _unfinished(e)

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        try:
            return self._message(await self._model().ainvoke(input, config, **kwargs))
        except Exception as e:
            return _unfinished(e)

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__pydantic_private__": {"_ready": None}}

    def _model(self) -> Runnable[LanguageModelInput, Any]:
        if self._ready is None:
            self._ready = _structured(self.llm, self.answer_schema)
            assert self._ready is not None, "hold() has tried it"
        return self._ready

    def _message(self, found: Mapping[str, Any]) -> AIMessage:
        """The answer as text: what was parsed, else what the provider's message says."""
        raw, value = found["raw"], found.get("parsed")
        if value is None or found.get("parsing_error") is not None:
            value = _raw_value(raw)  # a server that does not keep reasoning apart writes it before the object
        if self.wrapped and isinstance(value, Mapping) and set(value) == {WRAPPED}:
            value = value[WRAPPED]
        if value is None:
            text = _raw_text(raw)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        return AIMessage(
            text,
            id=raw.id,
            usage_metadata=raw.usage_metadata,
            response_metadata=raw.response_metadata,
            additional_kwargs={k: v for k, v in raw.additional_kwargs.items() if k in _SHOWN},
        )


# Any: as in `hold`, and a provider's message is of any class.
def _structured(llm: Any, schema: JsonObject) -> Runnable[LanguageModelInput, Any] | None:
    """None where the model's class only inherits the method, or cannot take the schema.

    A wrapper (`with_retry`, `bind`) passes the call on to its model without what it adds: it counts as having none.
    """
    if not isinstance(llm, BaseChatModel):
        return None
    options: dict[str, Any] = {"include_raw": True}
    if _fits_strict_mode(schema) and "strict" in inspect.signature(llm.with_structured_output).parameters:
        options["strict"] = True
    try:
        return llm.with_structured_output(schema, **options)
    except Exception:  # NotImplementedError of LangChain, and whatever a class of another package raises
        return None


def _fits_strict_mode(schema: object) -> bool:
    """Whether every object in it is closed and needs all its properties: OpenAI's strict mode takes no other."""
    if isinstance(schema, list):
        return all(map(_fits_strict_mode, schema))
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        return all(_fits_strict_mode(v) for v in properties.values()) and _fits_strict_mode(schema.get("$defs", {}))
    return schema.get("type") != "object" and all(map(_fits_strict_mode, schema.values()))


def _raw_text(raw: Any) -> str:
    """What was written: as text, as the arguments of a call, or as a refusal."""
    text = str(raw.text() if callable(raw.text) and not isinstance(raw.text, str) else raw.text)
    broken = [str(call.get("args") or "") for call in raw.invalid_tool_calls]
    made = [json.dumps(call["args"], ensure_ascii=False) for call in raw.tool_calls]
    return text or next((t for t in [*made, *broken] if t), "") or str(raw.additional_kwargs.get("refusal") or "")


def _raw_value(raw: Any) -> JsonObject | None:
    """The object that the text is, behind its reasoning; None where there is none."""
    try:
        value = json.loads(split_reasoning(_raw_text(raw)).text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unfinished(error: Exception) -> AIMessage:
    """The answer that an error of openai's package holds: one cut off by its limit, or by a filter, is an answer that
    cannot be read. Raises any other error again."""
    completion: Any = getattr(error, "completion", None)
    try:
        choice, usage = completion.choices[0], completion.usage
        if choice.finish_reason not in ("length", "content_filter"):
            raise error
        text, reason = str(choice.message.content or ""), str(choice.finish_reason)
    except (AttributeError, IndexError, TypeError):
        raise error from None
    counts = None
    if usage is not None:
        counts = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
        counts["total_tokens"] = sum(counts.values())
    meta = {"model_name": str(completion.model), "finish_reason": reason}
    return AIMessage(text, usage_metadata=counts, response_metadata=meta)


def _is_own(llm: object) -> bool:
    return getattr(llm, "_llm_type", "") == "domainkit"


# Any: as in `hold`.
def _runnable(llm: Any) -> Runnable[LanguageModelInput, AIMessage]:
    found: Runnable[LanguageModelInput, AIMessage] = llm
    return found
