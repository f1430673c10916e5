"""train_preference(): pairs, marked answers or a reward in, adapter folder out. TRL trains; the model is held to a
reference.

The reference is the base with the adapter switched off: no second copy of any weight. When training starts from an
adapter, the reference is a frozen copy of that adapter's few weights, beside the adapter that is trained.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from domainkit.adapters.adaptation import Adaptation, MethodHooks
from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import attach, peft_warnings_muted
from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example
from domainkit.corpus.rows.columns import described
from domainkit.models.load import LoadedBase, load_base
from domainkit.models.source import resolve_base
from domainkit.storage import sha256_lines
from domainkit.training.adapter_card import make_card, save_adapter
from domainkit.training.config import PreferenceConfig, parse_config
from domainkit.training.examples_to_ids import unused_tasks, with_thinking
from domainkit.training.objectives import Objective, Plan, Row, TrainerInputs, load_objective
from domainkit.training.optimization.checkpoints import (
    RunIdentity,
    check_resolved,
    finished_adapter,
    last_checkpoint,
    locked_run,
    open_work_folder,
)
from domainkit.training.optimization.guards import check_weights_changed, trainable_weights
from domainkit.training.optimization.loggers import step_callbacks
from domainkit.training.optimization.progress import Progress
from domainkit.training.preference.divergence import measure_divergence
from domainkit.training.preference.plan import check, example_of, from_start, make_plan, resolve
from domainkit.training.preference.rewards import Reward, Scorer

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel
    from domainkit.training.objectives.trl_overrides import CurveLedger, TrlOverrides

log = logging.getLogger("domainkit")


@dataclass(frozen=True, slots=True)
class PreferenceProgress(Progress):
    """Progress with the step's point of the curve: reward or margin, KL, answer length."""

    columns: tuple[tuple[str, float], ...] = ()

    def metrics(self) -> dict[str, float]:
        return {name: value for name, value in self.columns if name != "step"}

    def __str__(self) -> str:
        labels = {"reward": "reward", "margin": "margin", "kl": "KL", "length": "tokens"}
        parts = [f"{labels[name]} {value:.3g}" for name, value in self.columns if name in labels]
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return " · ".join([f"step {self.step}/{self.steps}", *parts, f"{minutes}:{seconds:02d} left"])


