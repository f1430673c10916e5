"""What the backward pass computes again gives the same gradients, and less is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from domainkit.adapters.methods import attach, parse_method
from domainkit.training.optimization.recomputed import gates_recomputed, recomputed

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel


def small(**options: object) -> AdaptedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 96, "num_attention_heads": 2, "num_key_value_heads": 1}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=64, num_hidden_layers=2, **sizes)).requires_grad_(False)
    return attach(parse_method("lora", {"rank": 2, **options}), base).train()


def passed(model: AdaptedModel) -> tuple[list[torch.Tensor], int]:
    """(the gradients, bytes that the backward pass kept)."""
    kept: dict[int, int] = {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        holders.append(tensor)
        return tensor

    holders: list[torch.Tensor] = []
    torch.manual_seed(1)
    ids = torch.arange(40)[None]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return gradients, sum(size for at, size in kept.items() if at not in weights)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}], ids=str)
def test_gradients_are_the_same_bit_for_bit_and_less_is_kept(options: dict[str, object]) -> None:
    model = small(**options)
    torch.nn.init.normal_(next(p for n, p in model.named_parameters() if "lora_B" in n))
    before, kept = passed(model)
    with gates_recomputed(model) as layers:
        after, less = passed(model)
    assert layers == 2
    assert before
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
    assert less < kept
    assert not [m for m in model.modules() if "forward" in vars(m)]  # all as it was


def test_a_layer_that_computes_something_else_is_left_alone() -> None:
    model = small()
    mlp = model.get_base_model().model.layers[0].mlp
    kind = type("Doubled", (type(mlp),), {"forward": lambda self, x: 2 * type(mlp).__mro__[1].forward(self, x)})
    mlp.__class__ = kind
    with gates_recomputed(model) as layers:
        assert layers == 1
    with gates_recomputed(GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=16, n_head=1, vocab_size=8))) as layers:
        assert layers == 0


def test_a_recomputed_part_keeps_its_inputs_alone() -> None:
    calls: list[int] = []

    def grow(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return x.repeat(100).exp().sum()

    x = torch.ones(3, requires_grad=True)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
        total = recomputed(grow, x)
    total.backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, 100 * torch.ones(3).exp())
    assert len(calls) == 2
    assert max(kept, default=0) <= 3
    with torch.no_grad():
        recomputed(grow, x)
    assert len(calls) == 3
