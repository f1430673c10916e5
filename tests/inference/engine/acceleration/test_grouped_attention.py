"""Grouped attention: the same numbers as transformers' attention, for every kind of mask and length."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from domainkit.inference.engine.acceleration import ALL_OFF, Acceleration
from domainkit.inference.engine.acceleration import grouped_attention as grouped
from domainkit.inference.engine.acceleration.grouped_attention import ATTENTION, EngineAttention, attention


class Layer(torch.nn.Module):
    num_key_value_groups = 3
    is_causal = True
    layer_idx = 0


@pytest.fixture
def engine(tiny_base: str) -> EngineAttention:
    return EngineAttention(AutoModelForCausalLM.from_pretrained(tiny_base), Acceleration())


def inputs(length: int, heads: int = 6) -> tuple[torch.Tensor, ...]:
    """query (4, heads, length, 8), key and value (4, 2, 20, 8), additive mask (4, 1, length, 20)."""
    torch.manual_seed(length)
    query, key, value = torch.randn(4, heads, length, 8), torch.randn(4, 2, 20, 8), torch.randn(4, 2, 20, 8)
    hidden = torch.arange(20) > torch.randint(5, 20, (4, 1, length, 1))
    return query, key, value, torch.zeros(4, 1, length, 20).masked_fill_(hidden, torch.finfo(torch.float32).min)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_same_numbers_as_sdpa(engine: EngineAttention, length: int) -> None:
    query, key, value, mask = inputs(length)
    expected, _ = sdpa_attention_forward(Layer(), query, key, value, mask, scaling=0.3)
    with engine.one_pass([None] * 4):
        for _ in range(2):  # the second layer finds the mask expanded already
            output, _ = attention(Layer(), query, key, value, mask, scaling=0.3)
            assert output.shape == expected.shape == (4, length, 6, 8)
            torch.testing.assert_close(output, expected)


def test_falls_back_on_sdpa_without_a_mask_and_with_a_mask_per_head(engine: EngineAttention) -> None:
    query, key, value, mask = inputs(20)
    with engine.one_pass([None] * 4):
        for fallback in (None, mask.expand(-1, 6, -1, -1).contiguous()):
            expected, _ = sdpa_attention_forward(Layer(), query, key, value, fallback)
            assert torch.equal(attention(Layer(), query, key, value, fallback)[0], expected)


def test_is_sdpa_itself_outside_of_passes_and_when_switched_off(
    engine: EngineAttention, tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, key, value, mask = inputs(7)
    expected, _ = sdpa_attention_forward(Layer(), query, key, value, mask)
    monkeypatch.setattr(grouped, "scaled_dot_product_attention", None)
    assert torch.equal(attention(Layer(), query, key, value, mask)[0], expected)
    off = EngineAttention(AutoModelForCausalLM.from_pretrained(tiny_base), Acceleration(grouped_attention=False))
    with off.one_pass([None] * 4):
        assert torch.equal(attention(Layer(), query, key, value, mask)[0], expected)


def test_each_pass_has_its_own_masks(engine: EngineAttention) -> None:
    query, key, value, mask = inputs(7)
    for change in (0.0, -1.0):  # the same tensor with other numbers in the next pass
        mask[..., 0] = change
        with engine.one_pass([None] * 4):
            output, _ = attention(Layer(), query, key, value, mask)
        torch.testing.assert_close(output, sdpa_attention_forward(Layer(), query, key, value, mask)[0])


def test_the_model_gets_its_own_attention_back(tiny_base: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    config = model.config
    assert config.num_key_value_heads < config.num_attention_heads, "the tiny base has groups of query heads"
    engine = EngineAttention(model, Acceleration())
    assert config._attn_implementation == ATTENTION
    engine.close()
    assert config._attn_implementation == "sdpa"
    EngineAttention(model, ALL_OFF)
    assert config._attn_implementation == "sdpa"


def test_another_attention_than_sdpa_stays(tiny_base: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    model.set_attn_implementation("eager")
    engine = EngineAttention(model, Acceleration())
    assert not engine.shares_prefixes
    engine.close()
    assert model.config._attn_implementation == "eager"
