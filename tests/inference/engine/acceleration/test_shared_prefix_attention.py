"""Shared-prefix attention: rows that continue one stored prefix get the attention over prefix and own columns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from domainkit.inference.engine.acceleration import ALL_OFF, Acceleration
from domainkit.inference.engine.acceleration.shared_prefix_attention import (
    SharedPrefix,
    SharedPrefixAttention,
)
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask

CPU = torch.device("cpu")
HEADS, WIDTH = 2, 8


def prefix(tokens: int, seed: int) -> SharedPrefix:
    torch.manual_seed(seed)
    # The state is one column longer than the prefix, which must not be read.
    return SharedPrefix(
        [(torch.randn(HEADS, tokens + 1, WIDTH), torch.randn(HEADS, tokens + 1, WIDTH))], tokens, tokens
    )


@pytest.mark.parametrize("length", [1, 3])
def test_same_numbers_as_attention_over_prefix_and_rest(length: int) -> None:
    first, second = prefix(12, 1), prefix(7, 2)
    prefixes = [first, None, second, first]
    query, key, value = (torch.randn(4, HEADS, n, WIDTH) for n in (length, 5, 5))
    mask = torch.zeros(4, 1, length, 5).masked_fill_(torch.rand(4, 1, length, 5) < 0.4, -1e30)
    mask[..., 0] = 0
    output = SharedPrefixAttention(prefixes, CPU).attend(0, query, key, value, mask, 0.3)
    for i, shared in enumerate(prefixes):
        keys, values, row_mask = key[i], value[i], mask[i]
        if shared is not None:
            k, v = shared.state[0]
            keys, values = torch.cat([k[:, : shared.columns], keys], 1), torch.cat([v[:, : shared.columns], values], 1)
            row_mask = torch.cat([torch.zeros(1, length, shared.columns), row_mask], 2)
        expected = scaled_dot_product_attention(query[i], keys, values, attn_mask=row_mask, scale=0.3)
        torch.testing.assert_close(output[i], expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(params=["all", "shared_prefix_attention", "grouped_attention", "none"])
def engine(tiny_base: str, request: pytest.FixtureRequest) -> Iterator[LocalBackend]:
    """With all accelerations, without the named one, and without any."""
    off = {} if request.param == "all" else {request.param: False}
    acceleration = ALL_OFF if request.param == "none" else Acceleration(**off)
    backend = LocalBackend(tiny_base, None, "none", "cpu", acceleration=acceleration)
    yield backend
    backend.close()


def test_same_texts_with_and_without(
    backend: LocalBackend, engine: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainkit.inference.engine.kv_cache.MIN_COLUMNS_SAVED", 1)
    requests = [ask("the same beginning of all the questions, " * 3 + str(i), max_tokens=8) for i in range(4)]
    alone = [backend.complete([request])[0].text for request in requests]
    assert [answer.text for answer in engine.complete(requests)] == alone
