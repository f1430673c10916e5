"""TrainConfig: everything that decides an adapter. Torch-free, frozen; a typo is an error that names the near field.

Each option's meaning is written once, under its field; `domainkit train --help`, the schema and the docs are made from it.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainkit.errors import ConfigError

Quantization = Literal["auto", "nf4", "int8", "none"]
DEFAULT_BASE = "builtin:smollm2-135m"


class TrainConfig(BaseModel):
    """How to train. `method_options` are the method's own (rank, alpha, …), checked by the method's config."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    base: str = DEFAULT_BASE
    """Base model: a hub id, a local folder, a GGUF file, or builtin:smollm2-135m."""
    revision: str | None = None
    """Revision of a hub id (branch, tag or commit)."""
    quantization: Quantization = "auto"
    """Frozen weights: nf4 (4-bit, double quantised), int8, none, or auto, which says what it chose and why."""
    method: str = "lora"
    """Adaptation method: a name from `domainkit methods`."""
    method_options: dict[str, Any] = Field(default_factory=dict)
    """The method's own options, e.g. method.rank=32 on the command line."""
    epochs: float = Field(3.0, gt=0)
    """Passes over the training examples."""
    learning_rate: float | None = Field(None, gt=0)
    """Peak learning rate; left out, the method's own default, with its source, is used."""
    batch_size: int = Field(16, ge=1)
    """Examples per optimizer step."""
    max_tokens_per_pass: int = Field(2048, ge=1)
    """Most tokens in one forward pass; a batch beyond it is split and its gradients accumulated, which changes nothing but memory."""
    max_length: int | None = Field(None, ge=8)
    """Longest example in tokens; left out, the base's context length. A longer target is an error, never cut."""
    packing: bool = True
    """Several examples in one row, exactly (no example sees another); off, rows are padded."""
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
    save_every: int = Field(50, ge=1)
    """Optimizer steps between checkpoints, from which --resume continues."""
    seed: int = 0
    """Seeds initial weights, order of examples and dropout."""


def parse_config(values: dict[str, Any]) -> TrainConfig:
    """A TrainConfig from plain values (TOML, `key=value` strings); dotted `method.x` keys go to `method_options`.

    Raises ConfigError that lists every wrong field, with the near name for a typo.
    """
    flat: dict[str, Any] = {}
    options: dict[str, Any] = dict(values.get("method_options", {}))
    for key, value in values.items():
        if key == "method_options":
            continue
        if key.startswith("method."):
            options[key.removeprefix("method.")] = value
        elif key == "method" and isinstance(value, dict):  # TOML: [method] kind = "lora", rank = 16
            table = dict(value)
            flat["method"] = table.pop("kind", "lora")
            options.update(table)
        else:
            flat[key] = value
    try:
        return TrainConfig(**flat, method_options=options)
    except ValidationError as e:
        raise ConfigError(
            "; ".join(describe(error, TrainConfig) for error in e.errors()),
            next_step="domainkit train --help lists every option",
        ) from e


def describe(error: Any, model: type[BaseModel]) -> str:
    """One pydantic error as one clause: the field, the value, the rule or the near name."""
    field = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, model.model_fields, n=1)
        return f"unknown option '{field}'" + (f" (did you mean '{close[0]}'?)" if close else "")
    return f"{field}={error['input']!r}: {error['msg'].lower()}"
