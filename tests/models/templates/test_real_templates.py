"""The chat templates of real families of bases: what is learnt is what is asked, and the answer is its words alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken

from domainkit.corpus.example import Example
from domainkit.errors import DataError, RequestError
from domainkit.inference.engine.sequences.detokenizer import Detokenizer
from domainkit.messages import CHANNEL_MARKS, Message, split_reasoning
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.training.examples_to_ids import tokenize_example, tokenize_turns, with_thinking
from tests.conftest import build_tokenizer

trl = pytest.importorskip("trl")
FOLDER = Path(trl.__file__).parent / "chat_templates"
VERSION = re.compile(r"_(training|v[2-9]|2_5_v2|2_5_vl|3_5_lightning|super|ultra)$")
NAMES = sorted(p.stem for p in FOLDER.glob("*.jinja") if not VERSION.search(p.stem))
"""One of each family; later versions of a template differ in what is not tried here."""
MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] %}{%- set turns = messages[1:] %}"
    "{%- else %}{%- set turns = messages %}{%- endif %}{%- for m in turns %}{%- if m['role'] == 'user' %}"
    "{%- if loop.last and system is defined %}{{- '[INST] ' + system + '\n\n' + m['content'] + '[/INST]' }}"
    "{%- else %}{{- '[INST] ' + m['content'] + '[/INST]' }}{%- endif %}"
    "{%- else %}{{- ' ' + m['content'] + '</s>' }}{%- endif %}{%- endfor %}"
)
R1_LIKE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}<|end|>"
    "{% else %}<｜User｜>{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)
MARKS = re.compile(
    r"<\|[^|>\n]{1,40}\|>|<｜[^｜>\n]{1,40}｜>|</?think>|</?tool_call>|</?tool_response>|<(?:start|end)_of_turn>"
    r"|</s>|<end_of_utterance>|\[/?INST\]|<\|?turn\|?>|<\|?channel\|?>|<\|think\|>"
)
PLAIN = {"<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"}
PLAIN |= {"<｜User｜>", "<｜Assistant｜>"}
ENDS = (
    "<|END_OF_TURN_TOKEN|>",
    "<|eot_id|>",
    "<|im_end|>",
    "<end_of_turn>",
    "<turn|>",
    "<|return|>",
    "<|eot|>",
    "</s>",
    "<end_of_utterance>",
)
CONVERSATIONS = {
    "single": (("user", "Capital?"),),
    "system": (("system", "Be short."), ("user", "Capital?")),
    "several": (("user", "a"), ("assistant", "b"), ("user", "Capital?")),
    "system, several": (("system", "Be short."), ("user", "a"), ("assistant", "b"), ("user", "Capital?")),
}


def template_of(source: str) -> ChatTemplate:
    tokenizer: Any = build_tokenizer()
    found = sorted(set(MARKS.findall(source)) - set(tokenizer.get_vocab()))
    tokenizer.add_tokens([AddedToken(t, special=t not in PLAIN, normalized=False) for t in found])
    vocabulary = tokenizer.get_vocab()
    tokenizer.eos_token = next((t for t in ENDS if t in vocabulary), "<|end|>")
    tokenizer.chat_template = source
    return ChatTemplate(tokenizer)


def words_of(template: ChatTemplate, ids: list[int], *, thinks: bool = False, opened: bool = False) -> tuple[str, str]:
    """(reasoning, words) of generated ids, as they are shown."""
    text = Detokenizer(template.tokenizer, (), CHANNEL_MARKS if thinks else ())
    for token in ids:
        if token in template.stop_token_ids:
            break
        text.push(token)
    text.finish()
    return split_reasoning(text.text, opened=opened)


def example(*turns: tuple[str, str]) -> Example:
    return Example.model_validate({"turns": [{"role": r, "content": c} for r, c in turns], "source": "x:1"})


SOURCES = {name: (FOLDER / f"{name}.jinja").read_text() for name in NAMES} | {"mistral": MISTRAL, "r1-like": R1_LIKE}


@pytest.mark.parametrize("name", SOURCES)
def test_every_family_learns_the_words_after_the_prompt_that_it_is_asked(name: str) -> None:
    template = template_of(SOURCES[name])
    for case, turns in CONVERSATIONS.items():
        row = tokenize_example(example(*turns, ("assistant", "Paris")), template, 4096)
        asked = [Message(r, c) for r, c in turns]  # type: ignore[arg-type]
        assert list(row.ids[: row.start]) == template.encode_prompt(asked), case
        assert words_of(template, list(row.ids[row.start :]))[1].strip() == "Paris", case
        text = template.tokenizer.decode(list(row.ids))
        assert all(text.count(c) == 1 for r, c in turns if r == "system"), case
        assert text.index("Capital?") < text.index("Paris"), case


@pytest.mark.parametrize("name", SOURCES)
def test_every_family_learns_all_turns_behind_the_prompts_that_they_are_asked_with(name: str) -> None:
    template = template_of(SOURCES[name])
    for turns in (CONVERSATIONS["several"], CONVERSATIONS["system, several"]):
        row = example(*turns, ("assistant", "Paris"))
        learnt: list[tuple[tuple[int, ...], int]] = []
        for one in tokenize_turns(row, template, 4096):
            learnt += [(one.ids[:i], one.ids[i]) for i in one.learnt]
        wanted: list[tuple[tuple[int, ...], int]] = []
        for place in (i for i, turn in enumerate(row.turns) if turn.role == "assistant"):
            part = tokenize_example(row.model_copy(update={"turns": row.turns[: place + 1]}), template, 4096)
            wanted += [(part.ids[:i], part.ids[i]) for i in range(part.start, len(part.ids))]
        assert sorted(learnt) == sorted(wanted)


THINKERS = ("qwen3", "qwen3_5_think", "qwen3_6", "nemotron_3_nano", "glm4moe", "gptoss", "r1-like")


@pytest.mark.parametrize("name", THINKERS)
def test_reasoning_is_learnt_behind_a_prompt_that_asks_for_it_and_is_split_off(name: str) -> None:
    template = template_of(SOURCES[name])
    thought = example(("user", "2+2?"), ("assistant", "<think>\ntwo and two\n</think>\n\n4"))
    plain = example(("user", "3?"), ("assistant", "3"))
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "reasoning": "two and two"}]
    field = Example.model_validate({"turns": turns})
    assert not with_thinking(template, {}, [plain]).options["enable_thinking"]
    thinking = with_thinking(template, {}, [plain, thought])
    opened = thinking.thinking({}) == "opened"
    for row, wanted in ((thought, ("two and two", "4")), (field, ("two and two", "4")), (plain, ("", "3"))):
        found = tokenize_example(row, thinking, 4096)
        assert list(found.ids[: found.start]) == thinking.encode_prompt(row.prompt)
        assert words_of(thinking, list(found.ids[found.start :]), thinks=True, opened=opened) == wanted
    with pytest.raises(DataError, match=r"thinking is off[\s\S]*template_options.enable_thinking=true"):
        tokenize_example(thought, template, 4096)


@pytest.mark.parametrize("name", THINKERS)
def test_an_answer_held_to_a_form_begins_behind_the_reasoning(name: str) -> None:
    template = template_of(SOURCES[name])
    asked = [Message("user", "Capital?")]
    row = tokenize_example(example(("user", "Capital?"), ("assistant", "Paris")), template, 4096)
    held = template.with_options({"enable_thinking": True}).encode_prompt(asked, words_only=True)
    assert held == list(row.ids[: row.start]) == template.encode_prompt(asked)
    assert template.encode_prompt(asked, options={"enable_thinking": True}) != held


@pytest.mark.parametrize("name", THINKERS)
def test_a_form_behind_reasoning_has_the_tokens_that_were_learnt(name: str) -> None:
    thinking = template_of(SOURCES[name]).with_options({"enable_thinking": True})
    turns = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "reasoning": "two and two"}]
    row = tokenize_example(Example.model_validate({"turns": turns}), thinking, 4096)
    first = thinking.encode_reasoning_prompt([Message("user", "2+2?")])
    assert first is not None
    spoken = [*first.ids, *thinking.encode_text("two and two"), *first.line_end, *first.closing]
    assert spoken == list(row.ids[: len(spoken)])
    assert words_of(thinking, list(row.ids[len(spoken) :]))[1] == "4"
    assert template_of(SOURCES[name]).encode_reasoning_prompt([Message("user", "2+2?")]) is None


def test_options_are_the_template_s_own_or_refused() -> None:
    gptoss, qwen, plain = (template_of(SOURCES[name]) for name in ("gptoss", "qwen3", "qwen2_5"))
    asked = [Message("user", "q")]
    low = gptoss.tokenizer.decode(gptoss.encode_prompt(asked, options={"reasoning_effort": "low"}))
    assert "Reasoning: low" in low
    assert low.endswith("assistant")
    with pytest.raises(RequestError, match=r"no option 'reasoning_effort'[\s\S]*enable_thinking"):
        qwen.encode_prompt(asked, options={"reasoning_effort": "low"})
    with pytest.raises(RequestError, match="enable_thinking is on, but this base's chat template has no reasoning"):
        plain.with_options({"enable_thinking": True})
    assert plain.encode_prompt(asked, options={"enable_thinking": False}) == plain.encode_prompt(asked)
    with pytest.raises(RequestError, match="has no option 'messages'"):
        qwen.with_options({"messages": []})


@pytest.mark.parametrize(("name", "written"), [("llama3_2", "26 Jul 2024"), ("gptoss", "2024-07-26")])
def test_a_prompt_is_the_same_on_every_day(name: str, written: str) -> None:
    template = template_of(SOURCES[name])
    asked = [Message("user", "q")]
    prompt, _ = template.encode_prompt_and_answer([*asked, Message("assistant", "a")])
    assert written in template.tokenizer.decode(prompt)
    assert prompt == template.encode_prompt(asked)
    if name == "llama3_2":
        dated = template.encode_prompt(asked, options={"date_string": "1 May 2030"})
        assert "Today Date: 1 May 2030" in template.tokenizer.decode(dated)


def test_reasoning_of_a_base_that_does_not_think_is_refused_and_never_dropped() -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "4", "reasoning": "two and two"}]
    with pytest.raises(DataError, match="has reasoning, which this base's chat template does not write"):
        tokenize_example(Example.model_validate({"turns": turns}), template_of(SOURCES["qwen2_5"]), 4096)


@pytest.mark.parametrize("name", ["qwen3", "r1-like", "qwen2_5", "gptoss"])
def test_a_domain_s_own_tokens_are_learnt_as_they_are_and_no_turn_is_forged(name: str) -> None:
    tokenizer = template_of(SOURCES[name]).tokenizer
    tokenizer.add_tokens([AddedToken("[CITE]", special=False, normalized=False)])
    template = ChatTemplate(tokenizer)
    cite = tokenizer.convert_tokens_to_ids("[CITE]")
    row = tokenize_example(example(("user", "from [CITE]?"), ("assistant", "see [CITE] 3")), template, 4096)
    assert list(row.ids[: row.start]).count(cite) == list(row.ids[row.start :]).count(cite) == 1
    marks = sorted({t for t in MARKS.findall(template.traits.source) if "think" not in t})
    forged, plain = (template.encode_prompt([Message("user", text)]) for text in ("x" + "".join(marks), "x"))
    ids = tokenizer.convert_tokens_to_ids(marks)
    assert [forged.count(i) for i in ids] == [plain.count(i) for i in ids]
