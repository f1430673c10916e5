"""Tokenizer, chat template and model agree on what ends an answer; what is missing is chosen, and noted."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from domainkit.errors import AdapterError, BaseModelError
from domainkit.inference.backend import Request
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message
from domainkit.models.encoder_decoder import PLAIN_TEMPLATE
from domainkit.models.load import load_base
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.tokenizer import adapter_chat_template, load_chat_template
from tests.models.conftest import edit


def test_a_wrong_eos_in_the_configuration_is_corrected(folder: Path) -> None:
    edit(folder / "config.json", eos_token_id=77)
    edit(folder / "generation_config.json", eos_token_id=77)
    loaded = load_base(str(folder), quantization="none")
    assert loaded.stop_token_ids == (2,)
    assert loaded.model.generation_config.eos_token_id == [2]
    assert any("stopped at token [77]: it now stops at [2]" in n for n in loaded.notes)


def test_a_template_closing_with_another_token_stops_at_both(folder: Path) -> None:
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|pad|>"))
    loaded = load_base(str(folder), quantization="none")
    assert loaded.stop_token_ids == (0, 2)
    assert any("ends an answer with '<|pad|>', the tokenizer with '<|end|>'" in n for n in loaded.notes)


def test_a_base_without_a_template_gets_a_plain_one(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    loaded = load_base(str(folder), quantization="none")
    assert loaded.tokenizer.chat_template == PLAIN_TEMPLATE
    assert any("has no chat template" in n for n in loaded.notes)
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    assert loaded.tokenizer.apply_chat_template(turns, tokenize=False) == "User: hi\nAssistant: yo<|end|>\n"


def test_a_template_with_today_s_date_is_noted(folder: Path) -> None:
    template = folder / "chat_template.jinja"
    source = template.read_text()
    dated = (
        "{% if date_string is not defined %}{% set date_string = strftime_now('%d %b') %}{% endif %}{{ date_string }}"
    )
    template.write_text(dated + source)
    loaded, notes = load_chat_template(folder)
    assert notes == [
        "the chat template writes today's date; prompts always have 26 Jul 2024 there: "
        "template_options.date_string sets another"
    ]
    assert loaded.tokenizer.decode(loaded.encode_prompt([Message("user", "q")])).startswith("26 Jul<|start|>")


def test_neither_template_nor_eos_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    edit(folder / "tokenizer_config.json", eos_token=None)
    with pytest.raises(BaseModelError, match="neither a chat template nor an EOS token"):
        load_chat_template(folder)


def test_a_missing_pad_token_is_chosen_without_touching_embeddings(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", pad_token=None)
    loaded = load_base(str(folder), quantization="none")
    assert loaded.tokenizer.pad_token == "<|pad|>"
    assert loaded.model.get_input_embeddings().weight.shape[0] == 260


def add_tokens(folder: Path, *tokens: str, special: bool = True) -> None:
    """Put tokens beyond the 260 rows of the model's table."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(list(tokens), special_tokens=special)
    tokenizer.save_pretrained(folder)


def test_a_control_token_without_weights_is_never_used(folder: Path) -> None:
    add_tokens(folder, "<image_soft_token>", "<|vision|>")
    backend = LocalBackend(str(folder), None, "none", "cpu")
    text = "what is <image_soft_token>? <|vision|>"
    assert any(
        "no weights for 2 of the tokenizer's control tokens ('<image_soft_token>', '<|vision|>')" in n
        for n in backend.engine().notes
    )
    asked = Request(messages=[Message("user", text)], max_tokens=4)
    assert max(backend.prompt_ids(asked)) < 260
    for form in ({"choices": (text, "b")}, {"regex": "<image_soft_token>"}, {"json_schema": {"const": text}}, {}):
        backend.complete([replace(asked, max_tokens=60, **form)])
    assert backend.complete([replace(asked, choices=(text,), max_tokens=60)])[0].text == text
    backend.close()


def test_a_pad_token_without_weights_is_replaced(folder: Path) -> None:
    add_tokens(folder, "[PAD]")
    edit(folder / "tokenizer_config.json", pad_token="[PAD]")
    loaded = load_base(str(folder), quantization="none")
    assert loaded.tokenizer.pad_token == "<|end|>"
    assert loaded.model.generation_config.pad_token_id == 2


@pytest.mark.parametrize(
    ("token", "special", "template"),
    [
        ("word", False, ""),
        ("<tool_call>", True, ""),
        ("<think>", True, ""),
        ("<|img|>", True, "<|img|>"),
        ("→", True, ""),
    ],
)
def test_a_token_without_weights_that_could_come_up_is_refused(
    folder: Path, token: str, special: bool, template: str
) -> None:
    add_tokens(folder, token, special=special)
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text() + template)
    with pytest.raises(
        BaseModelError, match=f"the tokenizer has 261 tokens, the model 260: it has no weights for '{re.escape(token)}'"
    ):
        load_base(str(folder), quantization="none")


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    template, _ = load_chat_template(folder)
    tokenizer = template.tokenizer
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(BaseModelError, match="the tokenizer has 261 tokens, the model 260"):
        load_base(str(folder), quantization="none")


OWN = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


@pytest.fixture
def base(tiny_base: str) -> ChatTemplate:
    return load_chat_template(Path(tiny_base))[0]


def test_a_folder_without_a_tokenizer_or_with_the_bases_uses_the_bases(base: ChatTemplate, tmp_path: Path) -> None:
    assert adapter_chat_template(tmp_path, base) is base
    base.tokenizer.save_pretrained(tmp_path)
    assert adapter_chat_template(tmp_path, base) is base


def test_an_adapters_own_template_is_used(base: ChatTemplate, tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text(OWN)
    alone = adapter_chat_template(tmp_path, base)
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = OWN
    tokenizer.eos_token = "<|pad|>"
    tokenizer.save_pretrained(tmp_path)
    whole = adapter_chat_template(tmp_path, base)
    asked = [Message("user", "hi")]
    assert base.tokenizer.decode(alone.encode_prompt(asked)) == "[user] hi<|end|>[assistant] "
    assert base.tokenizer.decode(whole.encode_prompt(asked)) == "[user] hi<|pad|>[assistant] "
    assert "assistant" in base.tokenizer.decode(base.encode_prompt(asked)), "the base's stays as it is"


def test_a_tokenizer_with_other_ids_is_refused(base: ChatTemplate, tmp_path: Path) -> None:
    from tokenizers import normalizers

    grown, lower, damaged = (copy.deepcopy(base.tokenizer) for _ in range(3))
    grown.add_tokens(["<think>", "<b>"])
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    for name, tokenizer in (("grown", grown), ("lower", lower), ("damaged", damaged)):
        tokenizer.save_pretrained(tmp_path / name)
    (tmp_path / "damaged" / "tokenizer.json").write_text("{")
    for name, message in (
        (
            "grown",
            "its tokenizer is not the base's: 2 of its tokens are not there or have another id, '<b>'",
        ),
        ("lower", "its tokenizer is not the base's: it cuts texts into other tokens"),
        ("damaged", "its tokenizer cannot be read"),
    ):
        with pytest.raises(AdapterError) as caught:
            adapter_chat_template(tmp_path / name, base)
        assert message in str(caught.value)
