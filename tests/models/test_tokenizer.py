"""Tokenizer, chat template and model agree on what ends an answer; what is missing is chosen, and noted."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import BaseModelError
from domainkit.models.encoder_decoder import PLAIN_TEMPLATE
from domainkit.models.load import load_base
from domainkit.models.tokenizer import load_chat_template
from tests.models.conftest import edit


def test_a_wrong_eos_in_the_configuration_is_corrected(copy: Path) -> None:
    edit(copy / "config.json", eos_token_id=77)
    edit(copy / "generation_config.json", eos_token_id=77)
    loaded = load_base(str(copy), quantization="none")
    assert loaded.stop_token_ids == (2,)
    assert loaded.model.generation_config.eos_token_id == [2]
    assert any("stopped at token [77]: it now stops at [2]" in n for n in loaded.notes)


def test_a_template_closing_with_another_token_stops_at_both(copy: Path) -> None:
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|pad|>"))
    loaded = load_base(str(copy), quantization="none")
    assert loaded.stop_token_ids == (0, 2)
    assert any("ends an answer with '<|pad|>', the tokenizer with '<|end|>'" in n for n in loaded.notes)


def test_a_base_without_a_template_gets_a_plain_one(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    loaded = load_base(str(copy), quantization="none")
    assert loaded.tokenizer.chat_template == PLAIN_TEMPLATE
    assert any("has no chat template" in n for n in loaded.notes)
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    assert loaded.tokenizer.apply_chat_template(turns, tokenize=False) == "User: hi\nAssistant: yo<|end|>\n"


def test_neither_template_nor_eos_is_refused(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    edit(copy / "tokenizer_config.json", eos_token=None)
    with pytest.raises(BaseModelError, match="neither a chat template nor an EOS token"):
        load_chat_template(copy)


def test_a_missing_pad_token_is_chosen_without_touching_embeddings(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", pad_token=None)
    loaded = load_base(str(copy), quantization="none")
    assert loaded.tokenizer.pad_token == "<|pad|>"
    assert loaded.model.get_input_embeddings().weight.shape[0] == 260


def test_a_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    template, _ = load_chat_template(copy)
    tokenizer = template.tokenizer
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(BaseModelError, match="the tokenizer has 261 tokens, the model 260"):
        load_base(str(copy), quantization="none")
