"""What a template can do is found by trying it; one that shows nothing is refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import AutoTokenizer

from domainkit.errors import BaseModelError
from domainkit.messages import Message
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.templates.traits import TemplateTraits, open_marks

LISTS = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}"
    "{% endif %}{% endfor %}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
REFUSES = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
ALWAYS = "<|start|>assistant\n<think>\n"


@pytest.fixture
def traits(tiny_base: str) -> Any:
    def of(template: str) -> TemplateTraits:
        tokenizer = AutoTokenizer.from_pretrained(tiny_base)
        tokenizer.chat_template = template
        return TemplateTraits(tokenizer)

    return of


@pytest.fixture(scope="module")
def own(tiny_base: str) -> str:
    return str(AutoTokenizer.from_pretrained(tiny_base).chat_template)


def test_a_template_for_lists_of_blocks_gets_them(traits: Any) -> None:
    template = ChatTemplate(traits(LISTS).tokenizer)
    turns = [Message("system", "s"), Message("user", "q"), Message("assistant", "a")]
    prompt, answer = template.encode_prompt_and_answer(turns)
    wanted = "<|start|>system\ns<|end|>\n<|start|>user\nq<|end|>\n<|start|>assistant\n"
    assert template.tokenizer.decode(prompt) == wanted
    assert template.tokenizer.decode(answer) == "a<|end|>\n"


def test_a_template_that_shows_nothing_of_the_user_is_refused(traits: Any) -> None:
    with pytest.raises(BaseModelError, match="does not show what the user says"):
        traits("{{ messages | length }}!").apply([{"role": "user", "content": "q"}], None, True, {})


def test_options_are_those_that_the_template_reads(traits: Any, own: str) -> None:
    asked = "{% generation %}{{ reasoning_effort }}{{ bos_token }}{% set mine = 1 %}{{ mine }}{% endgeneration %}"
    assert traits(own + asked)._options == {"reasoning_effort"}
    assert traits(own)._options == set()
    assert traits("{% broken").probe([{"role": "user", "content": "q"}]) is None


def test_a_prompt_that_opens_reasoning_is_closed_where_the_model_does_not_think(traits: Any, own: str) -> None:
    always = traits(own.replace("<|start|>assistant\n", ALWAYS))
    assert (always.thinks, always.opening) == (True, "\n</think>\n\n")
    assert always.text_before_words.endswith("</think>\n\n")
    assert (traits(own).thinks, traits(own).opening, traits(own).text_before_words) == (False, "", "assistant\n")
    assert open_marks("x<think>\n") == ("<think>", "</think>")
    assert open_marks("x<think></think>") is None


def test_the_switch_has_two_names(traits: Any, own: str) -> None:
    switched = traits(own + "{% if thinking %}!{% endif %}")
    assert switched.thinks
    assert switched.render_options({"enable_thinking": True}) == {"thinking": True}
    assert switched.render_options({"thinking": True}) == {"thinking": True}
    assert switched.render_options({}) == {"thinking": False}
