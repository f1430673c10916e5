"""Spelling across kinds of tokenisers: exact text, the tokeniser's own split, never a control token."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from domainkit.errors import BaseModelError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.constraint import compile_constraint
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.messages import Message
from domainkit.models.templates.chat_template import ChatTemplate

spelling_of = lru_cache(Spelling)
TOOL = {"type": "function", "function": {"name": "now", "description": "The time."}}


def byte_level(*, normalizer: Any = None, marker_special: bool | None = None) -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(["<|end|>", *alphabet])}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    if normalizer is not None:
        core.normalizer = normalizer
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")
    if marker_special is not None:
        tokenizer.add_tokens(["<tool_call>", "</tool_call>"], special_tokens=marker_special)
    return tokenizer


def sentencepiece_like() -> Any:
    """Unigram with word-start marks and byte fallback, as Llama 2's."""
    pieces = [("<unk>", 0.0), ("</s>", 0.0), *((f"<0x{i:02X}>", -9.0) for i in range(256))]
    pieces += [("▁", -3.0), ("▁Yes", -1.0), ("Yes", -2.0), ("▁No", -1.0), ("No", -2.0), ("▁way", -1.0), (":", -2.0)]
    core = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}</s>{% endfor %}assistant:"
    return tokenizer


@pytest.fixture(scope="module")
def plain() -> Any:
    return byte_level()


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=20))
def test_any_text_is_spelled_exactly_and_without_control_tokens(plain: Any, text: str) -> None:
    spelling = spelling_of(plain)
    ids = spelling.spell(text + "<|end|>")
    assert spelling.parser.decode_bytes(ids) == (text + "<|end|>").encode()
    assert plain.eos_token_id not in ids


def test_a_normalising_tokeniser_does_not_change_the_text() -> None:
    tokenizer = byte_level(normalizer=normalizers.NFD())
    assert len(tokenizer.encode("é")) == 3
    spelling = Spelling(tokenizer)
    assert spelling.parser.decode_bytes(spelling.spell("café")) == "café".encode()


def test_a_word_is_spelled_as_it_follows_the_prompt_not_as_a_sentence_starts() -> None:
    tokenizer = sentencepiece_like()
    spelling = Spelling(tokenizer, ChatTemplate(tokenizer).traits.text_before_words)
    ids = spelling.spell("Yes")
    assert tokenizer.convert_ids_to_tokens(ids) == ["Yes"]
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("Yes", add_special_tokens=False)) == ["▁Yes"]
    assert tokenizer.convert_ids_to_tokens(spelling.spell("No way")) == ["No", "▁way"]


@pytest.mark.parametrize("special", [False, True])
def test_a_call_marker_of_one_token_is_used_as_one(special: bool) -> None:
    tokenizer = byte_level(marker_special=special)
    marker = tokenizer.convert_tokens_to_ids("<tool_call>")
    c = compile_constraint(Request((Message("user", "?"),), tools=(TOOL,), tool_choice="any"), Spelling(tokenizer))
    assert c.forced()[0] == marker
    assert c.mask()[marker]
    for token in c.forced():
        c.advance(token)
    text = compile_constraint(Request((Message("user", "?"),), tools=(TOOL,)), Spelling(tokenizer))
    for token in tokenizer.encode("ab<tool_call>", add_special_tokens=False):
        text.advance(token)
    assert text.forced()


def test_text_no_token_can_spell_is_refused() -> None:
    vocab = {"<|end|>": 0, "a": 1, "b": 2}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    with pytest.raises(BaseModelError, match="cannot be constrained with this tokenizer: can't determine decoder"):
        Spelling(PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>"))
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>")
    assert Spelling(tokenizer).spell("abba") == [1, 2, 2, 1]
    with pytest.raises(RequestError, match=r"cannot spell 'abc'(.|\n)*reword it"):
        Spelling(tokenizer).spell("abc")


def test_a_tokeniser_without_an_end_is_unfit() -> None:
    core = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(BaseModelError, match="no end token"):
        Spelling(PreTrainedTokenizerFast(tokenizer_object=core))
