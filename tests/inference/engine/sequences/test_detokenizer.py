from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.inference.engine.sequences.detokenizer import Detokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_base: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


def run(tokenizer: Any, text: str, stops: tuple[str, ...] = ()) -> list[str]:
    """Pieces of `text`, token by token (a token is a byte)."""
    stream = Detokenizer(tokenizer, stops)
    pieces = []
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        pieces.append(stream.push(token))
        if stream.stopped:
            break
    return [*pieces, stream.finish()]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_pieces_join_to_the_text_and_never_split_a_character(tokenizer: Any, text: str) -> None:
    pieces = run(tokenizer, text)
    assert "".join(pieces) == text
    assert "\N{REPLACEMENT CHARACTER}" in text or not any("\N{REPLACEMENT CHARACTER}" in p for p in pieces)


@settings(max_examples=60, deadline=None)
@given(st.text("ab\n", max_size=20), st.lists(st.text("ab\n", min_size=1, max_size=3), min_size=1, max_size=3))
def test_text_is_cut_at_the_first_stop_string(tokenizer: Any, text: str, stops: list[str]) -> None:
    pieces = run(tokenizer, text, tuple(stops))
    ends = [text.find(s) + len(s) for s in stops if s in text]
    # What is read is the shortest text that holds a stop string; what is shown ends where its first one begins.
    read = text[: min(ends)] if ends else text
    cut = min((i for s in stops if (i := read.find(s)) >= 0), default=len(read))
    assert "".join(pieces) == read[:cut]


def test_a_possible_stop_string_is_held_back(tokenizer: Any) -> None:
    assert run(tokenizer, "x END", (" END!",)) == ["x", "", "", "", "", " END"]
    assert run(tokenizer, "x END!", (" END!",))[:6] == ["x", "", "", "", "", ""]


def test_control_tokens_are_not_text(tokenizer: Any) -> None:
    stream = Detokenizer(tokenizer)
    assert stream.push(tokenizer.eos_token_id) + stream.push(tokenizer.convert_tokens_to_ids("a")) == "a"


def test_broken_bytes_are_shown_only_at_the_end(tokenizer: Any) -> None:
    stream = Detokenizer(tokenizer)
    first = tokenizer("é", add_special_tokens=False)["input_ids"][0]
    assert stream.push(first) == ""
    assert stream.finish() == "\N{REPLACEMENT CHARACTER}"
