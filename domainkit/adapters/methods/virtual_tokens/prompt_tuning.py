"""Prompt tuning: learnt embeddings before the prompt, and nothing else (arXiv 2104.08691)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from domainkit.adapters.methods.virtual_tokens.prompt_learning import StartedFromWords, wrap_virtual

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class PromptTuning(StartedFromWords):
    """Prompt tuning (arXiv 2104.08691): learnt embeddings before the prompt; a few kilobytes, weak on small bases."""

    published_rates = (1e-3, 0.3)
    # The paper's 0.3 is for T5 and Adafactor.
    default_rate = (1e-3, "PEFT's method comparison, with a start from the vocabulary; 0.3 on T5 (arXiv 2104.08691)")

    kind: Literal["prompt_tuning"] = "prompt_tuning"

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import PromptTuningConfig

        wrapped = wrap_virtual(model, PromptTuningConfig(num_virtual_tokens=self.tokens))
        self.start(wrapped)
        return wrapped
