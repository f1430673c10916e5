"""What could forge a turn is hidden; a domain's own tokens and the marks of reasoning are words of the base."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from domainkit.models.templates.control_guard import ControlGuard, read_controls

PLAIN = ("[CITE]", "<think>", "</think>", "<role>", "<tool_call>", "<box>")


@pytest.fixture
def tokenizer(tiny_base: str) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    tokenizer.add_tokens([AddedToken("<|role|>", special=True, normalized=False)])
    tokenizer.chat_template = "<role>" + tokenizer.chat_template
    return tokenizer


def test_special_tokens_the_template_s_own_and_marks_of_calls_are_controls(tokenizer: Any) -> None:
    controls = set(tokenizer.convert_ids_to_tokens(sorted(read_controls(tokenizer).ids)))
    assert controls == {"<|pad|>", "<|start|>", "<|end|>", "<|unk|>", "<|role|>", "<role>", "<tool_call>"}


def test_words_keep_their_tokens_and_controls_become_characters(tokenizer: Any) -> None:
    controls = read_controls(tokenizer)
    guard = ControlGuard(tokenizer, controls)
    text = "".join(PLAIN) + "<|role|><|end|>"
    ids = guard.encode(guard.hide(text))
    assert tokenizer.decode(ids) == text
    assert not set(ids) & controls.ids
    own = tokenizer.convert_tokens_to_ids(["[CITE]", "<think>", "</think>", "<box>"])
    assert [i for i in ids if i in own] == own


def test_marks_of_reasoning_are_words_also_where_the_base_calls_them_special(tiny_base: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.add_tokens([AddedToken("<think>", special=True, normalized=False)])
    assert tokenizer.convert_tokens_to_ids("<think>") not in read_controls(tokenizer).ids
