"""The overrides that all of TRL's trainers share, each with the reason for it.

TRL's trainers are transformers Trainers: the loop is theirs. Checkpoints, the ledger and stops are those of our own
loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl.trainer.utils import RepeatSampler

from domainkit.adapters.adaptation import MethodHooks
from domainkit.errors import TrainingError, saving
from domainkit.models.precision import precision
from domainkit.training.objectives import EncodedRow, Objective, Plan, TrainerInputs
from domainkit.training.optimization.checkpoints import (
    KEPT,
    Ledger,
    last_checkpoint,
    load_weights,
    mark_whole,
    read_ledger,
    reading_checkpoint,
    save_weights,
)
from domainkit.training.optimization.optimizers import rate_factor
from domainkit.training.optimization.stop_signals import StopRequest, raise_if_stopped, stop_on_signals

if TYPE_CHECKING:
    from datasets import Dataset
    from torch.optim import Optimizer
    from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

    from domainkit.adapters.tuned_model import AdaptedModel
else:
    Trainer = object  # the mixin itself inherits from none of TRL's trainers

SILENT_STEPS = 10
"""Steps without any difference in reward after which a run that learns nothing is ended."""
ALMOST_ZERO = 1e-20
"""At β = 0, where it matters most, TRL measures no KL. This β changes no bit of a loss, and the KL is measured."""


@dataclass
class CurveLedger(Ledger):
    """A ledger with one entry of `curve` per optimizer step, and what the model answered before the first, as facts."""

    curve: list[dict[str, float]] = field(default_factory=list)
    first: dict[str, object] | None = None


class TrlOverrides(Trainer):
    """Mixed into TRL's trainers, before them. `build` sets the attributes."""

    plan: Plan
    ledger: CurveLedger
    lengths: list[float]
    """Mean answer length in tokens of each micro-batch of the step so far."""
    trainable: dict[str, torch.nn.Parameter]
    stop: StopRequest
    prompt_ids: list[list[int]]
    """Of the rows, where answers are sampled."""

    # From transformers' and TRL's trainers.
    model: AdaptedModel
    optimizer: Optimizer
    eos_token_ids: list[int]

    _began = 0.0
    _seconds_before = 0.0

    def run(self, checkpoint: Path | None) -> None:
        """Train to the end, from `checkpoint` if there is one."""
        if checkpoint is not None:
            with reading_checkpoint(checkpoint):
                self.ledger = read_ledger(checkpoint, CurveLedger)
        self._seconds_before, self._began = self.ledger.seconds, time.perf_counter()
        with stop_on_signals(self.stop, self.plan.work):
            try:
                self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            finally:
                self.ledger.seconds = self.elapsed()
            raise_if_stopped(self.stop, self.state.global_step, self.state.max_steps)

    def elapsed(self) -> float:
        """Seconds of training, also before the run was resumed."""
        return self._seconds_before + time.perf_counter() - self._began

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:
        # The Trainer would write PEFT's folder, which leaves out what only training needs.
        folder = Path(output_dir or self.plan.work)
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(folder, self.model, self.trainable, MethodHooks())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: object = None) -> None:
        with reading_checkpoint(Path(resume_from_checkpoint)):
            load_weights(Path(resume_from_checkpoint), self.model, self.trainable, MethodHooks())

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with reading_checkpoint(Path(checkpoint or ".")):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _save_checkpoint(self, model: torch.nn.Module, trial: object = None) -> None:
        # The Trainer's checkpoint can be incomplete after a crash: the ledger, written last, marks it as whole.
        folder = self.plan.work / f"checkpoint-{self.state.global_step}"
        with saving(folder):
            super()._save_checkpoint(model, trial)
            self.ledger.seconds = self.elapsed()
            mark_whole(folder, self.ledger)

    def _get_train_sampler(self, *args: Any) -> Any:  # transformers and TRL declare it differently
        # TRL's sampler draws each epoch's order from where the last one ended: a resumed run skips the finished epochs.
        sampler = super()._get_train_sampler(*args)
        if isinstance(sampler, RepeatSampler):
            epochs = len(self.ledger.curve) // (sampler.num_samples // self.plan.config.batch_size)
            for _ in range(epochs):
                torch.randperm(sampler.num_samples, generator=sampler.generator)
        return sampler

    def _send_telemetry(self) -> None:
        """TRL reports each run to its makers. Here nothing is reported."""

    def create_model_card(self, *args: object, **kwargs: object) -> None:
        """TRL writes a model card. The adapter has domainkit's own."""

    def _prepare_dataset(self, dataset: Dataset, *args: object, **kwargs: object) -> Dataset:
        # TRL tokenises text, in which a spelled-out control token becomes one. Our rows are token ids already.
        return dataset

    def _prepare_inputs(self, inputs: EncodedRow) -> EncodedRow:
        # TRL samples answers here, outside of the precision that its loss is computed in.
        with precision(self.model):
            return super()._prepare_inputs(inputs)

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, object]]:
        # For the same reason a prompt is the number of its row, and its ids are those that domainkit made.
        return [list(self.prompt_ids[int(p)]) for p in prompts], None, {}

    def create_scheduler(self, num_training_steps: int, optimizer: Optimizer | None = None) -> LambdaLR:
        # transformers' schedules waste the first step on a rate of 0.
        config = self.plan.config
        self.lr_scheduler = LambdaLR(
            self.optimizer if optimizer is None else optimizer,
            lambda step: rate_factor(step, num_training_steps, config.warmup_ratio, config.schedule),
        )
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(self, model: torch.nn.Module, inputs: EncodedRow, *args: Any, **kwargs: Any) -> Any:
        # TRL does not report all that the ledger counts.
        mask = inputs["completion_mask"]
        self.ledger.supervised += int(mask.sum())
        self.lengths.append(float(mask.sum(1).float().mean()))
        return super().compute_loss(model, inputs, *args, **kwargs)


