"""Multitask prompt tuning: one prompt for all tasks, changed by a low-rank factor for each (arXiv 2303.02861)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from pydantic import Field

from domainkit.adapters.adaptation import PeftConfigDict, Width
from domainkit.adapters.methods.virtual_tokens.prompt_learning import StartedFromWords, wrap_virtual

if TYPE_CHECKING:
    from peft import PeftModel, PromptLearningConfig
    from peft.tuners.multitask_prompt_tuning import MultitaskPromptEmbedding
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ForwardArguments
    from domainkit.adapters.micro_batch import MicroBatch


class MultitaskPromptTuning(StartedFromWords):
    """Multitask prompt tuning (arXiv 2303.02861): prompt of task t = P ⊙ uₜvₜᵀ, P shared by all tasks; rows name theirs
    with "task"."""

    published_rates = (1e-3, 0.3)
    # Prompt tuning's: the factors start at one.
    default_rate = (
        1e-3,
        "prompt tuning's in PEFT's method comparison; prompt tuning takes 0.3 on T5 (arXiv 2104.08691)",
    )

    kind: Literal["multitask_prompt_tuning"] = "multitask_prompt_tuning"
    tasks: tuple[str, ...] = Field(("default",), min_length=1)
    """Names of the tasks; each training row has one of them in its field "task"."""
    rank: Width = 1
    """Rank of a task's factor; 1 in the paper."""

    @classmethod
    def n_tasks(cls, config: PeftConfigDict) -> int:
        return int(config["num_tasks"])

    @classmethod
    def forward_arguments(cls, config: PromptLearningConfig, batch: MicroBatch) -> tuple[ForwardArguments, int]:
        """The number of each row's task is an input too."""
        inputs, shift = super().forward_arguments(config, batch)
        if batch.decoder_ids is not None:
            # PEFT 0.21 drops the decoder's ids here; from labels the base makes the same ids again.
            labels = inputs.pop("decoder_input_ids").new_full(batch.decoder_ids.shape, -100)
            labels[batch.rows, batch.columns] = batch.targets
            inputs["labels"] = labels
        return {**inputs, "task_ids": batch.tasks}, shift

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import MultitaskPromptTuningConfig

        config = MultitaskPromptTuningConfig(
            num_virtual_tokens=self.tokens, num_tasks=len(self.tasks), num_ranks=self.rank
        )
        wrapped = wrap_virtual(model, config)
        self.start(wrapped)
        self._start_factors(cast("MultitaskPromptEmbedding", wrapped.prompt_encoder["default"]))
        return wrapped

    def _start_factors(self, encoder: MultitaskPromptEmbedding) -> None:
        """Factors near one: every task starts from P. PEFT's near zero would leave virtual tokens without content."""
        import torch

        with torch.no_grad():
            encoder.prefix_task_cols.add_(1.0)
            encoder.prefix_task_rows.add_(1.0 / self.rank)

    def task_names(self) -> tuple[str, ...]:
        return self.tasks
