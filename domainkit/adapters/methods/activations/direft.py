"""DiReFT: LoReFT without orthonormal rows and without the difference (arXiv 2404.03592, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from domainkit.adapters.methods.activations.loreft import Reft

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.adapter_module import AdapterModule


class DiReft(Reft):
    """DiReFT (arXiv 2404.03592): h + Uᵀ(Wh + b) at the positions of LoReFT; cheaper steps, a little less accurate in
    the paper."""

    kind: Literal["direft"] = "direft"

    def build(self, model: PreTrainedModel) -> AdapterModule:
        from domainkit.adapters.methods.activations.reft_layers import Direft, Interventions

        options = {name: getattr(self, name) for name in ("rank", "first", "last", "tied", "layers")}
        return Interventions(model, Direft, **options)
