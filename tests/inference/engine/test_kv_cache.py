"""Slots and their states: allocate, free, copy and restore change no logits, and memory is reused and given back."""

from __future__ import annotations

import pytest
import torch

from domainkit.inference.engine import kv_cache
from domainkit.inference.engine.acceleration import grouped_attention
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import KVCache
from domainkit.inference.engine.trial import allocated
from tests.inference.engine.tiny_models import batched_runner, build, check, read, some_tokens, state_of


@torch.inference_mode()
def test_slots_can_be_freed_copied_and_go_back_in_any_order() -> None:
    model = build("llama")
    runner = batched_runner(model)
    a, b, c = (runner.allocate(n) for n in (7, 20, 4))
    rows = {a: list(range(3, 10)), b: list(range(30, 50)), c: list(range(60, 64))}
    read(runner, rows)
    runner.free(a)
    assert c.index == 0, "the last slot moves to the free index"
    state = runner.copy_state(b, 15)
    d, e = runner.allocate(16), runner.allocate(13)
    runner.restore(d, rows[b][:15], state)
    runner.restore(e, rows[b][:12], state)
    another = [*rows[b][:18], 5, 6]
    check(model, runner, {b: another, c: [*rows[c], 9], d: [*range(30, 45), 7], e: [*range(30, 42), 8]})
    assert b.tokens == another
    runner.close()


@torch.inference_mode()
def test_idle_buffers_are_reused_if_large_enough_and_freed_if_not() -> None:
    model = build("llama")
    runner = batched_runner(model)

    def address_after_batch(n_sequences: int, n_tokens: int) -> int:
        """Where the first layer's keys are after a batch."""
        with allocated(runner, [n_tokens] * n_sequences) as slots:
            check(model, runner, {slot: some_tokens(7 * i, n_tokens) for i, slot in enumerate(slots)})
            return runner.cache.keys[0].data_ptr()

    first = address_after_batch(4, 20)
    assert address_after_batch(3, 9) == first
    assert runner.cache.n_slots == 4
    address_after_batch(2, 300)  # longer sequences: not four slots of that length, which nobody needs
    assert runner.cache.n_slots == 2
    address_after_batch(6, 4)
    assert runner.cache.n_slots == 6
    assert runner.cache.n_columns < 300
    runner.clear()
    assert not runner.cache.keys
    runner.close()


def test_the_cache_takes_what_its_sequences_can_need_and_no_more() -> None:
    cache = KVCache()
    cache.reserve(4, 50, lambda: 60)
    assert (cache.n_slots, cache.n_columns) == (4, 60), "whoever comes together, exactly"
    cache.keys, cache.values = ([torch.arange(4.0)[:, None, None, None].repeat(1, 2, 60, 8)] for _ in range(2))
    cache.reserve(5, 50, lambda: 60)
    assert (cache.n_slots, cache.n_columns) == (7, 60), "one by one, with some in advance"
    cache.reserve(3, 100, lambda: 2000)
    assert (cache.n_slots, cache.n_columns) == (3, 228), "longer: without the slots that nobody uses"
    cache.reserve(4, 20, lambda: 30)
    assert (cache.n_slots, cache.n_columns) == (6, 30), "more: without the columns that nobody needs"
    cache.max_bytes = 6 * 30 * 2 * 2 * 8 * 4
    cache.reserve(7, 30, lambda: 30)
    assert cache.n_slots == 7, "none in advance beyond the memory that it may take"
    assert torch.equal(cache.keys[0][:3, 0, 0, 0], torch.arange(3.0)), "what is stored stays"
    cache.reserve(7, 40)
    assert (cache.n_slots, cache.n_columns) == (7, 168), "a need that is not known grows in steps"


