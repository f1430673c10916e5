"""Direct passes: a few tokens of one sequence through a Llama-type decoder, in one loop over its weights.

The operations and their order are those of transformers' modules, so the logits have the same bits. What is saved is
the Python around the operations, which takes a third of the time of a pass of one token.

It pays in benchmarks/llama_cpp/single_stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import is_
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from domainkit.inference.engine.acceleration.grouped_attention import ATTENTION
from domainkit.inference.engine.acceleration.small_batch_linear import MIN_TOKENS, SmallBatchLinear

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.inference.engine.kv_cache import KVCache

MAX_TOKENS = MIN_TOKENS - 1
"""Of a direct pass. In longer ones the arithmetic counts, and linear layers have a form of their own."""
KINDS = ("Llama", "Mistral", "Qwen2")
"""Families of decoders whose blocks compute alike."""

SILU = ("torch.nn.modules.activation.SiLU", "transformers.activations.SiLUActivation")
LINEAR = ("torch.nn.modules.linear.Linear", f"{SmallBatchLinear.__module__}.{SmallBatchLinear.__qualname__}")

Part = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Block:
    """What one block computes with."""

    norm: Part
    query: Part
    key: Part
    value: Part
    output: Part
    norm_before_mlp: Part
    gate: Part
    activation: Part
    up: Part
    down: Part
    head_width: int
    scale: float


class DirectPasses:
    """Direct passes over one model, whose layers adapters may change between passes."""

    def __init__(self, model: PreTrainedModel) -> None:
        decoder: Any = model.get_decoder()
        self._model, self._decoder = model, decoder
        kind = next((kind for kind in KINDS if _name_of(decoder) == f"{_family(kind)}Model"), None)
        # On a GPU, no benchmark shows that it pays. In half precision, torch's norm rounds in other places.
        fits = kind is not None and model.device.type == "cpu" and model.dtype == torch.float32
        self.kind = kind if fits and model.config._attn_implementation in (ATTENTION, "sdpa") else None
        """None: all passes go through transformers' modules."""
        self._layout = _Layout()
        self._blocks: list[Block] | None = None
        self._norm: Part = decoder

    def prepare(self) -> bool:
        """Whether the next pass may be direct: no adapter is around, or replaces, a module that the loop leaves out."""
        if self.kind is None:
            return False
        if not self._layout.holds():
            self._read_layout(self.kind)
        return self._blocks is not None

    def _read_layout(self, kind: str) -> None:
        self._layout = layout = _Layout()
        layers = list(self._decoder.layers)
        family = _family(kind)
        plain = all(
            layout.is_plain(layer, f"{family}DecoderLayer")
            and layout.is_plain(layout.child(layer, "self_attn"), f"{family}Attention")
            and layout.is_plain(layout.child(layer, "mlp"), f"{family}MLP")
            for layer in layers
        )
        self._blocks = [self._block(layer, layout, kind) for layer in layers] if plain else None
        self._norm = _norm(self._decoder, "norm", layout, kind)
        if not plain:  # look again before the next pass
            self._layout = _Layout()

    def _block(self, layer: Any, layout: _Layout, kind: str) -> Block:
        attention, mlp = layer.self_attn, layer.mlp
        activation = layout.child(mlp, "act_fn")
        return Block(
            norm=_norm(layer, "input_layernorm", layout, kind),
            query=_linear(attention, "q_proj", layout),
            key=_linear(attention, "k_proj", layout),
            value=_linear(attention, "v_proj", layout),
            output=_linear(attention, "o_proj", layout),
            norm_before_mlp=_norm(layer, "post_attention_layernorm", layout, kind),
            gate=_linear(mlp, "gate_proj", layout),
            activation=silu if layout.is_plain(activation, *SILU) else activation,
            up=_linear(mlp, "up_proj", layout),
            down=_linear(mlp, "down_proj", layout),
            head_width=attention.head_dim,
            scale=attention.scaling,
        )

    def logits(
        self, ids: torch.Tensor, mask: torch.Tensor | None, positions: torch.Tensor, cache: KVCache, n_wanted: int
    ) -> torch.Tensor:
        """Logits (1, wanted, vocabulary) of the last tokens; keys and values go to the row that `cache` has selected.

        `ids` and `positions` are long (1, chunk), `mask` is additive (1, 1, chunk, columns); None for a single token.
        """
        assert self._blocks is not None
        decoder: Any = self._decoder
        if mask is not None:  # once for each query head of a group
            mask = mask.repeat(1, 1, decoder.config.num_attention_heads // decoder.config.num_key_value_heads, 1)
        hidden = decoder.embed_tokens(ids)
        cos, sin = (t[0, :, None] for t in decoder.rotary_emb(hidden, position_ids=positions))  # (chunk, 1, width)
        # With the first half of the sine negated, rotating the halves is a roll.
        sin = torch.cat([-sin[..., : sin.shape[-1] // 2], sin[..., sin.shape[-1] // 2 :]], -1)
        for number, block in enumerate(self._blocks):
            attended = _attend(block, block.norm(hidden), cos, sin, mask, cache, number)
            hidden = hidden + block.output(attended)
            normed = block.norm_before_mlp(hidden)
            hidden = hidden + block.down(block.activation(block.gate(normed)) * block.up(normed))
        head: Any = self._model.get_output_embeddings()
        return head(self._norm(hidden)[:, -n_wanted:])


def _attend(
    block: Block,
    hidden: torch.Tensor,
    cos: torch.Tensor,
    sin: torch.Tensor,
    mask: torch.Tensor | None,
    cache: KVCache,
    number: int,
) -> torch.Tensor:
    """Attention (1, chunk, heads · width) of the normalised `hidden` (1, chunk, hidden)."""
    n_tokens, width = hidden.shape[1], block.head_width
    query, key = block.query(hidden), block.key(hidden)
    n_heads = query.shape[-1] // width
    both = torch.cat([query, key], -1).view(n_tokens, -1, width)
    both = (both * cos).add_(both.roll(width // 2, -1).mul_(sin)).transpose(0, 1)  # (heads + key heads, chunk, width)
    value = block.value(hidden).view(n_tokens, -1, width).transpose(0, 1)
    keys, values = cache.update(both[None, n_heads:], value[None], number)
    # The query heads of a group are more queries of one head, as in grouped_attention.py.
    queries = both[:n_heads].reshape(1, keys.shape[1], -1, width)  # (1, K, H / K · chunk, width)
    output = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=block.scale)
    return output.view(n_heads, n_tokens, -1).transpose(0, 1).reshape(1, n_tokens, -1)


class _Layout:
    """What a plan relies on: children and weights that are in their places, and modules without hooks."""

    def __init__(self) -> None:
        self._places: list[dict[str, object]] = []
        self._names: list[str] = []
        self._objects: list[object] = []
        self._hooks: list[object] = []

    def holds(self) -> bool:
        """Whether nothing has changed since. Some thousand comparisons, in a tenth of a millisecond."""
        here = map(dict.get, self._places, self._names)
        return bool(self._places) and all(map(is_, here, self._objects)) and not any(self._hooks)

    def child(self, module: torch.nn.Module, name: str) -> Any:
        self._expect(module._modules, name)
        return module._modules[name]

    def weight(self, module: torch.nn.Module, name: str) -> Any:
        self._expect(module._parameters, name)
        return module._parameters[name]

    def _expect(self, place: Any, name: str) -> None:
        self._places.append(place)
        self._names.append(name)
        self._objects.append(place[name])

    def is_plain(self, module: torch.nn.Module, *types: str) -> bool:
        """Whether it is a module of one of these types, by their full names, and without hooks."""
        hooks = [module._forward_hooks, module._forward_pre_hooks]
        if _name_of(module) not in types or any(hooks):
            return False
        self._hooks += hooks
        return True


def _name_of(module: torch.nn.Module) -> str:
    """The full name of its type: other libraries' layers have the same short names."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def _family(kind: str) -> str:
    """The beginning of the full names of a family's modules."""
    return f"transformers.models.{kind.lower()}.modeling_{kind.lower()}.{kind}"


def _linear(parent: torch.nn.Module, name: str, layout: _Layout) -> Part:
    """The product of a plain linear layer. Another layer, as of an adapter, is called as the module it is."""
    layer: Any = layout.child(parent, name)
    if not layout.is_plain(layer, *LINEAR):
        return layer
    return partial(linear, weight=layout.weight(layer, "weight"), bias=layout.weight(layer, "bias"))


def _norm(parent: torch.nn.Module, name: str, layout: _Layout, kind: str) -> Part:
    norm: Any = layout.child(parent, name)
    if not layout.is_plain(norm, f"{_family(kind)}RMSNorm"):
        return norm
    weight = layout.weight(norm, "weight")
    return partial(torch.rms_norm, normalized_shape=weight.shape, weight=weight, eps=norm.variance_epsilon)
