"""Which runner a model gets, and that every pass is executed with its adapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from domainkit.inference.adapters.pool import MIXED, NO_ADAPTER, AdapterPool, LoadedAdapter, PassRow
from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.encoder_decoder_runner import EncoderDecoderRunner
from domainkit.inference.engine.kv_cache import KVCache
from domainkit.inference.engine.model_runner import Executor, make_runner
from domainkit.inference.engine.sequential_runner import SequentialRunner
from domainkit.models.load import load_base
from tests.inference.engine.tiny_models import MODELS, PROBE, batched_runner, build


@pytest.mark.parametrize("name", MODELS)
def test_models_with_plain_keys_and_values_are_batched(name: str) -> None:
    runner, why = make_runner(build(name), PROBE)
    if name == "lfm2":
        assert isinstance(runner, SequentialRunner)
        assert why == "answers are computed one by one: the base has layers of other kinds: conv, full_attention"
        assert not runner.takes_virtual_tokens
    else:
        assert isinstance(runner, BatchedRunner)
        assert why is None
        runner.close()


def test_an_encoder_decoder_has_its_own_runner(tiny_pair: str) -> None:
    runner, why = make_runner(load_base(tiny_pair, quantization="none").model, PROBE)
    assert isinstance(runner, EncoderDecoderRunner)
    assert why is None


def test_a_model_whose_logits_differ_in_batches_runs_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model, select = build("llama"), KVCache.select

    def wrong_width(self: KVCache, rows: list[int], columns: torch.Tensor, width: int) -> None:
        select(self, rows, columns - (columns > 3).long(), width)

    monkeypatch.setattr(KVCache, "select", wrong_width)
    runner, why = make_runner(model, PROBE)
    assert isinstance(runner, SequentialRunner)
    assert runner.takes_virtual_tokens
    assert why is not None
    assert "cannot share batches (its logits differ when rows share a batch)" in why
    assert not model.get_decoder()._forward_hooks


def test_an_error_in_the_trial_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise TypeError("unknown argument\nmore about it")

    monkeypatch.setattr(KVCache, "update", fails)
    _, why = make_runner(build("llama"), PROBE)
    assert why == "answers are computed one by one: the base cannot share batches (TypeError: unknown argument)"


def test_the_executor_sets_the_adapters_of_each_pass() -> None:
    entered: list[list[PassRow]] = []

    class Pool(AdapterPool):
        def enter(self, rows: Sequence[PassRow]) -> None:
            entered.append(list(rows))

    model = build("llama")
    runner, executor = batched_runner(model), Executor(Pool(model, "", "base"))
    a, b = runner.allocate(1), runner.allocate(4)
    red = LoadedAdapter("red", MIXED)
    with torch.inference_mode():
        executor.execute(runner, [Chunk(a, [5], 0), Chunk(b, [6, 7], 0, adapter=red)])
        executor.execute(runner, [Chunk(b, [8], 2, adapter=red)])
    assert entered == [[PassRow(NO_ADAPTER, 0, 1, 1), PassRow(red, 0, 2, 4)], [PassRow(red, 2, 1, 4)]]
    assert executor.n_passes == 2
    runner.close()


def test_int8_layers_that_keep_outliers_are_run_one_by_one(tiny_base: str) -> None:
    """A row with an outlier would change the rounding of all rows in its pass."""
    runner, why = make_runner(load_base(tiny_base, quantization="int8", purpose="infer").model, PROBE)
    assert isinstance(runner, SequentialRunner)
    assert runner.takes_virtual_tokens
    assert why is not None
    assert "int8 keeps columns exact" in why