OPTIMIZER_NAMES = {"adamw": "adamw_torch_fused"}
"""transformers' names, where they are not ours."""


def arguments(kind: Callable[..., TrainingArguments], plan: Plan, **options: object) -> TrainingArguments:
    """TRL's configuration of class `kind`, with domainkit's settings and the objective's `options`."""
    config = plan.config
    args = kind(
        output_dir=str(plan.work),
        beta=config.beta or ALMOST_ZERO,
        max_steps=plan.steps,
        per_device_train_batch_size=plan.rows,
        gradient_accumulation_steps=plan.accumulate,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        optim=OPTIMIZER_NAMES.get(config.optimizer, config.optimizer),
        max_grad_norm=config.max_grad_norm,
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        # Policy and reference are compared weight for weight: dropout would add a false difference.
        disable_dropout=True,
        bf16=plan.bf16,  # TRL would compute in bfloat16 even on a CPU
        use_cpu=plan.device == "cpu",
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would hide losses that are not numbers
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=KEPT,
        report_to=[],
        disable_tqdm=True,
        seed=config.seed,
        data_seed=config.seed,
        **options,
    )
    args._n_gpu = min(1, args.n_gpu)  # one process drives one GPU
    return args


def build(
    kind: Callable[..., TrlOverrides],
    plan: Plan,
    inputs: TrainerInputs,
    args: TrainingArguments,
    **options: object,
) -> TrlOverrides:
    """A trainer of class `kind` over the encoded rows."""
    from datasets import Dataset

    model, rows = inputs.model, Dataset.from_list(inputs.encoded)
    dtypes = {name: p.dtype for name, p in model.named_parameters() if p.requires_grad}
    trainer = kind(model=model, args=args, train_dataset=rows, processing_class=inputs.tokenizer, **options)
    trainer.remove_callback(PrinterCallback)
    trainer.plan, trainer.lengths, trainer.ledger, trainer.stop = plan, [], CurveLedger(), StopRequest()
    trainer.trainable = {name: p for name, p in model.named_parameters() if name in dtypes}
    # On a packed base TRL rounds the adapter to bfloat16: put its float32 back.
    for name, p in trainer.trainable.items():
        p.data = p.data.to(dtypes[name])
    return trainer


