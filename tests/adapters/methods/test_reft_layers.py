"""LoReFT and DiReFT change the prompt's first and last positions, those only, wherever padding puts them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.methods.activations.reft_layers import Loreft, n_positions
from domainkit.adapters.tuned_model import TunedModel
from domainkit.errors import ConfigError
from domainkit.models.load import load_base

KINDS = ["loreft", "direft"]
PROMPT = torch.tensor([[1, *range(30, 54), 2]])


def adapted(base: str, kind: str = "loreft", seed: int = 0, **options: Any) -> TunedModel:
    """An adapter with random weights over the tiny base."""
    model = attach(parse_method(kind, options), load_base(base, quantization="none", purpose="infer").model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.tuning.weights().values():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


def streams(model: TunedModel, ids: torch.Tensor, **kwargs: Any) -> list[torch.Tensor]:
    """What the first block gives, without and with the adapter."""
    found: list[torch.Tensor] = []
    block = model.get_base_model().model.layers[0]
    with torch.no_grad():
        for disabled in (True, False):
            # Registered last, so that it sees what the adapter's hook returned.
            tuned = model.disable_adapter() if disabled else torch.no_grad()
            with tuned:
                handle = block.register_forward_hook(lambda m, a, out: found.append(out))
                model(ids, use_cache=False, **kwargs)
                handle.remove()
    return found


def test_the_change_is_the_papers(tiny_base: str) -> None:
    model = adapted(tiny_base, layers=(0,), first=2, last=3)
    before, after = streams(model, PROMPT)
    one: Any = model.tuning.layers["0"]["both"]
    r, w, b = one.rows().detach(), one.source.detach(), one.bias.detach()
    assert torch.allclose(r @ r.T, torch.eye(8), atol=1e-5)
    at = [0, 1, 23, 24, 25]
    h = before[0, at]
    assert torch.allclose(after[0, at], h + (h @ w.T + b - h @ r.T) @ r, rtol=1e-4, atol=1e-3)
    others = [i for i in range(26) if i not in at]
    assert torch.equal(before[0, others], after[0, others])


def test_untied_ends_are_changed_apart(tiny_base: str) -> None:
    model = adapted(tiny_base, "direft", layers=(0,), first=1, last=2, tied=False)
    before, after = streams(model, PROMPT)
    for part, at in (("first", [0]), ("last", [24, 25])):
        one: Any = model.tuning.layers["0"][part]
        h = before[0, at]
        assert torch.allclose(after[0, at], h + (h @ one.source.T + one.bias) @ one.up.T, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("prompt", "wanted"), [(40, (7, 7)), (14, (7, 7)), (9, (4, 4)), (2, (1, 1)), (1, (0, 0))])
def test_short_prompts_give_half_to_each_end(tiny_base: str, prompt: int, wanted: tuple[int, int]) -> None:
    assert n_positions(prompt, 7, 7) == wanted
    model = adapted(tiny_base, layers=(0,))
    before, after = streams(model, PROMPT[:, :1].repeat(1, prompt) + torch.arange(prompt))
    changed = (before != after).any(-1)[0].nonzero().flatten().tolist()
    assert changed == [*range(wanted[0]), *range(prompt - wanted[1], prompt)]


@pytest.mark.parametrize("kind", KINDS)
def test_left_padding_and_cached_steps_change_nothing(tiny_base: str, kind: str) -> None:
    model = adapted(tiny_base, kind).eval()
    options: dict[str, Any] = {"max_new_tokens": 8, "do_sample": False}
    short = PROMPT[:, :10]
    alone = [model.generate(input_ids=i, attention_mask=torch.ones_like(i), **options) for i in (PROMPT, short)]
    padded = torch.cat([torch.zeros(1, 16, dtype=torch.long), short], 1)
    together = model.generate(
        input_ids=torch.cat([PROMPT, padded]), attention_mask=torch.tensor([[1] * 26, [0] * 16 + [1] * 10]), **options
    )
    for found, wanted in zip(together, alone, strict=True):
        new = wanted.shape[1] - (26 if wanted is alone[0] else 10)
        assert found[26 : 26 + new].tolist() == wanted[0, -new:].tolist()
    # The same without a cache, with the prompt's end as an argument.
    ids = alone[0]
    with torch.no_grad():
        logits = model(ids, use_cache=False, prompt_ends=torch.tensor([26])).logits
    assert logits[0, 25:-1].argmax(-1).tolist() == ids[0, 26:].tolist()


def test_rows_stay_orthonormal_under_decay() -> None:
    torch.manual_seed(0)
    one = Loreft(64, 8)
    optimizer = torch.optim.AdamW(one.parameters(), lr=0.1, weight_decay=0.5)
    for _ in range(20):
        one(torch.randn(32, 64)).sub(1).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert torch.allclose(one.rows() @ one.rows().T, torch.eye(8), atol=1e-4)


def test_untied_parts_that_nothing_reads_are_left_out(tiny_base: str) -> None:
    base = load_base(tiny_base, quantization="none").model
    model = attach(parse_method("loreft", {"tied": False}), base)
    assert sorted({n.rpartition(".")[0] for n in model.tuning.weights()}) == [
        "layers.0.first",
        "layers.0.last",
        "layers.1.last",
    ]
    model.unload()
    with pytest.raises(ConfigError, match="only the prompt's last position has an effect"):
        attach(parse_method("loreft", {"layers": [1], "last": 0}), base)
