"""Monkey-patches for PEFT 0.21. Each says which bug it is for, how the bug shows, and when the patch can go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    import torch
    from peft import AdaLoraConfig
    from peft.tuners.loha.layer import LoHaLayer
    from peft.tuners.lokr.layer import LoKrLayer
    from peft.tuners.lycoris_utils import LycorisLayer
    from peft.tuners.tuners_utils import BaseTuner

L = TypeVar("L", bound="LycorisLayer")


def apply_peft_patches() -> None:
    """Patch PEFT, once per process; call it before an adapter of a patched method is attached or loaded."""
    _patch_packed_shapes()
    _patch_boft_kernel()
    _patch_boft_forward()
    _patch_ia3_output()
    _patch_adalora_ranks()
    _alias_renamed_property()


# ---- LoHa, LoKr on packed 4-bit layers -------------------------------------------------------------------------------
#
# Bug: the difference gets the shape of the stored bytes, (n, 1), instead of the layer's (out, in).
# Symptom: attaching LoHa or LoKr to an NF4 base fails, or its difference cannot be added.
# It can go when PEFT takes the shape from `out_features` and `in_features`.


def _patch_packed_shapes() -> None:
    from peft.tuners.loha.layer import Linear as LohaLinear
    from peft.tuners.lokr.layer import Linear as LokrLinear

    if getattr(LohaLinear, "_domainkit_patched", False):
        return
    original = LohaLinear.create_adapter_parameters

    def create_adapter_parameters(self: LoHaLayer, adapter_name: str, r: int, shape: tuple[int, ...]) -> None:
        original(self, adapter_name, r, _shape(self) if len(shape) == 2 else shape)

    LohaLinear.create_adapter_parameters = create_adapter_parameters  # type: ignore[method-assign]
    LohaLinear.get_delta_weight = _unpacked(LohaLinear.get_delta_weight, _loha)  # type: ignore[method-assign]
    LokrLinear.get_delta_weight = _unpacked(LokrLinear.get_delta_weight, _lokr)  # type: ignore[method-assign]
    LohaLinear._domainkit_patched = True  # type: ignore[attr-defined]


def _shape(layer: LycorisLayer) -> tuple[int, int]:
    base = cast("torch.nn.Linear", layer.get_base_layer())
    return base.out_features, base.in_features


def _unpacked(
    original: Callable[..., torch.Tensor], delta: Callable[[L, str], torch.Tensor]
) -> Callable[..., torch.Tensor]:
    """PEFT's `get_delta_weight`, and `delta` for packed layers."""

    def get_delta_weight(self: L, adapter_name: str, *, apply_rank_dropout: bool = False) -> torch.Tensor:
        if tuple(cast("torch.nn.Linear", self.get_base_layer()).weight.shape) == _shape(self):
            return original(self, adapter_name, apply_rank_dropout=apply_rank_dropout)
        return delta(self, adapter_name)

    return get_delta_weight


def _loha(layer: LoHaLayer, name: str) -> torch.Tensor:
    import torch
    from peft.tuners.loha.layer import make_weight

    parts = (layer.hada_w1_a[name], layer.hada_w1_b[name], layer.hada_w2_a[name], layer.hada_w2_b[name])
    return make_weight(*parts, torch.tensor(layer.scaling[name]))


def _lokr(layer: LoKrLayer, name: str) -> torch.Tensor:
    from peft.tuners.lokr.layer import make_kron

    left = layer.lokr_w1[name] if name in layer.lokr_w1 else layer.lokr_w1_a[name] @ layer.lokr_w1_b[name]
    right = layer.lokr_w2[name] if name in layer.lokr_w2 else layer.lokr_w2_a[name] @ layer.lokr_w2_b[name]
    return make_kron(left, right, layer.scaling[name])


# ---- BOFT without a CUDA compiler ------------------------------------------------------------------------------------
#
# Bug: PEFT compiles a CUDA extension, and without one drops all butterfly factors but the first.
# Symptom: a warning, and an adapter that is weaker than its options say.
# It can go when PEFT has a version in plain torch.


