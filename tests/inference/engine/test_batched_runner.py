"""A batch's logits are those of each sequence alone, for each kind of attention."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig

from domainkit.inference.engine.batched_runner import BatchedRunner, attention_windows
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.trial import allocated
from tests.inference.engine.tiny_models import batched_runner, build, check


@pytest.mark.parametrize("name", ["llama", "mistral", "gemma3", "gpt2"])
@torch.inference_mode()
def test_chunks_of_different_lengths_share_passes(name: str) -> None:
    model = build(name)
    runner = batched_runner(model)
    with allocated(runner, [14, 6, 2]) as slots:
        rows = dict(zip(slots, (list(range(3, 17)), list(range(40, 46)), [9, 8]), strict=True))
        check(model, runner, rows, logits_wanted=2)
        for slot, more in zip(slots, ([5], [6, 7, 8], [4]), strict=True):
            rows[slot] = rows[slot] + more
        check(model, runner, rows)
        assert [slot.tokens for slot in slots] == list(rows.values())
    runner.close()


@torch.inference_mode()
def test_each_chunk_gets_as_many_logits_as_it_wants() -> None:
    model = build("llama")
    runner = batched_runner(model)
    texts = [list(range(3, 17)), [9, 8]]
    with allocated(runner, [14, 2]) as slots:
        wanted = (3, 1)
        logits = runner.forward([Chunk(s, text, 0, n) for s, text, n in zip(slots, texts, wanted, strict=True)])
    assert logits.shape[:2] == (2, 3)
    for row, text, n in zip(logits, texts, wanted, strict=True):
        plain = model(torch.tensor([text]), use_cache=False).logits[0, -n:]
        torch.testing.assert_close(row[-n:], plain, rtol=1e-4, atol=1e-5)
    runner.close()


@torch.inference_mode()
def test_a_failed_pass_leaves_the_slots_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("llama")
    runner = batched_runner(model)
    with allocated(runner, [3]) as [slot]:
        check(model, runner, {slot: [3, 4, 5]})
        with monkeypatch.context() as m:
            m.setattr(model.lm_head, "forward", lambda x: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                runner.forward([Chunk(slot, [6, 7], 3)])
        assert slot.tokens == [3, 4, 5]
        check(model, runner, {slot: [3, 4, 5, 6, 7]})
    runner.close()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_half_precision_shares_prefixes_too(name: str, dtype: torch.dtype) -> None:
    runner = batched_runner(build(name).to(dtype))
    assert runner.shared_prefix_attention
    runner.close()


def test_a_closed_runner_leaves_the_model_as_it_was() -> None:
    model = build("llama")
    runner = BatchedRunner(model)
    runner.close()
    assert not model.get_decoder()._forward_hooks
    assert model.config._attn_implementation == "sdpa"


def test_attention_windows_are_those_of_the_configuration() -> None:
    assert attention_windows(LlamaConfig()) == {"full_attention": None}
    assert attention_windows(build("mistral").config) == {"sliding_attention": 4}
    assert attention_windows(build("gemma3").config) == {"full_attention": None, "sliding_attention": 4}
    with pytest.raises(ValueError, match="layers of other kinds: conv"):
        attention_windows(build("lfm2").config)
