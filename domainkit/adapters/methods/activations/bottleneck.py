"""Bottleneck adapters: small networks in each block (Houlsby et al., arXiv 1902.00751; Pfeiffer et al., arXiv
2005.00247; parallel, He et al., arXiv 2110.04366)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import NativeAdaptation, PeftConfigDict, Width

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.adapter_module import AdapterModule


class BottleneckAdapter(NativeAdaptation):
    """Bottleneck adapters (arXiv 1902.00751): y + U f(Dx) behind attention and feed-forward, behind the latter only, or
    beside it."""

    why_not_mergeable = "adds non-linear layers, which no weight of the base can hold"
    published_rates = (3e-5, 3e-3)
    default_rate = (3e-4, "LLM-Adapters' rate for 6B and 7B (arXiv 2304.01933, its commands)")
    default_rate_small = (1e-3, "within Houlsby's sweep of 3e-5 to 3e-3 for BERT (arXiv 1902.00751, section 3.2)")

    kind: Literal["bottleneck"] = "bottleneck"
    placement: Literal["houlsby", "pfeiffer", "parallel"] = "pfeiffer"
    """houlsby: behind attention and feed-forward (arXiv 1902.00751); pfeiffer: behind feed-forward, half the weights at
    like accuracy (arXiv 2005.00247); parallel: beside feed-forward (arXiv 2110.04366)."""
    size: Width = 64
    """Width of the bottleneck; with 64 everywhere GLUE lost 0.4 points against the best of each task (arXiv 1902.00751,
    section 3.2)."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    """The function between the two projections."""
    scale: float | None = Field(None, gt=0)
    """Factor of what is added; left out, 4 for parallel (arXiv 2110.04366) and 1 otherwise."""

    @classmethod
    def mixes_in_batch(cls, config: PeftConfigDict) -> bool:
        """Hooks change the adapter's own rows only."""
        return True

    def build(self, model: PreTrainedModel) -> AdapterModule:
        from domainkit.adapters.methods.activations.bottleneck_layers import Bottlenecks

        scale = self.scale or (4.0 if self.placement == "parallel" else 1.0)
        return Bottlenecks(model, placement=self.placement, size=self.size, activation=self.activation, scale=scale)
