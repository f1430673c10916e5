"""The training loop: transformers' Trainer with our batches, our loss, checkpoints that are whole, and guards at every step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from domainkit.adapters.adaptation import hooks
from domainkit.adapters.methods import peft_warnings_muted
from domainkit.errors import MachineError, TrainingError
from domainkit.training import distributed as ranks
from domainkit.training.batches import Batch, Batches, Pass, pack, pad, split
from domainkit.training.checkpoints import KEPT, Checkpointed, Ledger, last_checkpoint
from domainkit.training.config import TrainConfig
from domainkit.training.examples_to_ids import Rendered
from domainkit.training.objectives.supervised import head_is_plain, supervised_loss
from domainkit.training.progress import Progress

GRADIENT_STEPS = 3
"""Steps within which every adapter tensor must have had a gradient: LoRA's A has none until B has moved."""


def rate_factor(step: int, steps: int, warmup: int, schedule: str) -> float:
    """Share of the peak learning rate at 0-based `step`: a rise over `warmup` steps, then the schedule's fall towards 0.

    The first step is not at 0, which would waste it, and neither is the last.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return 1.0 if schedule == "constant" else max(0.0, 1 - done)


class Loop(Checkpointed, Trainer):
    """One item of the data is one optimizer step; `training_step` runs its passes and adds up their gradients."""

    def __init__(
        self,
        model: Any,
        batches: Batches,
        config: TrainConfig,
        work: Path,
        *,
        pad_id: int,
        on_progress: Callable[[Progress], None] | None,
        method: Any = None,
        cut: bool = False,
    ) -> None:
        self.batches = batches
        self.cut = cut
        self.hooks = hooks(method)
        self.config = config
        self.pad_id = pad_id
        self.ledger = Ledger()
        self.gradient_seen: set[str] = set()
        arguments = TrainingArguments(
            output_dir=str(work),
            max_steps=len(batches),
            per_device_train_batch_size=1,
            learning_rate=config.learning_rate,  # type: ignore[arg-type]
            weight_decay=config.weight_decay,
            max_grad_norm=0.0,  # training_step does it, where the norm is checked too
            logging_strategy="no",
            save_strategy="steps",
            save_steps=config.save_every,
            save_total_limit=KEPT,
            report_to=[],
            seed=config.seed,
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=model.device.type == "cpu",
            dataloader_pin_memory=False,
        )
        arguments._n_gpu = min(1, arguments.n_gpu)  # one process drives one GPU
        if config.gradient_checkpointing:
            with peft_warnings_muted():
                model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
        data: Any = batches  # a Sequence, which is all the DataLoader needs
        super().__init__(model=model, args=arguments, train_dataset=data, callbacks=[_Watch(self, on_progress)])
        self.remove_callback(PrinterCallback)
        self.trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.dtype = model.dtype
        if cut:
            head_is_plain(model)  # by trial, which all processes must run
        if ranks.count() > 1:
            # training_step sums gradients itself, once a step: DDP would average them at every pass.
            self.accelerator.prepare_model = lambda given, **_: given
        self.began = time.perf_counter()

    # -- data and schedule

    def get_train_dataloader(self) -> Any:
        data: Any = self.batches
        return DataLoader(data, batch_size=1, shuffle=False, collate_fn=lambda items: items[0])

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: Any
    ) -> tuple[list[Batch], None]:
        return [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)], None

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        groups = self.hooks.parameter_groups(self.trainable, float(self.args.learning_rate))
        if groups is None or self.optimizer is not None:
            return super().create_optimizer(model)
        kind, options = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer = kind([{**g, "weight_decay": self.args.weight_decay} for g in groups], **options)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        warmup = math.ceil(self.config.warmup_ratio * num_training_steps)
        target: Any = self.optimizer if optimizer is None else optimizer
        self.lr_scheduler = LambdaLR(
            target,
            lambda step: rate_factor(step, num_training_steps, warmup, self.config.schedule),
        )
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def floating_point_ops(self, inputs: Any) -> int:
        return 0

    # -- one optimizer step

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Gradients of the mean loss over all supervised tokens of the optimizer batch, however it is split into passes."""
        model.train()
        supervised = inputs.supervised
        total = torch.zeros((), device=model.device)
        for group, weight in self._own_passes(inputs):
            with self._autocast():
                loss = weight * supervised_loss(model, self._tensors(group).to(model.device)) / supervised
            loss.backward()
            total += loss.detach()
        ranks.sum_gradients(self.trainable.values())
        ranks.total(total)
        penalty = self.hooks.penalty(model)
        if penalty is not None:
            penalty.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.trainable.values(), self.config.max_grad_norm)
        self._check(float(total), float(norm))
        self.ledger.tokens += inputs.tokens
        self.ledger.supervised += supervised
        return total

    def _own_passes(self, batch: Batch) -> list[tuple[tuple[Rendered, ...], float]]:
        """The passes of this process with their weights: all of them, or its share when there are more processes.

        Processes that put a cut base together run the same number of passes: those with fewer go on with one of weight 0.
        """
        if ranks.count() < 2:
            return [(group, 1.0) for group in batch.passes]
        rows = [r for group in batch.passes for r in group]
        shares = [ranks.share(rows, i, ranks.count()) for i in range(ranks.count())]
        passes = [split(s, self.batches.max_tokens, packing=self.batches.packing) if s else () for s in shares]
        mine = passes[ranks.number()]
        most = max(map(len, passes)) if self.cut else len(mine)
        return [(group, 1.0) for group in mine] + [(tuple(rows[:1]), 0.0)] * (most - len(mine))

    def _tensors(self, group: Any) -> Pass:
        if self.batches.packing:
            return pack(group, self.dtype, segmented=self.batches.segmented)
        return pad(group, self.pad_id)

    def _autocast(self) -> Any:
        return torch.autocast(self.args.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def _check(self, loss: float, norm: float) -> None:
        step = self.state.global_step + 1
        if not (math.isfinite(loss) and math.isfinite(norm)):
            kept = last_checkpoint(Path(self.args.output_dir or "."))
            raise TrainingError(
                f"the {'gradient' if math.isfinite(loss) else 'loss'} is not a number at step {step} of {len(self.batches)}"
                f" (learning rate {self._get_learning_rate():g}); the weights before it are "
                + (f"kept in {kept}" if kept else "not saved: there was no checkpoint yet"),
                next_step=f"try half the learning rate ({self.config.learning_rate / 2:g}), a longer warmup_ratio, "  # type: ignore[operator]
                "or a lower max_grad_norm",
            )
        if step <= GRADIENT_STEPS:
            self._check_gradients(step)
        self.ledger.losses.append((step, loss))

    def _check_gradients(self, step: int) -> None:
        """Every adapter tensor is part of the graph at the first step, and has had a gradient other than 0 by the third."""
        absent = [name for name, p in self.trainable.items() if p.grad is None]
        self.gradient_seen |= {n for n, p in self.trainable.items() if p.grad is not None and bool(p.grad.any())}
        idle = [name for name in self.trainable if name not in self.gradient_seen]
        if absent or (idle and step == GRADIENT_STEPS):
            names = absent or idle
            raise TrainingError(
                f"{len(names)} of {len(self.trainable)} adapter tensors got no gradient by step {step}, so they would never"
                f" learn: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}",
                next_step="choose other target layers, or turn gradient_checkpointing off",
            )

    # -- the run

    def run(self, checkpoint: Path | None) -> Ledger:
        """Train to the end, from `checkpoint` if there is one. An interrupt is raised after a checkpoint is saved."""
        if checkpoint is not None:
            self.gradient_seen = set(self.trainable)
        with _out_of_memory(), peft_warnings_muted():
            self.go_on_from(checkpoint)
        return self.ledger


class _Watch(TrainerCallback):
    """Reports progress after each step, and turns Ctrl-C into a checkpoint and a stop."""

    def __init__(self, loop: Loop, on_progress: Callable[[Progress], None] | None) -> None:
        self.loop = loop
        self.on_progress = on_progress
        self.first_step = 0
        self.first_tokens = 0

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.first_step, self.first_tokens = state.global_step, self.loop.ledger.tokens

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.loop.hooks.after_step(self.loop.model, state.global_step + 1)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        seconds = time.perf_counter() - self.loop.began
        done = state.global_step - self.first_step
        progress = Progress(
            step=state.global_step,
            steps=state.max_steps,
            loss=self.loop.ledger.losses[-1][1],
            learning_rate=self.loop._get_learning_rate(),
            tokens_per_second=(self.loop.ledger.tokens - self.first_tokens) / seconds,
            seconds_left=seconds / done * (state.max_steps - state.global_step),
        )
        try:
            if self.on_progress:
                self.on_progress(progress)
        except KeyboardInterrupt:
            self.loop.interrupted = True
        if self._all_stop():
            control.should_save = control.should_training_stop = True

    def _all_stop(self) -> bool:
        """Whether any process was told to stop: all save and stop at the same step."""
        if ranks.count() > 1:
            told = torch.tensor(float(self.loop.interrupted), device=self.loop.args.device)
            self.loop.interrupted = bool(ranks.total(told))
        return self.loop.interrupted


@contextmanager
def _out_of_memory() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as e:
        raise MachineError(
            "the GPU's memory is full",
            next_step="lower max_tokens_per_pass, set gradient_checkpointing=true, or quantization=nf4",
        ) from e