def train_preference(
    rows: Sequence[Row],
    config: PreferenceConfig | None = None,
    out: str | Path = "adapter",
    *,
    reward: str | Reward | None = None,
    metrics: Sequence[str | Reward] = (),
    start: str | Path | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Adapter:
    """Train an adapter on preferences or on a reward and write it to the folder `out`, whole or not at all.

    `columns` says what our fields were called in the file of the rows; the card keeps it.

    `rows` are what the objective learns from: Pairs (dpo), Marked answers (kto) or Examples (grpo, rloo). `reward`
    names a metric of domainkit or scores answers itself (`judge` makes one from a chat model); grpo and rloo need it,
    the others measure with it. `metrics` are what else is measured before and after. `start` is an adapter to go on
    from; it is then the reference too. Until it is done, checkpoints are in `<out>.partial`; after an interruption,
    `resume=True` continues from the last one to the same curve and weights, bit for bit, if the reward gives the same
    scores.

    Raises DataError, ConfigError, AdapterError, BaseModelError, MachineError or TrainingError; KeyboardInterrupt after
    a checkpoint is saved.
    """
    config, out = config or parse_config({}, PreferenceConfig), Path(out)
    with locked_run(out):
        # 1. Refuse what cannot work before anything is loaded.
        objective = load_objective(config.objective)
        before = Adapter.load(start) if start is not None else None
        config = from_start(config, before) if before is not None else config
        method = check(rows, config, objective, reward, out)
        config = config.model_copy(update={"batch_size": min(config.batch_size, len(rows))})
        examples = [example_of(row) for row in rows]
        scorer = Scorer(reward, examples) if reward is not None else None
        measured = {one.name: one for one in (Scorer(metric, examples) for metric in metrics)}
        identity = RunIdentity(
            config=config.model_dump(),
            data=_fingerprint(rows),
            base=resolve_base(config.base, config.revision).fingerprint,
            start=before.weights_sha256 if before is not None else None,
            reward=scorer.name if scorer is not None else None,
        )
        finished = finished_adapter(out, identity) if resume else None
        if finished is not None:
            return finished
        work = open_work_folder(out, identity, resume=resume)
        checkpoint = last_checkpoint(work) if resume else None
        # 2. The base, and the adapter to start from.
        torch.manual_seed(config.seed)
        base = load_base(config.base, revision=config.revision, quantization=config.quantization)
        base = replace(base, chat_template=with_thinking(base.chat_template, config.template_options, ()))
        resolved = resolve(config, method, objective, base)
        config = resolved.config
        check_resolved(work, config.model_dump())
        model = _model(base, method, before)
        # 3. Rows as token ids.
        length = config.max_length or base.context_length
        unused = unused_tasks([example_of(row) for row in rows], config.method)
        for note in unused:
            log.warning(note)
        encoded = objective.encode(rows, base.chat_template, length, config)
        # 4. TRL's trainer.
        with _quiet():
            plan = make_plan(config, objective, len(encoded), work, base)
            trainer = objective.trainer(plan, TrainerInputs(model, base.tokenizer, encoded, scorer))
            if before is None:
                _drop_copy(model)
            fresh = trainable_weights(model)
            # 5. Train, with what the model answers before and after.
            if checkpoint is None:
                trainer.ledger.first = _probe(model, base, rows, config, scorer, measured)
            with step_callbacks(on_progress, config, out) as callbacks:
                _run(trainer, objective, plan, checkpoint, callbacks)
            check_weights_changed(model, fresh, unchanged="as before")
            last = _probe(model, base, rows, config, scorer, measured)
        # 6. Weights and card, in one move.
        _drop_copy(model)
        ledger = trainer.ledger
        card = make_card(
            base,
            config,
            model,
            ledger,
            examples=len(rows),
            data_fingerprint=identity.data,
            notes=[*resolved.notes, *unused, *([described(columns)] if columns else [])],
            learning_rate_source=resolved.rate_source,
            preference=_preference_facts(config, objective, scorer, before, ledger, last),
        )
        save_adapter(model, card, out, MethodHooks(), {})
        shutil.rmtree(work, ignore_errors=True)
        return Adapter.load(out)


# ---- 2. and 4. adapter, trainer --------------------------------------------------------------------------------------


def _model(base: LoadedBase, method: Adaptation, start: Adapter | None) -> AdaptedModel:
    """The base with the adapter that is trained: fresh, or `start`'s."""
    if start is None:
        return attach(method, base.model)
    start.check_base(base.source.fingerprint, base.source.name)
    return load_adapted(base.model, start.folder, trainable=True)


def _drop_copy(model: AdaptedModel) -> None:
    """TRL keeps a copy of any adapter as the reference; a fresh one changes nothing: the base itself is enough."""
    if "ref" in model.peft_config:
        model.delete_adapter("ref")


@contextmanager
def _quiet() -> Iterator[None]:
    """TRL prints the rows whose answers got no reward, and PEFT warns transformers."""
    trl = logging.getLogger("trl")
    level = trl.level
    trl.setLevel(logging.ERROR)
    try:
        with peft_warnings_muted():
            yield
    finally:
        trl.setLevel(level)


# ---- 5. the run ------------------------------------------------------------------------------------------------------


def _run(
    trainer: TrlOverrides,
    objective: type[Objective],
    plan: Plan,
    checkpoint: Path | None,
    callbacks: Sequence[Callable[[Progress], None]],
) -> None:
    from domainkit.training.objectives.trl_overrides import Watch

    def on_step(curve: dict[str, float]) -> None:
        seconds, step = trainer.elapsed(), int(curve["step"])
        progress = PreferenceProgress(
            step=step,
            steps=plan.steps,
            loss=curve["loss"],
            learning_rate=curve["learning_rate"],
            tokens_per_second=trainer.ledger.tokens / seconds,
            seconds_left=seconds / step * (plan.steps - step),
            columns=tuple(curve.items()),
        )
        for callback in callbacks:
            callback(progress)

    trainer.add_callback(Watch(trainer, objective, on_step))
    trainer.run(checkpoint)


def _probe(
    model: AdaptedModel,
    base: LoadedBase,
    rows: Sequence[Row],
    config: PreferenceConfig,
    scorer: Scorer | None,
    measured: Mapping[str, Scorer],
) -> dict[str, object] | None:
    """Facts of the answers to the first rows' prompts, sampled with the same seed at every call."""
    if not config.probe:
        return None
    prompts = [base.chat_template.encode_prompt(example_of(row).prompt) for row in rows[: config.probe]]
    return measure_divergence(
        model,
        base.tokenizer,
        prompts,
        stops=base.stop_token_ids,
        max_new_tokens=config.max_new_tokens,
        rows=config.rows_per_pass,
        seed=config.seed,
        reward=scorer,
        metrics=measured,
    ).facts()


# ---- 6. the folder ---------------------------------------------------------------------------------------------------


def _fingerprint(rows: Sequence[Row]) -> str:
    """Where a row came from does not change what is learnt from it."""
    left_out = {"source": True, "id": True, "doc_ids": True}
    nested = {"chosen": left_out, "rejected": left_out, "example": left_out}
    return sha256_lines(
        row.model_dump_json(exclude=left_out if isinstance(row, Example) else nested, exclude_defaults=True)
        for row in rows
    )


def _preference_facts(
    config: PreferenceConfig,
    objective: type[Objective],
    scorer: Scorer | None,
    start: Adapter | None,
    ledger: CurveLedger,
    last: dict[str, object] | None,
) -> dict[str, object]:
    """The card's part on preferences."""
    reference = "the base, with the adapter switched off"
    if start is not None:
        reference = f"the adapter {start.folder.name} as it was (SHA-256 {start.weights_sha256[:12]}…), a frozen copy"
    return {
        "objective": config.objective,
        "beta": config.beta,
        "reference": reference,
        "start": start.weights_sha256 if start is not None else None,
        "reward": scorer.name if scorer is not None else None,
        "kl_unit": objective.kl_unit,
        "curve": [{k: round(v, 6) for k, v in step.items()} for step in ledger.curve],
        "before": ledger.first,
        "after": last,
    }
