"""Grouped-query attention without copies: transformers' own numbers, for every kind of mask and length."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from domainkit.inference.engine.acceleration.grouped_attention import GROUPED, grouped_attention, use_grouped
from domainkit.inference.engine.model_runner import make_runner


class Layer(torch.nn.Module):
    num_key_value_groups = 3
    is_causal = True


def parts(length: int, heads: int = 6) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(length)
    query, key, value = torch.randn(4, heads, length, 8), torch.randn(4, 2, 20, 8), torch.randn(4, 2, 20, 8)
    hidden = torch.arange(20) > torch.randint(5, 20, (4, 1, length, 1))
    return query, key, value, torch.zeros(4, 1, length, 20).masked_fill_(hidden, torch.finfo(torch.float32).min)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_the_numbers_are_those_of_sdpa(length: int) -> None:
    query, key, value, mask = parts(length)
    for _ in range(2):  # the second layer finds the mask laid already
        wanted, _ = sdpa_attention_forward(Layer(), query, key, value, mask, scaling=0.3)
        found, _ = grouped_attention(Layer(), query, key, value, mask, scaling=0.3)
        assert found.shape == wanted.shape == (4, length, 6, 8)
        torch.testing.assert_close(found, wanted)


def test_without_a_mask_or_with_one_for_each_head_it_is_sdpa_itself() -> None:
    query, key, value, mask = parts(20)
    for given in (None, mask.expand(-1, 6, -1, -1).contiguous()):
        wanted, _ = sdpa_attention_forward(Layer(), query, key, value, given)
        assert torch.equal(grouped_attention(Layer(), query, key, value, given)[0], wanted)


def test_a_runner_takes_it_up_and_gives_it_back(tiny_base: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    config = model.config
    assert config.num_key_value_heads < config.num_attention_heads, "the tiny base shares key heads"
    runner, slow = make_runner(model, list(range(5, 13)))
    assert slow is None
    assert config._attn_implementation == GROUPED
    runner.close()  # type: ignore[union-attr]
    assert config._attn_implementation == "sdpa"
    model.set_attn_implementation("eager")
    assert not use_grouped(model), "what somebody chose is left as it is"
