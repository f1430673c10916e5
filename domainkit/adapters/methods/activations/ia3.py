"""(IA)³: learnt factors on keys, values and the inner activations of feed-forward layers (arXiv 2205.05638)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from domainkit.adapters.adaptation import Adaptation, target_modules, wrap

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Ia3(Adaptation):
    """(IA)³ (arXiv 2205.05638): one learnt factor per feature of keys, values and feed-forward activations; the fewest
    weights of all."""

    published_rates = (1e-3, 5e-3)
    # Far above LoRA's: factors near 1 have to move.
    default_rate = (5e-3, "PEFT's method comparison; the paper's 3e-3 (arXiv 2205.05638) is near")
    works_for_preferences = True

    kind: Literal["ia3"] = "ia3"
    target: tuple[str, ...] | None = None
    """Ends of the names of the layers to scale; left out, keys, values and the feed-forward output, as in the paper."""
    feedforward: tuple[str, ...] | None = None
    """Those of `target` whose inputs are scaled instead of outputs; needed only with `target`."""

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import IA3Config

        options: dict[str, Any] = {} if self.target is None else {"feedforward_modules": list(self.feedforward or ())}
        return wrap(model, IA3Config(target_modules=target_modules(self.target), **options))
