"""Request bodies: the fields that are used, those that cannot change an answer, and those that must stay neutral.

Every other field is refused by name, so that nothing a client asks for is ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainkit.messages import JsonObject
from domainkit.registry import suggestion
from domainkit.serving.wire.errors import ApiError
from domainkit.storage import parse_json

WITHOUT_EFFECT = frozenset(
    {
        *("user", "safety_identifier", "metadata", "store", "service_tier", "prediction", "cache_salt", "priority"),
        *("prompt_cache_key", "prompt_cache_retention", "request_id"),
    }
)
"""Fields that say who asks, what to store or how to be fast. They cannot change an answer, and are not used."""
NEUTRAL: dict[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "logit_bias": ({},),
    "top_k": (0, -1),
    "min_p": (0,),
    "min_tokens": (0,),
    "ignore_eos": (False,),
    "use_beam_search": (False,),
    "skip_special_tokens": (True,),
    "stop_token_ids": ([],),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "functions": ([],),
    "function_call": (),
    "audio": (),
    "web_search_options": (),
    "best_of": (1,),
    "suffix": ("",),
}
"""Fields that would change an answer in ways that are not offered: accepted with these values only."""
Count = Annotated[int, Field(ge=1)]
TopLogprobs = Annotated[int, Field(ge=0, le=20)]
Ids = list[int]


class StreamOptions(BaseModel):
    """What a stream says beside the text."""

    model_config = ConfigDict(strict=True, extra="forbid")

    include_usage: bool = False
    include_obfuscation: bool = False
    """Accepted: nothing here needs to be hidden by padding."""


class Sampling(BaseModel):
    """What chat and text completions share."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    model: str
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Greedy unless the client asks otherwise, as everywhere in domainkit."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int | None = None
    n: Annotated[int, Field(ge=1, le=16)] = 1
    stop: str | list[str] = []
    stream: bool = False
    stream_options: StreamOptions | None = None
    structured_outputs: JsonObject | None = None
    """vLLM's field: {"choice": [...]}, {"regex": ...} or {"json": schema}."""

    @property
    def stops(self) -> tuple[str, ...]:
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        if not all(stops):
            raise ApiError(400, "an empty text would stop every answer at once", param="stop")
        return stops

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatBody(Sampling):
    """POST /v1/chat/completions"""

    messages: Annotated[list[object], Field(min_length=1)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool = False
    top_logprobs: TopLogprobs = 0
    tools: list[object] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: JsonObject | None = None
    thinking_budget: Count | None = None
    """Most tokens of reasoning: then it is closed, and the answer follows."""


class CompletionBody(Sampling):
    """POST /v1/completions"""

    prompt: str | list[str] | Ids | list[Ids]
    max_tokens: Count = 16
    logprobs: TopLogprobs | None = None
    prompt_logprobs: Literal[0] | None = None
    """vLLM's field: the log-probability of every token of the prompt."""
    echo: bool = False
    add_special_tokens: bool = True
    """Of a prompt of text."""


class EmbeddingsBody(BaseModel):
    """POST /v1/embeddings"""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    model: str
    input: str | list[str] | Ids | list[Ids]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Count | None = None


class TokenizeBody(BaseModel):
    """POST /tokenize, in vLLM's form: a prompt, or messages."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    model: str | None = None
    prompt: str | None = None
    add_special_tokens: bool = True
    messages: Annotated[list[object], Field(min_length=1)] | None = None
    tools: list[object] | None = None
    add_generation_prompt: bool = True
    chat_template_kwargs: JsonObject | None = None


class LoadBody(BaseModel):
    """POST /v1/load_lora_adapter, in vLLM's form."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    lora_name: Annotated[str, Field(min_length=1, max_length=200)]
    lora_path: Annotated[str, Field(min_length=1)]
    load_inplace: Literal[False] = False


class UnloadBody(BaseModel):
    """POST /v1/unload_lora_adapter, in vLLM's form."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    lora_name: str
    lora_int_id: int | None = None


Body = TypeVar("Body", bound=BaseModel)


def read_body(text: bytes, kind: type[Body]) -> Body:
    """The body of a request. Raises ApiError 400 with the field that is unknown or wrong; null is as if left out."""
    try:
        values = parse_json(text)
    except ValueError as e:
        raise ApiError(400, f"the body is not JSON: {e}") from e
    if not isinstance(values, dict):
        raise ApiError(400, "the body is not a JSON object")
    given = {name: value for name, value in values.items() if value is not None}
    for name in [n for n in given if n not in kind.model_fields]:
        _check_beside(name, given.pop(name), kind)
    try:
        return kind.model_validate(given)
    except ValidationError as e:
        raise _wrong(e) from e


def _check_beside(name: str, value: object, kind: type[BaseModel]) -> None:
    """Raise for a field that is not used, unless it cannot change the answer or has a value that does not."""
    if name in WITHOUT_EFFECT or any(
        value == v and isinstance(value, bool) == isinstance(v, bool) for v in NEUTRAL.get(name, ())
    ):
        return
    if name in NEUTRAL:
        neutral = NEUTRAL[name]
        step = f"leave it out, or give {neutral[0]!r}" if neutral else "leave it out"
        raise ApiError(400, f"{name} would change the answer, and is not offered here; {step}", param=name)
    step = suggestion(name, kind.model_fields)
    raise ApiError(400, f"unknown field '{name}'; {step}", param=name, code="unknown_parameter")


def _wrong(error: ValidationError) -> ApiError:
    """The deepest of the errors: of a field with several forms, the one that comes nearest to what was given."""
    found = max(error.errors(include_url=False, include_input=False), key=lambda e: len(e["loc"]))
    first, *inner = found["loc"]
    # After the field, pydantic names the form of a union that it tried, which is no field of the client's.
    param = str(first) + "".join(f"[{part}]" for part in inner if isinstance(part, int))
    return ApiError(400, f"{param}: {found['msg'].lower()}", param=param)
