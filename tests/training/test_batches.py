"""Packed rows, shared prefixes and split batches give the losses and gradients of separate rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import load_base
from domainkit.training.batches import Batches, common_prefix, pack, pad, split, use_segments, why_not_pack
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.heldout import measure_held_out
from domainkit.training.objectives import supervised
from domainkit.training.objectives.supervised import supervised_loss
from tests.inference.engine.tiny_models import BOUNDARY, build_longrope, some_tokens


@pytest.fixture(scope="module")
def model(tiny_base: str) -> Any:
    base = load_base(tiny_base, quantization="none")
    torch.manual_seed(1)
    return with_lora(base.model)


def with_lora(base: Any) -> Any:
    model = attach(parse_method("lora", {"rank": 4}), base)
    for name, p in model.named_parameters():
        if "lora_B" in name:  # zero at first, which would leave A without a gradient to compare
            torch.nn.init.normal_(p, std=0.1)
    return model


def gradients(model: Any, losses: list[torch.Tensor]) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    for loss in losses:
        loss.backward()
    return float(sum(x.detach() for x in losses)), {
        n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad
    }


def same(model: Any, ours: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    loss, found = gradients(model, ours)
    loss_wanted, grads = gradients(model, wanted)
    assert loss == pytest.approx(loss_wanted, rel=1e-5)
    for name, grad in grads.items():
        assert grad.abs().max() > 0
        assert (found[name] - grad).abs().max() <= 1e-5 * max(1.0, float(grad.abs().max())), name


def reference(model: Any, example: TokenizedExample) -> torch.Tensor:
    """The loss as transformers computes it, alone and with full logits."""
    labels = [-100] * example.start + list(example.ids[example.start :])
    output = model(input_ids=torch.tensor([example.ids]), labels=torch.tensor([labels]), use_cache=False)
    return output.loss * example.supervised


PREFIX = (1, 40, 41, 42, 43)
CASES = {
    "no prefix": [
        TokenizedExample((1, 9, 8, 7, 2), 3, ""),
        TokenizedExample((3, 9, 30, 2), 2, ""),
        TokenizedExample((60, 61, 62, 63, 64, 65, 2), 5, ""),
    ],
    "shared prefix": [
        TokenizedExample((*PREFIX, 50, 2), 5, ""),
        TokenizedExample((*PREFIX, 51, 52, 53, 2), 7, ""),
        TokenizedExample((*PREFIX, 99, 2), 6, ""),
    ],
    "one is the prefix": [
        TokenizedExample((*PREFIX, 2), 5, ""),
        TokenizedExample((*PREFIX, 51, 52, 2), 6, ""),
        TokenizedExample((*PREFIX, 2), 5, ""),
    ],
    "learns within the prefix": [
        TokenizedExample((*PREFIX, 51, 2), 2, ""),
        TokenizedExample((*PREFIX, 51, 52, 2), 3, ""),
    ],
    "one alone": [TokenizedExample((*PREFIX, 51, 2), 5, "")],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("how", ["packed", "segmented", "padded", "chunked"])
def test_shared_rows_equal_separate_rows(model: Any, case: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = CASES[case]
    one = pad(examples, pad_id=2) if how == "padded" else pack(examples, torch.float32, segmented=how == "segmented")
    wanted = [reference(model, e) for e in examples]
    if how == "chunked":
        monkeypatch.setattr(supervised, "CHUNK", 2)
    if how == "segmented":
        assert use_segments(model.get_base_model())
    try:
        same(model, [supervised_loss(model, one)], wanted)
    finally:
        model.get_base_model().set_attn_implementation("sdpa")


def test_eager_attention_takes_the_packed_mask_too(model: Any) -> None:
    examples = CASES["shared prefix"]
    wanted = [reference(model, e) for e in examples]
    model.get_base_model().set_attn_implementation("eager")
    try:
        same(model, [supervised_loss(model, pack(examples, torch.float32))], wanted)
    finally:
        model.get_base_model().set_attn_implementation("sdpa")


def test_a_split_batch_adds_up_to_the_whole(model: Any) -> None:
    examples = CASES["shared prefix"] + CASES["no prefix"]
    groups = split(examples, 8, packing=True)
    assert len(groups) > 2
    same(
        model,
        [supervised_loss(model, pack(g, torch.float32)) for g in groups],
        [supervised_loss(model, pack(examples, torch.float32))],
    )


@pytest.mark.parametrize(("packing", "rows"), [(True, [8, 8]), (False, [8, 8])], ids=["packed", "padded"])
def test_passes_of_one_batch_are_of_like_size(packing: bool, rows: list[int]) -> None:
    """Filled to the limit, they would hold 11 rows and 5: the memory of 11, and no pass less."""
    examples = [TokenizedExample((n, *range(9)), 3, "") for n in range(16)]
    assert [len(group) for group in split(examples, 115, packing=packing)] == rows


def test_the_prefix_is_computed_once() -> None:
    one = pack(CASES["shared prefix"], torch.float32)
    assert one.input_ids.tolist() == [[*PREFIX, 50, 51, 52, 53, 99]]
    assert one.position_ids.tolist() == [[0, 1, 2, 3, 4, 5, 5, 6, 7, 5]]
    assert one.targets.tolist() == [50, 2, 53, 2, 2]


examples_of = st.lists(
    st.tuples(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.integers(1, 11)).map(
        lambda t: TokenizedExample(tuple(t[0]), min(t[1], len(t[0]) - 1), "")
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(examples=examples_of, limit=st.integers(1, 40), packing=st.booleans())
def test_groups_hold_every_example_once_within_the_limit(
    examples: list[TokenizedExample], limit: int, packing: bool
) -> None:
    groups = split(examples, limit, packing=packing)
    assert Counter(r for g in groups for r in g) == Counter(examples)
    for group in groups:
        one = pack(group, torch.float32) if packing else pad(group, 0)
        assert one.input_ids.numel() <= limit or len(group) == 1
        assert len(one.targets) == sum(r.supervised for r in group)


@settings(max_examples=50, deadline=None)
@given(examples=examples_of)
def test_the_common_prefix_is_common_and_longest(examples: list[TokenizedExample]) -> None:
    n, inputs = common_prefix(examples), [r.ids[:-1] for r in examples]
    assert len({i[:n] for i in inputs}) == 1
    assert min(map(len, inputs)) == n or len({i[: n + 1] for i in inputs}) > 1


def test_a_model_that_ignores_segments_keeps_its_attention(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    base = model.get_base_model()
    monkeypatch.setattr(base.model, "forward", type(base.model).forward.__get__(base.model))
    real = base.model.forward
    monkeypatch.setattr(base.model, "forward", lambda segments=None, **kw: real(**{**kw, "position_ids": None}))
    assert not use_segments(base)
    assert base.config._attn_implementation == "sdpa"


def batches(seed: int = 0, epochs: float = 2) -> Batches:
    tokenized = [TokenizedExample((1, 5, i), 1, "") for i in range(10)]
    return Batches(tokenized, batch_size=4, epochs=epochs, seed=seed, max_tokens=99, packing=True)


def flat(found: Batches, steps: range) -> list[int]:
    return [r.ids[2] for k in steps for g in found[k].micro_batches for r in g]


def test_each_epoch_is_another_permutation_decided_by_the_seed() -> None:
    found = batches()
    assert len(found) == 6
    assert sorted(flat(found, range(3))) == sorted(flat(found, range(3, 6))) == list(range(10))
    assert flat(found, range(3)) != flat(found, range(3, 6))
    assert flat(found, range(6)) == flat(batches(), range(6))
    assert flat(found, range(6)) != flat(batches(seed=1), range(6))
    assert len(batches(epochs=0.1)) == 1


def test_packing_is_tried_before_it_is_trusted(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = CASES["no prefix"]
    assert why_not_pack(model, rows) is None
    monkeypatch.setattr(model.config, "sliding_window", 4, raising=False)
    assert why_not_pack(model, rows) == "some examples are longer than the model's attention window of 4 tokens"
    monkeypatch.undo()
    # A model without explicit masks and positions leaks one example into the next.
    forward = type(model).forward
    monkeypatch.setattr(
        type(model), "forward", lambda self, attention_mask=None, position_ids=None, **kw: forward(self, **kw)
    )
    assert "change when examples share a row" in str(why_not_pack(model, rows))


@pytest.mark.parametrize("packing", [True, False])
def test_rows_on_both_sides_of_a_rope_boundary_are_computed_as_alone(packing: bool) -> None:
    """LongRoPE: the frequencies of a pass are those of its longest row."""
    model = with_lora(build_longrope())
    examples = [TokenizedExample(tuple(some_tokens(n, n)), 2, "") for n in (5, 30, BOUNDARY, BOUNDARY + 2, 90)]
    wanted = [reference(model, e) for e in examples]
    groups = split(examples, 400, packing=packing, boundary=BOUNDARY)
    assert [[len(e.ids) for e in group] for group in groups] == [[90, BOUNDARY + 2], [BOUNDARY, 30, 5]]
    passes = [pack(g, torch.float32) if packing else pad(g, pad_id=2) for g in groups]
    same(model, [supervised_loss(model, one) for one in passes], wanted)
    total = sum(e.supervised for e in examples)
    alone = sum(float(measure_held_out(model, [e], 2).nll) * e.supervised for e in examples) / total
    assert measure_held_out(model, examples, 2, max_tokens=400).nll == pytest.approx(alone, abs=1e-5)
    inputs = [TokenizedExample((3,) * n, 1, "") for n in (BOUNDARY + 1, BOUNDARY + 2)]
    assert len(split(inputs, 400, packing=packing, boundary=BOUNDARY)) == 2, "the last token is no input"
