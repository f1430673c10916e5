"""The runner for any model: the plain model's logits, one sequence in each pass."""

from __future__ import annotations

import pytest
import torch

from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.sequential_runner import SequentialRunner
from domainkit.inference.engine.trial import allocated
from tests.inference.engine.tiny_models import build, check


@pytest.mark.parametrize("name", ["lfm2", "llama"])
@torch.inference_mode()
def test_sequences_go_on_and_go_back(name: str) -> None:
    model = build(name)
    runner = SequentialRunner(model)
    with allocated(runner, [14, 2]) as slots:
        rows = {slots[0]: list(range(3, 17)), slots[1]: [9, 8]}
        check(model, runner, rows, logits_wanted=2)
        check(model, runner, {slots[0]: [*rows[slots[0]], 5], slots[1]: [9, 8, 7, 6]})
        check(model, runner, {slots[0]: [3, 4, 5, 50]})
    assert not runner._caches


def test_every_sequence_is_a_batch_of_its_own() -> None:
    runner = SequentialRunner(build("lfm2"))
    with allocated(runner, [1, 1]) as slots:
        assert len({runner.batch_key(Chunk(slot, [1], 0)) for slot in slots}) == 2