class Watch(TrainerCallback):
    """Keeps the curve, ends a run that diverges or cannot learn, and stops after a checkpoint when asked to."""

    def __init__(
        self, trainer: TrlOverrides, objective: type[Objective], on_step: Callable[[dict[str, float]], None]
    ) -> None:
        self.trainer = trainer
        self.columns = objective.curve
        self.on_step = on_step
        self.tokens_before = 0
        # After a checkpoint, TRL's trainers that do not sample count tokens from 0 again.
        self.counts_from_zero = not objective.samples

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self.tokens_before = self.trainer.ledger.tokens if self.counts_from_zero else 0

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Before the weights are touched: the gradients are there, and are numbers."""
        step, config = state.global_step + 1, self.trainer.plan.config
        trained = self.trainer.trainable
        assert config.learning_rate is not None
        if not all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in trained.values()):
            checkpoint = last_checkpoint(self.trainer.plan.work)
            raise TrainingError(
                f"the gradient is not a number at step {step} of {state.max_steps} "
                f"(learning rate {config.learning_rate:g}); the weights before it are "
                + (f"kept in {checkpoint}" if checkpoint else "not saved: there was no checkpoint yet"),
                next_step=f"try half the learning rate ({config.learning_rate / 2:g}), or a lower max_grad_norm",
            )
        absent = [name for name, p in trained.items() if p.grad is None]
        if absent:
            raise TrainingError(
                f"{len(absent)} of {len(trained)} adapter tensors got no gradient, "
                f"so they would never learn: {absent[0]}",
                next_step="choose other target layers, or turn gradient_checkpointing off",
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        point = {"step": float(state.global_step), "loss": logs["loss"], "learning_rate": logs["learning_rate"]}
        point |= {column: logs[name] for column, name in self.columns.items() if logs.get(name) is not None}
        if "length" not in point:
            point["length"] = sum(self.trainer.lengths) / len(self.trainer.lengths)
        self.trainer.lengths.clear()
        ledger = self.trainer.ledger
        if logs.get("num_tokens"):
            ledger.tokens = self.tokens_before + int(logs["num_tokens"])
        ledger.curve.append({k: float(v) for k, v in point.items()})
        ledger.losses.append((state.global_step, point["loss"]))
        self._check_signal(ledger.curve, min(SILENT_STEPS, state.max_steps))
        try:
            self.on_step(ledger.curve[-1])
        except KeyboardInterrupt:
            self.trainer.stop.requested = True
        if self.trainer.stop.requested:
            control.should_save = control.should_training_stop = True

    def _check_signal(self, curve: list[dict[str, float]], enough: int) -> None:
        """Sampled answers differ in reward: without a difference there is nothing to learn from."""
        if len(curve) != enough or "tied" not in curve[0]:
            return
        if all(step["unfinished"] == 1 for step in curve) and not self.trainer.plan.config.score_unfinished:
            limit = self.trainer.plan.config.max_new_tokens
            raise TrainingError(
                f"no sampled answer ended within max_new_tokens={limit} in {enough} steps, so none was scored",
                next_step="raise max_new_tokens, start from an adapter that ends its answers, "
                "or set score_unfinished=true",
            )
        if all(step["tied"] == 1 for step in curve):
            raise TrainingError(
                f"the reward did not distinguish answers in {enough} steps: all answers to a prompt scored the same",
                next_step="use a finer reward (token_f1 instead of exact_match), a larger group, "
                "or start from an adapter that is sometimes right",
            )
