"""One object answers for decoder-only bases and encoder-decoders; encoder-decoders not of the T5 type are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import BaseModelError
from domainkit.models.encoder_decoder import (
    DecoderOnly,
    EncoderDecoder,
    architecture_of,
    is_encoder_decoder,
    read_architecture,
    task_type,
)
from domainkit.models.load import load_base
from tests.conftest import build_tiny_pair


def test_a_folder_and_its_model_tell_the_same_architecture(tiny_base: str, tiny_pair: str) -> None:
    for folder, expected in ((tiny_base, DecoderOnly()), (tiny_pair, EncoderDecoder(0))):
        base = load_base(folder, quantization="none")
        assert read_architecture(folder) == architecture_of(base.model) == base.chat_template.architecture == expected
        assert is_encoder_decoder(base.model) == isinstance(expected, EncoderDecoder)
        assert task_type(base.model) == expected.task_type
        assert len(expected.stacks(base.model)) == (2 if folder == tiny_pair else 1)


def test_the_opening_token_follows_an_encoder_decoder_s_prompt() -> None:
    assert DecoderOnly().model_prompt([5, 6]) == [5, 6]
    assert EncoderDecoder(0).model_prompt([5, 6]) == [5, 6, 0]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"forced_bos_token_id": 1}, "begins every answer with a forced token"),
        ({"decoder_start_token_id": None}, "does not say what its answers begin with"),
    ],
)
def test_other_types_are_refused(tmp_path: Path, options: dict[str, Any], fault: str) -> None:
    folder = build_tiny_pair(tmp_path / "base")
    for name in ("config.json", "generation_config.json"):
        values = json.loads((folder / name).read_text(encoding="utf-8")) | options
        (folder / name).write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(BaseModelError, match=rf"{fault}[\s\S]*T5"):
        load_base(str(folder), quantization="none")


def test_a_tokenizer_that_wraps_texts_is_refused(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    folder = build_tiny_pair(tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    special = [("<|start|>", 1), ("<|end|>", 2)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<|start|> $A <|end|>", None, special)
    tokenizer.save_pretrained(folder)
    with pytest.raises(BaseModelError, match=r"wraps a text in tokens of its own \(<\|start\|>a<\|end\|>\)"):
        load_base(str(folder), quantization="none")
