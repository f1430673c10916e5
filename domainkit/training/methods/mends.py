"""Two places in PEFT 0.21 that keep a method from bases it works on; mended when such a method is attached or loaded."""

from __future__ import annotations

from typing import Any


def mend_peft() -> None:
    """Make LoHa and LoKr work on packed 4-bit layers, and BOFT without a compiler. Idempotent; other layers stay PEFT's own."""
    _mend_shapes()
    _mend_butterfly()


# ---- LoHa, LoKr: PEFT gives their difference the shape of the stored bytes instead of the layer's ------------------------


def _mend_shapes() -> None:
    from peft.tuners.loha.layer import Linear as LohaLinear
    from peft.tuners.lokr.layer import Linear as LokrLinear

    if getattr(LohaLinear, "_domainkit_mended", False):
        return
    made = LohaLinear.create_adapter_parameters

    def create_adapter_parameters(self: Any, adapter_name: str, r: int, shape: tuple[int, ...]) -> None:
        made(self, adapter_name, r, _shape(self) if len(shape) == 2 else shape)

    LohaLinear.create_adapter_parameters = create_adapter_parameters  # type: ignore[method-assign]
    LohaLinear.get_delta_weight = _unpacked(LohaLinear.get_delta_weight, _loha)  # type: ignore[method-assign]
    LokrLinear.get_delta_weight = _unpacked(LokrLinear.get_delta_weight, _lokr)  # type: ignore[method-assign]
    LohaLinear._domainkit_mended = True  # type: ignore[attr-defined]


def _shape(layer: Any) -> tuple[int, int]:
    base = layer.get_base_layer()
    return base.out_features, base.in_features


def _unpacked(own: Any, delta: Any) -> Any:
    """PEFT's `get_delta_weight`, and `delta` for packed layers."""

    def get_delta_weight(self: Any, adapter_name: str, *, apply_rank_dropout: bool = False) -> Any:
        if tuple(self.get_base_layer().weight.shape) == _shape(self):
            return own(self, adapter_name, apply_rank_dropout=apply_rank_dropout)
        return delta(self, adapter_name)

    return get_delta_weight


def _loha(layer: Any, name: str) -> Any:
    import torch
    from peft.tuners.loha.layer import make_weight

    parts = (layer.hada_w1_a[name], layer.hada_w1_b[name], layer.hada_w2_a[name], layer.hada_w2_b[name])
    return make_weight(*parts, torch.tensor(layer.scaling[name]))


def _lokr(layer: Any, name: str) -> Any:
    from peft.tuners.lokr.layer import make_kron

    left = layer.lokr_w1[name] if name in layer.lokr_w1 else layer.lokr_w1_a[name] @ layer.lokr_w1_b[name]
    right = layer.lokr_w2[name] if name in layer.lokr_w2 else layer.lokr_w2_a[name] @ layer.lokr_w2_b[name]
    return make_kron(left, right, layer.scaling[name])


# ---- BOFT: PEFT compiles a CUDA extension, and without one drops all butterfly factors but the first ----------------------


class _BlockDiagonal:
    """What PEFT's extension does, in plain torch: blocks (N, D, H, H) to matrices (N, D·H, D·H), and gradients back."""

    def forward(self, blocks: Any) -> tuple[Any]:
        n, d, h, _ = blocks.shape
        out = blocks.new_zeros(n, d, h, d, h)
        out.diagonal(dim1=1, dim2=3).copy_(blocks.permute(0, 2, 3, 1))
        return (out.view(n, d * h, d * h),)

    def backward(self, gradient: Any, blocks: Any) -> tuple[Any]:
        n, d, h, _ = blocks.shape
        whole = gradient.reshape(n, d, h, d, h)
        return (whole.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).contiguous(),)


def _mend_butterfly() -> None:
    from peft.tuners.boft import layer

    if layer._FBD_CUDA is None:
        layer._FBD_CUDA = _BlockDiagonal()  # type: ignore[assignment]


__all__ = ["mend_peft"]
