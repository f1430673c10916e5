"""Measurements on held-out text count supervised tokens, and say how much of the tune is kept."""

from __future__ import annotations

import pytest
import torch

from domainkit.models.load import load_base
from domainkit.training.examples_to_ids import tokenize_examples
from domainkit.training.heldout import HeldOutScore, compare_held_out, measure_held_out
from tests.training.small_runs import row

HELD_OUT = [row(f"{word} q", word) for word in ("red", "blue")]


def measured(nll: float, *choices: int) -> HeldOutScore:
    return HeldOutScore(nll, torch.tensor(choices))


@pytest.mark.parametrize(
    ("merged", "kept", "holds"),
    [(2.387, 1.0, True), (2.982, 0.847, False), (6.253, 0.006, False), (7.0, -0.186, False)],
)
def test_kept_is_the_share_of_the_gain(merged: float, kept: float, holds: bool) -> None:
    proof = compare_held_out("x", measured(6.277, 0, 0), measured(2.387, 1, 2), measured(merged, 1, 2), 1)
    assert proof.kept == pytest.approx(kept, abs=1e-3)
    assert proof.holds(0.9) is holds


def test_without_a_gain_both_must_say_the_same() -> None:
    same = compare_held_out("x", measured(2.0, 1, 2), measured(2.0, 1, 2), measured(2.01, 1, 2), 1)
    other = compare_held_out("x", measured(2.0, 1, 2), measured(2.0, 1, 2), measured(2.01, 3, 4), 1)
    drifted = compare_held_out("x", measured(2.0, 1, 2), measured(2.0, 1, 2), measured(1.2, 1, 2), 1)
    assert same.kept is None
    assert "gains nothing" in str(same)
    assert [p.holds(0.9, agree=0.9) for p in (same, other, drifted)] == [True, False, False]


def test_measuring_counts_supervised_tokens_only(tiny_base: str) -> None:
    loaded = load_base(tiny_base, quantization="none", purpose="infer")
    rendered = tokenize_examples(HELD_OUT, loaded.chat_template, 2048)
    found = measure_held_out(loaded.model, rendered, loaded.tokenizer.pad_token_id)
    total = 0.0
    for r in rendered:
        with torch.no_grad():
            scores = loaded.model(input_ids=torch.tensor([r.ids])).logits[0].log_softmax(-1)
        total -= sum(float(scores[i - 1, r.ids[i]]) for i in range(r.start, len(r.ids)))
    assert found.nll == pytest.approx(total / sum(r.supervised for r in rendered), rel=1e-4)