class _BlockDiagonal:
    """What PEFT's extension does, in plain torch: blocks (N, D, H, H) to matrices (N, D·H, D·H), and gradients back."""

    def forward(self, blocks: torch.Tensor) -> tuple[torch.Tensor]:
        n, d, h, _ = blocks.shape
        out = blocks.new_zeros(n, d, h, d, h)
        out.diagonal(dim1=1, dim2=3).copy_(blocks.permute(0, 2, 3, 1))
        return (out.view(n, d * h, d * h),)

    def backward(self, gradient: torch.Tensor, blocks: torch.Tensor) -> tuple[torch.Tensor]:
        n, d, h, _ = blocks.shape
        whole = gradient.reshape(n, d, h, d, h)
        return (whole.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).contiguous(),)


def _patch_boft_kernel() -> None:
    from peft.tuners.boft import layer

    if layer._FBD_CUDA is None:
        layer._FBD_CUDA = _BlockDiagonal()  # type: ignore[assignment]


# ---- BOFT's frozen rotations -----------------------------------------------------------------------------------------
#
# Bug: PEFT builds each layer's rotation, a product of dense matrices, in every pass, also when no weight changes.
# Symptom: a server spends most of its time on rotations.
# It can go when PEFT keeps the rotations of frozen layers.


def _patch_boft_forward() -> None:
    from peft.tuners.boft.layer import Linear

    from domainkit.adapters.methods.orthogonal.boft_layers import cached_forward

    Linear.forward = cached_forward  # type: ignore[method-assign]


# ---- (IA)³ on packed layers ------------------------------------------------------------------------------------------
#
# Bug: outside of autocast, the layers over 4-bit and 8-bit weights return float32 whatever they are given.
# Symptom: on a base in bfloat16, keys and values do not fit to queries or to the cache.
# It can go when PEFT converts the output back.


def _patch_ia3_output() -> None:
    from peft.tuners import ia3

    for name in ("Linear4bit", "Linear8bitLt"):
        layer = getattr(ia3, name, None)  # absent without bitsandbytes
        if layer is not None and not hasattr(layer, "_domainkit_patched"):
            layer.forward = _in_the_inputs_format(layer.forward)
            layer._domainkit_patched = True


def _in_the_inputs_format(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def forward(self: torch.nn.Module, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        return original(self, x, *args, **kwargs).to(x.dtype)

    return forward


# ---- AdaLoRA adapters that lost ranks --------------------------------------------------------------------------------
#
# Bug: PEFT reads AdaLoRA's `rank_pattern` (which ranks are left) as LoRA's (a rank per layer), and takes a layer that
# lost every
# rank for a damaged file.
# Symptom: warnings while a sound adapter loads.
# It can go when both checks know AdaLoRA.


def _patch_adalora_ranks() -> None:
    from peft.tuners.adalora import AdaLoraModel
    from peft.utils import save_and_load

    if getattr(AdaLoraModel, "_domainkit_patched", False):
        return
    original = AdaLoraModel.inject_adapter

    def inject_adapter(self: BaseTuner, model: torch.nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        config = cast("AdaLoraConfig", self.peft_config[adapter_name])
        ranks, config.rank_pattern = config.rank_pattern, None
        try:
            original(self, model, adapter_name, *args, **kwargs)
        finally:
            config.rank_pattern = ranks

    check = save_and_load._validate_lora_adapter_state_dict

    def without_singular_values(state: dict[str, torch.Tensor], **kwargs: Any) -> None:
        if not any("lora_E" in name for name in state):
            check(state, **kwargs)

    save_and_load._validate_lora_adapter_state_dict = without_singular_values  # type: ignore[assignment]
    AdaLoraModel.inject_adapter = inject_adapter  # type: ignore[method-assign]
    AdaLoraModel._domainkit_patched = True  # type: ignore[attr-defined]


# ---- A property that transformers 5 has renamed ----------------------------------------------------------------------
#
# Bug: PEFT reads the old name. Symptom: a FutureWarning for each adapter that loads.
# A warnings filter would change what all threads of the process see, so the old name becomes the new property.
# It can go when PEFT reads the new name.


def _alias_renamed_property() -> None:
    from transformers import PreTrainedModel

    renamed = getattr(PreTrainedModel, "is_activation_checkpointing", None)
    if renamed is not None:
        PreTrainedModel.is_gradient_checkpointing = renamed  # type: ignore[method-assign]
