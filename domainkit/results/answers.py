"""What every variant answered, how it scored, and what that took.

Absence is None with a reason, never NaN and never a silent 0. Shares and scores are fractions in [0, 1], differences
are fractions in [-1, 1], durations are seconds.
"""

from __future__ import annotations

from ast import literal_eval
from typing import Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, field_validator, model_serializer

from domainkit.evaluation.variant import Family
from domainkit.messages import JsonObject, Message

State = Literal["BETTER", "WORSE", "EQUIVALENT", "CANNOT TELL YET"]
HIT = "hit@"
"""Prefix of the keys of `VariantResult.retrieval`: "hit@3"."""


class Record(BaseModel):
    """A part of results.json: frozen, and an unknown field is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Record):
    """A mean over `n` items with its interval."""

    value: float | None
    """None: `reason` says why."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    level: float = 0.95
    """Confidence of the interval."""
    method: str = ""
    """Of the interval."""
    reason: str = ""


class Difference(Record):
    """Paired difference variant − baseline of the primary metric on the same items."""

    value: float
    low: float
    high: float
    n: int
    wins: int
    """Items the variant scores higher on; `ties` and `losses` likewise."""
    ties: int
    losses: int
    p: float
    """Two-sided, unadjusted."""
    p_adjusted: float
    """Holm over all variants."""
    state: State
    margin: float
    """The difference that would not matter."""
    needed: int | None = None
    """Items in all that would decide a "CANNOT TELL YET" at 80 % power; None where that does not apply."""
    method: str = ""


class Usage(Record):
    """Means per item in a batched run; None where the variant reports none."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    seconds_per_item: float | None = None
    """Compute."""
    prefill_seconds_per_item: float | None = None
    """The part of it that read the prompt."""
    decode_seconds_per_item: float | None = None
    """The part of it that wrote the answer."""
    memory_bytes: int | None = None
    """Peak memory of the process after a batch. It includes the base, once, and what earlier variants loaded."""


class Latency(Record):
    """One question at a time, alone on the machine: median and worst of `n` timed answers, seconds."""

    median: float | None = None
    worst: float | None = None
    n: int = 0
    reason: str = ""


class Hardware(BaseModel):
    """A machine as `domainkit.machine.hardware` describes it; other facts are ignored."""

    model_config = ConfigDict(frozen=True)

    processor: str = ""
    cores: int | None = None
    memory_gib: float | None = None
    gpus: tuple[str, ...] = ()
    """Names, one a device."""


class TrainingReceipt(Record):
    """What training the adapter cost, from its card."""

    method: str
    examples: int
    tokens: int
    seconds: float
    trainable_parameters: int
    adapter_bytes: int
    final_loss: float | None = None
    hardware: Hardware | None = None
    teachers: dict[str, int] = {}
    """Of the examples, those whose answers a model gave, by its name."""
    epochs: float | None = None
    """Passes over the examples; None, and not written, where the card does not say."""

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        if not self.teachers:
            fields.pop("teachers", None)
        if self.epochs is None:
            fields.pop("epochs", None)
        return fields

    @field_validator("hardware", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Older files hold a text: the description as a Python dict, or "" where the card has none."""
        if not isinstance(value, str):
            return value
        try:
            return literal_eval(value) if value else None
        except (ValueError, SyntaxError):
            return {"processor": value}


class VariantResult(Record):
    """One variant's scores."""

    name: str
    family: Family
    description: str
    settings: JsonObject = {}
    """What a reader needs to rebuild it: max_tokens, decoding; shots and how they are `chosen`; passages,
    passage_words, retriever; `trained_on` "passages"; `runs_on`, the name of a model beside the base. A setting that
    does not apply is absent; a classical variant has its `model` and the scores of its cross_validation, a trivial one
    what it `answers`, a custom one the hosted model that it is `paid_as`, or nothing."""
    metrics: dict[str, Estimate]
    """By metric name."""
    groups: dict[str, Estimate] = {}
    """The primary metric by the samples' group."""
    difference: Difference | None = None
    """Against the baseline; None for the baseline itself."""
    usage: Usage = Usage()
    latency: Latency = Latency()
    failures: int = 0
    """Items the variant raised an error on; they score 0 and are listed."""
    retrieval: dict[str, Estimate] = {}
    """hit@k of the gold document among the k passages in the prompt, where the task names gold documents."""
    training: TrainingReceipt | None = None
    """What training its adapter cost, if it is not the comparison's adapter."""

    @property
    def shots(self) -> int:
        """Solved examples in its prompt."""
        return int(self.settings.get("shots") or 0)

    @property
    def chosen_shots(self) -> str:
        """How they are chosen: "fixed", "nearest", or "" without any."""
        return str(self.settings.get("chosen") or "")

    @property
    def trained_on_passages(self) -> bool:
        return self.settings.get("trained_on") == "passages"

    @property
    def runs_on(self) -> str:
        """The name of the model that answers, where it is not the comparison's base; else ""."""
        return str(self.settings.get("runs_on") or "")

    @property
    def paid_as(self) -> str:
        """The hosted model whose tokens a Runnable of the user's own pays for; else ""."""
        return str(self.settings.get("paid_as") or "")

    @property
    def hit_rates(self) -> dict[int, float]:
        """k to the hit rate among k passages, where one is known."""
        rates = {key.removeprefix(HIT): hits.value for key, hits in self.retrieval.items() if key.startswith(HIT)}
        return {int(k): rate for k, rate in rates.items() if k.isdigit() and rate is not None}


class AnswerPart(Record):
    """One field, label or argument of an answer, beside what was expected."""

    name: str
    expected: str = ""
    """"" where nothing was."""
    given: str = ""
    """"" where the answer does not have it."""
    status: Literal["match", "mismatch", "omission", "invention", "empty"]
    """empty: nothing was expected, and nothing is there."""


class AnswerRow(Record):
    """A variant's answer to one item."""

    text: str
    scores: dict[str, float | None] = {}
    """By metric name."""
    passages: tuple[str, ...] = ()
    """Ids of the passages in the prompt."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """The part of `prompt_tokens` that the provider had in its cache; not written where it reports none."""
    seconds: float | None = None
    error: str | None = None
    """Set when the variant raised."""
    parts: tuple[AnswerPart, ...] = ()
    """In tasks whose answers have parts; else it is not written."""

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        if not self.parts:
            fields.pop("parts", None)
        if self.cached_tokens is None:
            fields.pop("cached_tokens", None)
        return fields


class Item(Record):
    """One question with every variant's answer, by variant name."""

    id: str
    input: str
    target: str
    references: tuple[str, ...] = ()
    group: str | None = None
    doc_ids: tuple[str, ...] = ()
    """The gold documents, where the task names them."""
    conversation: str | None = None
    """Questions of one conversation share it; where there is none it is not written, and so are the next three."""
    system: str | None = None
    """The system turn of the question."""
    turns: tuple[Message, ...] = ()
    """Earlier turns of the conversation."""
    tools: tuple[JsonObject, ...] = ()
    """The tools that might be called."""
    answers: dict[str, AnswerRow]

    @model_serializer(mode="wrap")
    def _drop_absent(self, write: SerializerFunctionWrapHandler) -> JsonObject:
        fields: JsonObject = write(self)
        absent = [name for name in ("conversation", "system", "turns", "tools") if not fields[name]]
        return {name: value for name, value in fields.items() if name not in absent}


class Passage(Record):
    title: str = ""
    text: str
