"""The grid of a sweep: a token budget, and the settings to try in all their combinations."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from domainkit.adapters.methods import parse_method
from domainkit.errors import ConfigError, validation_error_text
from domainkit.evaluation.task import Kind
from domainkit.messages import JsonObject
from domainkit.training.config import TrainConfig, parse_config

LARGEST_GRID = 1_000
"""Runs, each of which trains."""


class Grid(BaseModel):
    """A sweep: its budget, its development part, and the settings to try."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tokens: int = Field(ge=1, le=10**15)
    """Tokens each run trains on, all epochs: the same for every run, so that none wins by training longer."""
    dev_share: float = Field(0.15, gt=0, lt=1)
    """Share of the examples kept for choosing; no question of it is trained on."""
    seed: int = 0
    """Seeds the choice of the development part."""
    choose_by: Literal["score", "loss"] = "score"
    """What the winner is chosen by on the development part: the task's metric, or the loss per target token."""
    metrics: tuple[str, ...] = ()
    """Metrics of the development part, by name; the first one chooses. Left out, all of the task's kind."""
    kind: Kind | None = None
    """Kind of task of the development part; left out, it is read from the data."""
    general_text: str | None = None
    """Text, Markdown or JSON Lines of the world outside the domain, for the table's forgetting: bits per byte (lower
    predicts better) that an adapter adds to the base's on it. Left out, forgetting is not measured."""
    grid: tuple[JsonObject, ...] = Field(min_length=1)
    """Settings of `domainkit train`, a table per method; each entry of a list is tried, in all combinations."""

    @field_validator("metrics", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @property
    def scored_by(self) -> str:
        """What the runs are scored by; "" for the defaults."""
        return ",".join([*([f"kind={self.kind}"] if self.kind else []), *self.metrics])


def parse_grid(values: JsonObject) -> Grid:
    """The grid from a TOML file's values. Raises ConfigError that lists every fault."""
    try:
        return Grid(**values)
    except ValidationError as e:
        raise ConfigError(
            "; ".join(validation_error_text(error, Grid) for error in e.errors()),
            where="--sweep",
            next_step="a sweep file holds tokens = 50000 and tables [[grid]] "
            'such as method = "lora", learning_rate = [2e-4, 1e-3]',
        ) from e


def cells(grid: Grid, settings: JsonObject) -> list[tuple[JsonObject, TrainConfig]]:
    """(what the grid sets, the whole configuration) of every run. Raises ConfigError before anything is trained."""
    planned: list[tuple[JsonObject, TrainConfig]] = []
    for table in grid.grid:
        axes = {k: v if isinstance(v, list) else [v] for k, v in _flat(table).items()}
        _check_axes(axes, len(planned))
        for values in product(*axes.values()):
            options = dict(zip(axes, values, strict=True))
            config = parse_config({**settings, **options})
            parse_method(config.method, config.method_options)
            if {"epochs", "base", "quantization", "revision"} & options.keys():
                raise ConfigError(
                    "epochs follow from tokens, and all runs share one base",
                    where="[[grid]]",
                    next_step="take epochs, base, revision and quantization out of the grid",
                )
            if options not in [c for c, _ in planned]:
                planned.append((options, config))
    return planned


def _check_axes(axes: dict[str, list[object]], before: int) -> None:
    empty = next((name for name, values in axes.items() if not values), None)
    if empty is not None:
        raise ConfigError(
            "is an empty list: nothing to try", where=f"[[grid]] {empty}", next_step="give values, or leave it out"
        )
    runs = before + prod(map(len, axes.values()))
    if runs > LARGEST_GRID:
        raise ConfigError(
            f"the grid has {runs:,} runs, each of which trains; at most {LARGEST_GRID:,} are planned",
            where="[[grid]]",
            next_step="give fewer values, or split the sweep",
        )


def _flat(table: JsonObject) -> JsonObject:
    """A grid table with method's own table, [grid.method] or "method.rank", as dotted keys."""
    flat: JsonObject = {}
    for key, value in table.items():
        if isinstance(value, dict):
            key = "method" if key == "method_options" else key
            flat |= {key if k == "kind" else f"{key}.{k}": v for k, v in value.items()}
        else:
            flat[key] = value
    return flat
