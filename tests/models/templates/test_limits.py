"""A chat template that loops or multiplies without bound is refused in words, soon; every other one is left alone."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from transformers import AutoTokenizer

from domainkit.errors import BaseModelError
from domainkit.messages import Message
from domainkit.models.templates import limits as template_limits
from domainkit.models.templates.chat_template import ChatTemplate

LOOPS = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}{{ messages[0].content }}"
DOUBLES = "{% set n = namespace(x='ab') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}"
GROWS = "{% set n = namespace(x=['a']) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (LOOPS, "loops without end"),
        (DOUBLES, "multiplies without bound"),
        (GROWS, "multiplies without bound"),
        ("{{ 'x' * 9999999999 }}", "multiplies without bound"),
        ("{{ 9999999 * 'x' }}", "multiplies without bound"),
        ("{{ 10 ** 10 ** 10 }}", "multiplies without bound"),
        ("{% if messages | length > 2 %}" + LOOPS + "{% endif %}{{ messages[0].content }}", "loops without end"),
    ],
)
def test_it_is_refused_in_words_and_soon(
    tiny_base: str, source: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_limits, "SECONDS", 0.2)
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.chat_template = source
    begin, traced = time.monotonic(), sys.gettrace()
    for ask in (lambda t: t.encode_prompt([Message("user", "q")]), lambda t: t.closing_token_id):
        with pytest.raises(BaseModelError, match=f"chat template {what}"):
            ask(ChatTemplate(tokenizer))
    assert time.monotonic() - begin < 60
    assert sys.gettrace() is traced


def test_a_template_s_own_arithmetic_is_no_fault(tiny_base: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.chat_template = "{{ '-' * 40 }}{% for i in range(300) %}{{ i * 2 }}{% endfor %}" + tokenizer.chat_template
    assert ChatTemplate(tokenizer).encode_prompt([Message("user", "q")])
