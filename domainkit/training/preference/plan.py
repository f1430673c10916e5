"""The plan of a preference run: what cannot work is refused early, and every default is made explicit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from domainkit.adapters.adaptation import Adaptation
from domainkit.adapters.folder import Adapter, check_replaceable
from domainkit.adapters.methods import METHODS, parse_method
from domainkit.corpus.example import Example
from domainkit.corpus.preferences import Marked, Pair
from domainkit.errors import ConfigError
from domainkit.models.load import LoadedBase
from domainkit.training.config import PreferenceConfig
from domainkit.training.distributed import world_size
from domainkit.training.examples_to_ids import longest_example
from domainkit.training.objectives import Objective, Plan, Row
from domainkit.training.optimization.loggers import check_loggers

log = logging.getLogger("domainkit")

RATE_SHARE = 1 / 20
"""Of a method's rate for examples: LoRA's 2e-4 becomes 1e-5, which TRL's documentation of DPO advises for adapters."""
ROW_TYPES: dict[str, type] = {"pairs": Pair, "marked": Marked, "examples": Example}
LAYOUTS = {
    "pairs": 'pairs, {"prompt", "chosen", "rejected"}',
    "marked": 'marked answers, {"prompt", "completion", "label"}',
    "examples": 'examples, {"input", "target"}',
}


def works_for_preferences() -> list[str]:
    """Names of the methods that can be trained with a reference."""
    return [name for name in METHODS if getattr(METHODS.load(name), "works_for_preferences", False)]


def from_start(config: PreferenceConfig, start: Adapter) -> PreferenceConfig:
    """The configuration with base, method and options of the adapter. Raises ConfigError when `config` sets others."""
    card = start.card
    assert card is not None
    trained_with = {
        "base": card.base,
        "revision": card.revision,
        "method": card.method,
        "method_options": card.config.get("method_options", {}),
        "template_options": card.config.get("template_options", {}),
    }
    for name in config.model_fields_set & set(trained_with):
        value = getattr(config, name)
        current = {k: trained_with[name].get(k) for k in value} if isinstance(value, dict) else trained_with[name]
        if value != current:
            raise ConfigError(
                f"{name}={value!r}, and the adapter to start from has {current!r}",
                where=str(start.folder),
                next_step=f"leave {name} out, or start without this adapter",
            )
    if "quantization" not in config.model_fields_set:
        trained_with["quantization"] = card.quantization
    return config.model_copy(update=trained_with)


def check(
    rows: Sequence[Row], config: PreferenceConfig, objective: type[Objective], reward: object, out: Path
) -> Adaptation:
    """The method. Raises ConfigError for what cannot work."""
    if not rows:
        raise ConfigError("nothing to train on: no rows", next_step="give a file with --data")
    if not all(isinstance(row, ROW_TYPES[objective.row_kind]) for row in rows):
        raise ConfigError(
            f"{config.objective} learns from {LAYOUTS[objective.row_kind]}, not from {type(rows[0]).__name__} rows",
            where="objective",
            next_step=f"read them with domainkit.read_{objective.row_kind}",
        )
    if objective.samples and reward is None:
        raise ConfigError(
            f"{config.objective} needs a reward",
            where="reward",
            next_step="name a metric (--reward token_f1), or give train_preference a function or a judge",
        )
    if config.beta == 0 and not objective.samples:
        raise ConfigError(
            f"beta=0 leaves {config.objective} nothing to learn: β scales its whole signal",
            where="beta",
            next_step=f"leave it out (β = {objective.beta:g}), or lower it",
        )
    if config.method not in works_for_preferences():
        raise ConfigError(
            f"{config.method} cannot be trained with a reference: it is not tested with preference training",
            where="method",
            next_step=f"one of: {', '.join(works_for_preferences())}",
        )
    method = parse_method(config.method, config.method_options)
    method.check_for_preferences()
    if world_size() > 1:
        raise ConfigError(
            "preference training runs in one process", where="accelerate launch", next_step="run it without"
        )
    check_loggers(config.report_to)
    check_replaceable(out)
    return method


@dataclass(frozen=True, slots=True)
class ResolvedPreference:
    """The configuration with every default made explicit, and why."""

    config: PreferenceConfig
    rate_source: str
    notes: tuple[str, ...]


def resolve(
    config: PreferenceConfig, method: Adaptation, objective: type[Objective], base: LoadedBase
) -> ResolvedPreference:
    """Make every default explicit. Raises ConfigError for an encoder-decoder."""
    if base.chat_template.architecture.has_encoder:
        raise ConfigError(
            "preference training is for decoder-only bases: TRL reads prompt and answer as one text",
            where=f"base={config.base}",
            next_step="train this base on examples: domainkit train",
        )
    rate, rate_source = config.learning_rate, "as given"
    if rate is None:
        rate = method.default_learning_rate(base.parameters)[0] * RATE_SHARE
        rate_source = (
            "a twentieth of the method's rate for examples: for LoRA from 1B on, TRL's 1e-5 for adapters with DPO"
        )
    beta, beta_source = config.beta, "as given"
    if beta is None:
        beta, beta_source = objective.beta, objective.beta_source
    notes = [*base.notes, f"learning rate {rate:g}: {rate_source}", f"β {beta:g}: {beta_source}"]
    for note in notes:
        log.info(note)
    if beta == 0:
        warning = f"beta=0: no reference limits the training; it follows the reward alone ({config.objective})"
        log.warning(warning)
        notes.append(warning)
    resolved = {
        "learning_rate": rate,
        "beta": beta,
        "quantization": base.quantization,
        "revision": base.source.revision,
        "max_length": longest_example(base, config.max_length, one_side="TRL reads rows of all lengths together"),
        "template_options": base.chat_template.options,
        "method_options": {k: v for k, v in method.model_dump().items() if k != "kind"},
    }
    return ResolvedPreference(config.model_copy(update=resolved), rate_source, tuple(notes))


def make_plan(config: PreferenceConfig, objective: type[Objective], rows: int, work: Path, base: LoadedBase) -> Plan:
    """Steps and micro-batches. TRL counts pairs, marked answers or, with a reward, sampled answers."""
    batch, most = config.batch_size, max(1, config.rows_per_pass // objective.rows_per_item(config))
    steps = config.epochs * (-(-rows // batch))
    if objective.samples:
        # TRL leaves a last batch out that is not full.
        steps, batch, most = config.epochs * (rows // batch), batch * config.group, config.rows_per_pass
    per_pass = next((n for n in range(min(most, batch), objective.least - 1, -1) if batch % n == 0), None)
    if per_pass is None:
        raise ConfigError(
            f"{config.objective} needs {objective.least} rows or more in each micro-batch, "
            f"and batch_size={batch} cannot be split into equal micro-batches of {objective.least} to {most} rows",
            where="batch_size",
            next_step="use an even batch_size, or raise rows_per_pass",
        )
    return Plan(
        config=config,
        steps=max(1, round(steps)),
        rows=per_pass,
        accumulate=batch // per_pass,
        work=work,
        device=base.device.type,
        bf16=base.model.dtype == torch.bfloat16,
    )


def example_of(row: Row) -> Example:
    """The row's example: of a pair, the one with the better answer."""
    if isinstance(row, Pair):
        return row.chosen
    return row.example if isinstance(row, Marked) else row
