"""The shared store against plain passes, for each kind of attention and for what cannot share."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from domainkit.inference.engine import kv_cache as slots
from domainkit.inference.engine.acceleration import grouped_attention
from domainkit.inference.engine.kv_cache import Runner, Seat, seated
from domainkit.inference.engine.model_runner import SoloRunner, make_runner

SIZES: dict[str, Any] = {
    "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
MODELS = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", SIZES),
    "mistral": ("MistralForCausalLM", "MistralConfig", {**SIZES, "sliding_window": 4}),
    "gemma3": ("Gemma3ForCausalLM", "Gemma3TextConfig",
               {**SIZES, "head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config",
             {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 24, "bos_token_id": 1, "eos_token_id": 2}),
    "lfm2": ("Lfm2ForCausalLM", "Lfm2Config", {**SIZES, "layer_types": ["conv", "full_attention"]}),
}  # fmt: skip


def build(name: str) -> Any:
    import transformers

    model, config, sizes = MODELS[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(transformers, model)(getattr(transformers, config)(**sizes)).eval()


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_rows_that_share_passes_are_computed_as_alone(name: str) -> None:
    model = build(name)
    runner, why = make_runner(model, range(20, 28))
    assert isinstance(runner, SoloRunner if name == "lfm2" else Runner), why
    assert (why is None) == (name != "lfm2")
    seats = [Seat(list(range(3, 17))), Seat(list(range(40, 46))), Seat([9, 8])]
    with seated(runner, seats):
        runner.forward(seats, [2, 1, 1])
        for seat, more in zip(seats, ([5], [6, 7, 8], [4]), strict=True):
            seat.tokens += more
        found = runner.forward(seats, [1, 2, 1])
        rows = [(s.tokens[:], found[i]) for i, s in enumerate(seats)]
    if isinstance(runner, Runner):
        runner.close()
    for (tokens, logits), want in zip(rows, (1, 2, 1), strict=True):
        plain = model(torch.tensor([tokens]), use_cache=False).logits[0, -want:]
        torch.testing.assert_close(logits[-want:], plain, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_seats_leave_join_go_back_and_share() -> None:
    model = build("llama")
    runner, _ = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner)
    a, b, c = Seat(list(range(3, 10))), Seat(list(range(30, 50))), Seat(list(range(60, 64)))
    for seat in (a, b, c):
        runner.sit(seat)
    runner.forward([a, b, c], [1, 1, 1])
    runner.leave(a)  # c moves into its slot
    state = runner.state(b, 15)
    d, e = Seat([*range(30, 45), 7]), Seat([*range(30, 42), 8])
    runner.sit(d)
    runner.sit(e)
    runner.fill(d, 15, state)
    runner.fill(e, 12, state)
    b.tokens, b.length = [*b.tokens[:18], 5, 6], 18  # another continuation
    c.tokens.append(9)
    found = runner.forward([b, c, d, e], [1, 1, 1, 1])[:, -1]
    tokens = [s.tokens[:] for s in (b, c, d, e)]
    runner.close()
    for row, ids in zip(found, tokens, strict=True):
        torch.testing.assert_close(row, model(torch.tensor([ids])).logits[0, -1], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_room_that_the_last_seat_leaves_serves_who_fits_in_it_and_is_given_up_for_who_does_not() -> None:
    model = build("llama")
    runner, _ = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner)

    def batch(rows: int, tokens: int) -> int:
        """Where the first layer's keys lay; the logits are those of each row alone."""
        seats = [Seat([(7 * i + j) % 90 + 3 for j in range(tokens)]) for i in range(rows)]
        with seated(runner, seats):
            found = runner.forward(seats, [1] * rows)[:, -1]
            place = runner.store.keys[0].data_ptr()
            given = [seat.tokens for seat in seats]
        for row, ids in zip(found, given, strict=True):
            alone = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
            torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-5)
        return place

    runner.clear()
    first = batch(4, 20)
    assert batch(3, 9) == first
    assert runner.store.rows == 4
    batch(2, 300)  # longer: not four rows of that length, which nobody asked for
    assert runner.store.rows == 2
    batch(6, 4)  # more
    assert runner.store.rows == 6
    assert runner.store.columns < 300
    runner.clear()
    runner.close()
    assert not runner.store.keys


@torch.inference_mode()
def test_a_kept_state_fills_a_seat_in_room_left_by_others() -> None:
    model = build("llama")
    runner, _ = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner)
    long = Seat(list(range(3, 33)))
    with seated(runner, [long]):
        runner.forward([long], [1])
        state = runner.state(long, 20)
    for room in (0, 1, 2):  # none; as it was left; too short for what comes
        if room != 1:
            runner.clear()
        if room == 2:
            with seated(runner, [seat := Seat([5])]):
                runner.forward([seat], [1])
            runner.store.columns = 4
            runner.store.keys = [k[:, :, :4] for k in runner.store.keys]
            runner.store.values = [v[:, :, :4] for v in runner.store.values]
        seat = Seat([*range(3, 23), 50])
        runner.sit(seat)
        runner.fill(seat, 20, state)
        found = runner.forward([seat], [1])[0, -1]
        runner.leave(seat)
        alone = model(torch.tensor([[*range(3, 23), 50]]), use_cache=False).logits[0, -1]
        torch.testing.assert_close(found, alone, rtol=1e-4, atol=1e-5)
    runner.close()


