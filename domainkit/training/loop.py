"""The optimizer loop, its stages in order.

It does not use transformers' Trainer: nine of its methods would have to be overridden, and little more than
`optimizer.step()` would remain. Accelerate starts the processes and talks to the loggers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.utils import clip_grad_norm_

from domainkit.adapters.adaptation import MethodHooks
from domainkit.adapters.methods import peft_warnings_muted
from domainkit.adapters.micro_batch import MicroBatch
from domainkit.errors import MachineError
from domainkit.models.memory import return_freed_memory
from domainkit.models.precision import precision
from domainkit.training.batches import Batch, Batches, pack, pad
from domainkit.training.config import TrainConfig
from domainkit.training.distributed import (
    all_reduce,
    all_reduce_gradients,
    any_process,
    rank,
    shard_of_batch,
    world_size,
)
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.objectives.supervised import head_is_plain, supervised_loss
from domainkit.training.optimization.checkpoints import (
    Ledger,
    load_checkpoint,
    save_checkpoint,
    step_of,
)
from domainkit.training.optimization.guards import GradientGuard, check_finite
from domainkit.training.optimization.optimizers import make_optimizer, rate_factor, set_learning_rate
from domainkit.training.optimization.progress import Progress
from domainkit.training.optimization.recomputed import gates_recomputed
from domainkit.training.optimization.stop_signals import StopRequest, raise_if_stopped, stop_on_signals

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel

Group = tuple[TokenizedExample, ...]
Loss = Callable[["AdaptedModel", MicroBatch, Group], torch.Tensor]
"""(model, a pass, the pass's rows) to the sum of the loss over its supervised tokens, in nats."""


def _cross_entropy(model: AdaptedModel, one: MicroBatch, group: Group) -> torch.Tensor:
    return supervised_loss(model, one)


@dataclass(frozen=True, slots=True)
class Loop:
    """What the loop works on. `config` has no open field."""

    model: AdaptedModel
    batches: Batches
    config: TrainConfig
    hooks: MethodHooks
    work: Path
    """Folder of the run's checkpoints."""
    pad_id: int
    sharded: bool = False
    """The base's blocks are sharded over the processes."""
    callbacks: Sequence[Callable[[Progress], None]] = ()
    """Called after every step."""
    checkpoint: Path | None = None
    """What the run continues from."""
    loss: Loss = _cross_entropy
    """What is minimised."""

    def run(self) -> Ledger:
        """Train to the end.

        Raises TrainingError, MachineError, or KeyboardInterrupt once a checkpoint is saved.
        """
        stop = StopRequest()
        # Checkpointed layers are computed again as a whole, and the parts of sharded ones are not here.
        shorten = not self.config.gradient_checkpointing and not self.sharded
        less_kept = gates_recomputed(self.model) if shorten else nullcontext()
        with stop_on_signals(stop, self.work), _memory_errors(), peft_warnings_muted(), less_kept:
            self._prepare()
            return self._steps(stop)

    def _steps(self, stop: StopRequest) -> Ledger:
        model, config, hooks, steps = self.model, self.config, self.hooks, len(self.batches)
        trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
        optimizer = make_optimizer(model, trainable, config, hooks)
        assert config.learning_rate is not None
        guard, ledger, done = GradientGuard(trainable), Ledger(), 0
        if self.checkpoint is not None:
            ledger = load_checkpoint(self.checkpoint, model, trainable, optimizer, hooks)
            done = step_of(self.checkpoint)
            guard.reached.update(trainable)
        clock = _Clock(done, steps, ledger)
        for step in range(done + 1, steps + 1):
            batch = self.batches[step - 1]
            # Gradients of the mean loss over the batch's supervised tokens, however it is split into micro-batches.
            model.train()
            loss = torch.zeros((), device=model.device)
            for one, weight, group in self._micro_batches(batch):
                with precision(model):
                    part = weight * self.loss(model, one, group) / batch.supervised
                part.backward()
                loss += part.detach()
                del part
                if model.device.type == "cpu":
                    return_freed_memory()  # what one pass leaves in pieces, the next does not fit into
            # One sum over processes for all micro-batches.
            all_reduce_gradients(trainable.values())
            total = float(all_reduce(loss))
            penalty = hooks.penalty(model)
            if penalty is not None:
                penalty.backward()
            norm = float(clip_grad_norm_(trainable.values(), config.max_grad_norm))
            # Guards come before the weights change.
            factor = rate_factor(step - 1, steps, config.warmup_ratio, config.schedule)
            rate = set_learning_rate(optimizer, factor)
            check_finite(total, norm, step, steps, rate, config.learning_rate, self.work)
            guard.check(step)
            optimizer.step()
            hooks.after_step(model, step)
            optimizer.zero_grad()
            ledger.add(step, total, tokens=batch.tokens, supervised=batch.supervised)
            stop.requested = self._report(clock.progress(step, total, rate), stop)
            if stop.requested or step == steps or step % config.save_every == 0:
                ledger.seconds = clock.seconds
                save_checkpoint(self.work, step, model, trainable, optimizer, hooks, ledger)
            if stop.requested:
                break
        ledger.seconds = clock.seconds
        raise_if_stopped(stop, len(ledger.losses), steps)
        return ledger

    # -- parts of a step

    def _prepare(self) -> None:
        if self.config.gradient_checkpointing:
            self.model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
        if self.sharded:
            head_is_plain(self.model)  # it runs the sharded model, which all processes must do together
        torch.manual_seed(self.config.seed)
        # A DataLoader draws one number when it starts. Without this draw, a seed would give other dropout masks than
        # the same seed gives in transformers' Trainer.
        torch.empty((), dtype=torch.int64).random_()

    def _micro_batches(self, batch: Batch) -> Iterator[tuple[MicroBatch, float, Group]]:
        """The micro-batches of this process, on the model's device, with the weights of their losses and their rows."""
        for group, weight in self._groups(batch):
            if self.batches.packing:
                one = pack(group, self.model.dtype, segmented=self.batches.segmented)
            else:
                one = pad(group, self.pad_id)
            yield one.to(self.model.device), weight, group

    def _groups(self, batch: Batch) -> list[tuple[Group, float]]:
        if world_size() < 2:
            return [(group, 1.0) for group in batch.micro_batches]
        examples = [example for group in batch.micro_batches for example in group]
        shards = [shard_of_batch(examples, i, world_size()) for i in range(world_size())]
        groups = [self.batches.micro_batches(s) if s else () for s in shards]
        local = [(group, 1.0) for group in groups[rank()]]
        # Processes gather a sharded base together, so all must run as many passes: those without data have weight 0.
        missing = max(map(len, groups)) - len(local) if self.sharded else 0
        return local + [(tuple(examples[:1]), 0.0)] * missing

    def _report(self, progress: Progress, stop: StopRequest) -> bool:
        """Report the step; return whether any process must stop, so that all stop after the same step."""
        try:
            for callback in self.callbacks:
                callback(progress)
        except KeyboardInterrupt:
            stop.requested = True
        return any_process(stop.requested, self.model.device)


class _Clock:
    """Seconds of training, also before the run was resumed, and the pace since then."""

    def __init__(self, done: int, steps: int, ledger: Ledger) -> None:
        self._began = time.perf_counter()
        self._done, self._steps, self._ledger = done, steps, ledger
        self._seconds_before, self._tokens_before = ledger.seconds, ledger.tokens

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._began

    def progress(self, step: int, loss: float, rate: float) -> Progress:
        seconds = time.perf_counter() - self._began
        return Progress(
            step=step,
            steps=self._steps,
            loss=loss,
            learning_rate=rate,
            tokens_per_second=(self._ledger.tokens - self._tokens_before) / seconds,
            seconds_left=seconds / (step - self._done) * (self._steps - step),
        )


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as e:
        raise MachineError(
            "the GPU's memory is full",
            next_step="lower max_tokens_per_pass, set gradient_checkpointing=true, or quantization=nf4",
        ) from e
