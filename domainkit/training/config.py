"""TrainConfig and PreferenceConfig: everything that decides an adapter. Torch-free, frozen; a typo is an error that
names the near field.

Each option's meaning is written once, under its field; `domainkit train --help`, the schema and the docs are made from
it.
"""

from __future__ import annotations

from typing import Literal, Self, TypeVar, overload

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from domainkit.errors import ConfigError, validation_error_text
from domainkit.messages import JsonObject
from domainkit.models import DEFAULT_BASE, Quantization
from domainkit.models.thinking import ThinkingChoice, refuse_two_switches, thinking_option

Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adafactor", "sgd"]
LARGEST_EPOCHS = 1_000_000
OPTIONAL_FIELDS = ("optimizer", "report_to", "template_options", "thinking", "turns")


class AdapterConfig(BaseModel):
    """What every way to train an adapter needs to know. `method_options` are the method's own (rank, alpha, …),
    checked by the method's config."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    base: str = DEFAULT_BASE
    """Base model: a hub id, a local folder, a GGUF file, or builtin:smollm2-135m."""
    revision: str | None = None
    """Revision of a hub id (branch, tag or commit)."""
    quantization: Quantization = "auto"
    """Frozen weights: nf4 (4-bit, double quantised), int8, none, or auto, which says what it chose and why."""
    method: str = "lora"
    """Adaptation method: a name from `domainkit methods`."""
    method_options: JsonObject = Field(default_factory=dict)
    """The method's own options, e.g. method.rank=32 on the command line."""
    template_options: JsonObject = {}
    """Options of the base's chat template, e.g. template.reasoning_effort=low. Of a base that thinks, enable_thinking
    is on where an answer has reasoning, and off elsewhere.
    """
    learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate; left out, the method's own default, with its source, is used."""
    max_length: int | None = Field(None, ge=8)
    """Longest example in tokens; left out, the base's context length. A longer target is an error, never cut."""
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    """Share of the steps over which the rate rises from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls after the warm-up."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW weight decay on the adapter's weights."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are scaled down to this norm."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third slower."""
    optimizer: Optimizer = "adamw"
    """adamw (fused), adamw_8bit, paged_adamw_8bit or paged_adamw_32bit (bitsandbytes; pages move to main memory when
    the GPU is full), adafactor, or sgd."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seeds initial weights, order of examples, dropout and sampled answers."""
    save_every: int = Field(50, ge=1)
    """Optimizer steps between checkpoints, from which --resume continues."""
    report_to: tuple[str, ...] = ()
    """Loggers of losses and learning rates: tensorboard, wandb, mlflow, or another one that Accelerate knows."""

    @field_validator("report_to", mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _leave_out(self, dump: SerializerFunctionWrapHandler) -> JsonObject:
        """Leave `OPTIONAL_FIELDS` out at their defaults.

        The dump is hashed into names of adapter folders, so a new option must not rename those that do not use it.
        """
        values: JsonObject = dump(self)
        defaults = type(self).model_fields
        return {k: v for k, v in values.items() if k not in OPTIONAL_FIELDS or getattr(self, k) != defaults[k].default}


class TrainConfig(AdapterConfig):
    """How to train on examples and documents."""

    epochs: float = Field(3.0, gt=0, le=LARGEST_EPOCHS)
    """Passes over the training examples."""
    batch_size: int = Field(16, ge=1)
    """Examples per optimizer step."""
    max_tokens_per_pass: int = Field(2048, ge=1)
    """Most tokens in one forward pass; a batch beyond it is split evenly and its gradients accumulated, which changes
    nothing but memory. On a CPU a pass has at most 256, or 128 for each thread: more take memory and save little time.
    """
    packing: bool = True
    """Several examples in one row, exactly (no example sees another); off, rows are padded."""
    thinking: ThinkingChoice | None = None
    """Of a base that thinks: off, on, or a number of tokens; left out, on where an answer has reasoning. A number
    stands on the adapter's card, and closes its reasoning after so many tokens when it answers.
    """
    turns: Literal["last", "all"] = "last"
    """Turns of the assistant that are learnt: the last of a row, or all after the first question that no "weight": 0
    excludes. Each is learnt behind the prompt that it would be asked with; where the template writes a turn otherwise
    once others follow (without its reasoning, say), that turn becomes a row of its own.
    """

    @model_validator(mode="after")
    def _check_thinking(self) -> Self:
        refuse_two_switches(self.thinking, self.template_options, "thinking")
        return self

    @property
    def switched_options(self) -> JsonObject:
        """The template's options with what `thinking` says."""
        return {**self.template_options, **thinking_option(self.thinking)}


class PreferenceConfig(AdapterConfig):
    """How to train on preferences or on a reward."""

    objective: str = "dpo"
    """dpo (pairs of answers), kto (answers marked good or bad), grpo or rloo (sampled answers and a reward)."""
    learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate; left out, a twentieth of the method's rate for examples (for LoRA from 1B on TRL's 1e-5 for
    adapters).
    """
    beta: float | None = Field(None, ge=0)
    """How strongly the model is held to its reference; left out, the objective's published value. At 0 nothing holds
    it.
    """
    epochs: float = Field(1.0, gt=0, le=LARGEST_EPOCHS)
    """Passes over the rows."""
    batch_size: int = Field(8, ge=1)
    """Pairs, marked answers or prompts per optimizer step."""
    rows_per_pass: int = Field(8, ge=2)
    """Most rows in one forward pass; a batch beyond it is split and its gradients accumulated."""
    group: int = Field(8, ge=2, le=65_536)
    """grpo, rloo: answers sampled for each prompt, which are compared with one another."""
    max_new_tokens: int = Field(256, ge=1, le=1_000_000)
    """Longest sampled answer in tokens."""
    temperature: float = Field(1.0, gt=0)
    """grpo, rloo: temperature of sampling. At 1 the sampled model is the trained one."""
    score_unfinished: bool = False
    """grpo, rloo: also learn from answers cut off at max_new_tokens. Off, they count neither for nor against (DAPO,
    arXiv 2503.14476).
    """
    probe: int = Field(16, ge=0)
    """Prompts whose answers are sampled before and after training to measure reward, KL and length; 0 measures
    nothing.
    """


C = TypeVar("C", bound=AdapterConfig)


@overload
def parse_config(values: JsonObject) -> TrainConfig: ...
@overload
def parse_config(values: JsonObject, kind: type[C]) -> C: ...
def parse_config(values: JsonObject, kind: type[AdapterConfig] = TrainConfig) -> AdapterConfig:
    """A configuration from plain values (TOML, `key=value` strings); dotted `method.x` keys go to `method_options`,
    `template.x` keys to `template_options`.

    Raises ConfigError that lists every wrong field, with the near name for a typo.
    """
    flat: JsonObject = {}
    given = values.get("method_options", {})
    if not isinstance(given, dict):
        raise ConfigError(
            f"is {type(given).__name__}, not a table of the method's options",
            where="method_options",
            next_step="write method.rank=32, or a table [method]",
        )
    options: JsonObject = dict(given)
    template = {k.removeprefix("template."): v for k, v in values.items() if k.startswith("template.")}
    if isinstance(values.get("template"), dict):  # TOML: [template] enable_thinking = true
        template |= values["template"]
    for key, value in values.items():
        if key == "method_options" or key.startswith("template.") or (key == "template" and template):
            continue
        if key.startswith("method."):
            options[key.removeprefix("method.")] = value
        elif key == "method" and isinstance(value, dict):  # TOML: [method] kind = "lora", rank = 16
            table = dict(value)
            flat["method"] = table.pop("kind", "lora")
            options.update(table)
        else:
            flat[key] = value
    if options:
        flat["method_options"] = options
    if template:
        flat["template_options"] = {**flat.get("template_options", {}), **template}
    try:
        return kind(**flat)
    except ValidationError as e:
        raise ConfigError(
            "; ".join(validation_error_text(error, kind) for error in e.errors()),
            next_step=f"domainkit {'train' if kind is TrainConfig else 'prefer'} --help lists every option",
        ) from e