def ids(start: int, count: int) -> list[int]:
    return [(7 * i + start) % 90 + 3 for i in range(count)]


def read(runner: Runner, tokens: list[int]) -> Any:
    """The state of these tokens, from a seat of their own."""
    with seated(runner, [seat := Seat(tokens)]):
        runner.forward([seat], [1])
        return runner.state(seat, len(tokens))


def check(model: Any, runner: Runner, seats: list[Seat]) -> None:
    """The logits of a pass over the seats are those of each alone."""
    found = runner.forward(seats, [1] * len(seats))[:, -1]
    for row, seat in zip(found, seats, strict=True):
        alone = model(torch.tensor([seat.tokens]), use_cache=False).logits[0, -1]
        torch.testing.assert_close(row, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_half_precision_shares_prefixes_too(name: str, dtype: torch.dtype) -> None:
    model = build(name).to(dtype)
    runner, why = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner), why
    assert runner.cascades
    runner.close()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@torch.inference_mode()
def test_prefixes_that_rows_share_are_held_once_and_read_as_their_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "MIN_COLUMNS_SAVED", 8)
    model = build(name)
    runner, why = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner), why
    assert runner.cascades
    long, short = ids(1, 12), ids(50, 8)
    first, second = read(runner, long), read(runner, short)
    runner.clear()
    seats = [
        Seat([*long, 5]),
        Seat([*short, 6, 7, 8]),
        Seat(ids(30, 6)),
        Seat([*long, 9, 4]),
        Seat([*short, 11]),
        Seat([*long[:9], 2]),
    ]
    for seat in seats:
        runner.sit(seat)
    runner.give([seats[0], seats[3]], 12, first)
    runner.give([seats[1], seats[4]], 8, second)
    runner.give([seats[5]], 9, first)  # alone with so much of it: in its own row
    assert [s.behind for s in seats] == [12, 8, 0, 12, 8, 0]
    check(model, runner, seats)
    for seat, more in zip(seats, ([1], [2, 3], [4], [5, 6, 7], [8], [9]), strict=True):
        seat.tokens += more
    check(model, runner, seats)
    assert max(s.columns for s in seats) == 11

    late = Seat([*long, 60, 61])  # joins those who are there; others leave, and rows move
    runner.sit(late)
    runner.give([late], 12, first)
    assert late.shared is seats[0].shared
    runner.leave(seats.pop(1))
    runner.leave(seats.pop(0))
    check(model, runner, [late])
    for seat in (*seats, late):
        seat.tokens.append(13)
    check(model, runner, [*seats, late])

    whole = runner.state(late, 14)  # what is shared and what is its own, in one; beginnings of it too
    plain = read(runner, late.tokens[:14])
    for upto in (5, 12, 14):
        for part, wanted in zip(runner.state(late, upto), plain, strict=True):
            torch.testing.assert_close(part[0], wanted[0][:, :upto], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(part[1], wanted[1][:, :upto], rtol=1e-4, atol=1e-5)
    other = Seat([*long, 60, 61, 70])
    runner.sit(other)
    runner.give([other], 12, first)
    runner.fill(other, 14, whole)  # more than is shared: the rest goes to its own row
    assert (other.behind, other.columns) == (12, 2)
    late.tokens, late.length = [*long[:7], 33], 7  # back into what it shares: from now on it holds its own
    check(model, runner, [other, late])
    assert late.shared is None
    runner.clear()
    runner.close()


@torch.inference_mode()
def test_a_model_whose_layers_do_not_read_shared_prefixes_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What says so is a trial before the first request, and a check at every pass."""
    model = build("llama")
    runner, _ = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner)
    state = read(runner, ids(1, 12))
    seats = [Seat([*ids(1, 12), i % 90 + 3]) for i in range(300)]
    with seated(runner, seats):
        runner.give(seats, 12, state)
        model.set_attn_implementation("sdpa")
        with pytest.raises(RuntimeError, match="0 of 2 layers have read the shared prefixes"):
            runner.forward(seats, [1] * len(seats))
    runner.close()
    # Layers that have an argument which the shared attention does not know compute without it.
    monkeypatch.setattr(
        grouped_attention, "NOT_SUPPORTED", ("sliding_window", "is_causal", "use_cache", "position_ids")
    )
    runner, why = make_runner(model, range(20, 28))
    assert isinstance(runner, Runner), why
    assert not runner.cascades
    with seated(runner, seats):
        runner.give(seats, 12, state)
        assert not any(s.shared for s in seats)
        check(model, runner, seats[:5])
    runner.close()