@torch.inference_mode()
def test_late_sequences_read_a_shared_prefix_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that has more in common with it than those before: a copy of it all would widen all slots."""
    monkeypatch.setattr(kv_cache, "MIN_COLUMNS_SAVED", 8)
    model, prefix = build("llama"), some_tokens(1, 12)
    runner = batched_runner(model)
    state = state_of(runner, prefix)
    runner.clear()
    first, second, late = (runner.allocate(14, None, 16) for _ in range(3))
    runner.restore_all([first, second], prefix[:10], state)
    runner.restore_all([late], prefix, state)
    assert late.shared_prefix is first.shared_prefix
    assert (late.length, late.columns(late.length)) == (12, 2)
    check(model, runner, {first: [*prefix[:10], 5, 6], second: [*prefix[:10], 7], late: [*prefix, 60, 61]})
    assert runner.cache.n_columns == 6, "of 16 tokens at most, 10 are in the prefix"
    runner.clear()
    runner.close()


@pytest.mark.parametrize("room", ["no buffers", "large enough", "too short"])
@torch.inference_mode()
def test_a_state_can_be_restored_whatever_buffers_are_there(room: str) -> None:
    model = build("llama")
    runner = batched_runner(model)
    tokens = list(range(3, 33))
    state = state_of(runner, tokens)
    if room != "large enough":
        runner.clear()
    if room == "too short":
        state_of(runner, [5])
        runner.cache.n_columns = 4
        runner.cache.keys = [k[:, :, :4] for k in runner.cache.keys]
        runner.cache.values = [v[:, :, :4] for v in runner.cache.values]
    with allocated(runner, [21]) as [slot]:
        runner.restore(slot, tokens[:20], state)
        check(model, runner, {slot: [*tokens[:20], 50]})
    runner.close()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@torch.inference_mode()
def test_shared_prefixes_are_stored_once_and_read_as_own_tokens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_cache, "MIN_COLUMNS_SAVED", 8)
    model = build(name)
    runner = batched_runner(model)
    assert runner.shared_prefix_attention
    long, short = some_tokens(1, 12), some_tokens(50, 8)
    long_state, short_state = state_of(runner, long), state_of(runner, short)
    runner.clear()
    texts = [[*long, 5], [*short, 6, 7, 8], some_tokens(30, 6), [*long, 9, 4], [*short, 11], [*long[:9], 2]]
    slots = [runner.allocate(len(text)) for text in texts]
    runner.restore_all([slots[0], slots[3]], long, long_state)
    runner.restore_all([slots[1], slots[4]], short, short_state)
    runner.restore_all([slots[5]], long[:9], long_state)  # nobody to share with, so it is copied
    assert [slot.n_shared for slot in slots] == [12, 8, 0, 12, 8, 0]
    check(model, runner, dict(zip(slots, texts, strict=True)))
    for text, more in zip(texts, ([1], [2, 3], [4], [5, 6, 7], [8], [9]), strict=True):
        text += more
    check(model, runner, dict(zip(slots, texts, strict=True)))
    assert max(slot.columns(slot.length) for slot in slots) == 11

    late = runner.allocate(14)  # joins the others' prefix, while some of them leave and rows move
    runner.restore_all([late], long, long_state)
    assert late.shared_prefix is slots[0].shared_prefix
    runner.free(slots.pop(1))
    runner.free(slots.pop(0))
    late_text, texts = [*long, 60, 61], texts[2:]
    check(model, runner, {late: late_text})
    check(model, runner, {slot: [*text, 13] for slot, text in zip([*slots, late], [*texts, late_text], strict=True)})

    whole = runner.copy_state(late, 14)  # the shared prefix and own tokens, joined
    for n in (5, 12, 14):
        for part, plain in zip(runner.copy_state(late, n), state_of(runner, late_text), strict=True):
            torch.testing.assert_close(part[0], plain[0][:, :n], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(part[1], plain[1][:, :n], rtol=1e-4, atol=1e-5)
    other = runner.allocate(15)
    runner.restore_all([other], long, long_state)
    runner.restore(other, late_text, whole)  # longer than the shared prefix: the rest goes to its own row
    assert (other.n_shared, other.columns(other.length)) == (12, 2)
    check(model, runner, {other: [*late_text, 70], late: [*long[:7], 33]})
    assert late.shared_prefix is None, "a slot that goes back into its shared prefix stores its own tokens"
    runner.clear()
    runner.close()


@torch.inference_mode()
def test_a_pass_fails_if_a_layer_does_not_read_the_shared_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial shows it before the first request, and a check at every pass."""
    model, prefix = build("llama"), some_tokens(1, 12)
    runner = batched_runner(model)
    state = state_of(runner, prefix)
    with allocated(runner, [13] * 300) as slots:
        runner.restore_all(slots, prefix, state)
        model.set_attn_implementation("sdpa")
        with pytest.raises(RuntimeError, match="0 of 2 layers have read the shared prefixes"):
            runner.forward([Chunk(slot, [5], 12) for slot in slots])
    runner.close()
    # Layers with an argument that the shared attention does not know compute without it.
    monkeypatch.setattr(
        grouped_attention, "NOT_SUPPORTED", ("sliding_window", "is_causal", "use_cache", "position_ids")
    )
    runner = batched_runner(model)
    assert not runner.shared_prefix_attention
    with allocated(runner, [13] * 300) as slots:
        runner.restore_all(slots, prefix, state)
        assert not any(slot.shared_prefix for slot in slots)
        check(model, runner, {slot: [*prefix, i + 3] for i, slot in enumerate(slots[:5])})
    runner.close()
