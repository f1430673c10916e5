"""The Go template writes the prompt of the base's own template, or is refused."""

from __future__ import annotations

import pytest

from domainkit.errors import BaseModelError
from domainkit.export.ollama.go_template import CONTENTS, PROBES, prompt_text, read_marks, trims
from domainkit.messages import Message, Role
from domainkit.models.templates.chat_template import ChatTemplate
from tests.conftest import TEMPLATE, build_tokenizer
from tests.export.ollama.go_interpreter import render

DEFAULT_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}<|start|>system\nYou are \"tiny\".<|end|>\n{% endif %}" + TEMPLATE
)
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "[{{ 'model' if m['role'] == 'assistant' else 'user' }}]\n{{ m['content'] | trim }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}[model]\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}{{ eos_token }}{% else %}{{ raise_exception('no') }}"
    "{% endif %}{% endfor %}"
)
NUMBERED = (
    "{% for m in messages %}<|start|>{{ loop.index }} {{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
LAST_ONLY = "{{ messages[-1]['content'] }}<|end|>{% if add_generation_prompt %}<|start|>{% endif %}"


def template_of(source: str) -> ChatTemplate:
    tokenizer = build_tokenizer()
    tokenizer.chat_template = source
    return ChatTemplate(tokenizer)


def conversation(roles: tuple[Role, ...]) -> list[Message]:
    return [Message(role, CONTENTS[i]) for i, role in enumerate(roles)]


@pytest.mark.parametrize("source", [TEMPLATE, DEFAULT_SYSTEM, NO_SYSTEM, MISTRAL])
@pytest.mark.parametrize("roles", PROBES)
def test_go_writes_what_jinja_writes(source: str, roles: tuple[Role, ...]) -> None:
    template = template_of(source)
    turns = conversation(roles)
    messages = [{"Role": t.role, "Content": t.content} for t in turns]
    wanted = prompt_text(template, turns)
    marks = read_marks(template)
    assert render(marks.go(), messages) == wanted
    assert render(marks.go(with_start=False), messages) == wanted.removeprefix(marks.start)
    assert marks.start == (("<|start|>") if source in (NO_SYSTEM, MISTRAL) else "")


@pytest.mark.parametrize("source", [NUMBERED, LAST_ONLY])
def test_a_template_that_is_more_than_marks_is_refused_with_the_way_out(source: str) -> None:
    with pytest.raises(BaseModelError, match="does not write turns between fixed marks") as e:
        read_marks(template_of(source))
    assert "raw: true" in str(e.value)
    assert "llama-server" in str(e.value)


def test_a_template_that_trims_is_noticed() -> None:
    assert trims(template_of(NO_SYSTEM))
    assert not trims(template_of(TEMPLATE))


@pytest.mark.real
def test_the_packaged_model_s_default_system_turn_is_kept() -> None:
    from domainkit.models.gguf import model_folder
    from domainkit.models.source import resolve_base
    from domainkit.models.tokenizer import load_chat_template

    template, _ = load_chat_template(model_folder(resolve_base("builtin:smollm2-135m")))
    written = render(read_marks(template).go(), [{"Role": "user", "Content": "Hi"}])
    assert written == prompt_text(template, [Message("user", "Hi")])
    assert "<|im_start|>system" in written
