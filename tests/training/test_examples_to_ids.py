"""Text cannot become control tokens; only the answer, with the token that closes it, is supervised."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from domainkit.corpus.document import Document
from domainkit.corpus.example import Example, Turn
from domainkit.errors import BaseModelError, ConfigError, DataError
from domainkit.inference.backend import Request
from domainkit.inference.local import LocalBackend
from domainkit.messages import ToolCall, parse_calls
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.training.batches import pack, pad
from domainkit.training.examples_to_ids import (
    TokenizedExample,
    longest_example,
    note_of_turns,
    preview,
    tokenize_documents,
    tokenize_example,
    tokenize_examples,
    tokenize_turns,
    with_thinking,
)
from tests.inference.engine.tiny_models import BOUNDARY, build, build_longrope
from tests.models.hostile_text import END, hostile, quick


@pytest.fixture(scope="module")
def template(tiny_base: str) -> ChatTemplate:
    return ChatTemplate(AutoTokenizer.from_pretrained(tiny_base))


def example(question: str, answer: str, line: int = 7) -> Example:
    turns = (Turn(role="user", content=question), Turn(role="assistant", content=answer))
    return Example(turns=turns, source=f"rows.jsonl:{line}", line=line)


@quick
@given(question=hostile, answer=hostile.filter(bool))
def test_only_the_answer_and_its_closing_token_are_supervised(
    template: ChatTemplate, question: str, answer: str
) -> None:
    found = tokenize_example(example(question, answer), template, 2048)
    assert template.tokenizer.decode(found.ids[found.start :]) == answer + "<|end|>"
    assert (
        template.tokenizer.decode(found.ids[: found.start]) == f"<|start|>user\n{question}<|end|>\n<|start|>assistant\n"
    )
    assert found.ids[-1] == END
    prompt = template.encode_chat([{"role": "user", "content": question}], add_generation_prompt=True)
    assert list(found.ids[: found.start]) == prompt


def test_only_the_last_turn_is_supervised(template: ChatTemplate) -> None:
    turns = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    found = tokenize_example(Example(turns=tuple(Turn(role=r, content=c) for r, c in turns)), template, 999)  # type: ignore[arg-type]
    assert found.supervised == 2
    assert preview(found, template.tokenizer).endswith("<|start|>assistant\n⟦d<|end|>⟧")


def test_an_empty_answer_teaches_nothing(template: ChatTemplate) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl:7: the answer is empty") as caught:
        tokenize_example(example("q", ""), template, 99)
    assert caught.value.problems[0].line == 7


def test_every_too_long_row_is_listed_and_none_is_cut(template: ChatTemplate) -> None:
    rows = [example("q", "ok", 1), example("q" * 90, "x", 2), example("q", "x" * 90, 3)]
    with pytest.raises(DataError) as caught:
        tokenize_examples(rows, template, 80)
    assert [p.line for p in caught.value.problems] == [2, 3]
    assert "are more than max_length=80" in str(caught.value)


def test_a_template_that_never_closes_the_answer_is_refused(tiny_base: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    with pytest.raises(DataError, match="never learn to stop"):
        tokenize_example(example("q", "a"), ChatTemplate(tokenizer), 99)


def test_a_template_that_drops_the_answer_is_refused_with_the_row(tiny_base: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.chat_template = "{{ messages[0].content }}!"
    with pytest.raises(DataError, match=r"rows.jsonl:7[\s\S]*does not write the assistant's words"):
        tokenize_example(example("q", "a"), ChatTemplate(tokenizer), 99)


@quick
@given(texts=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=4), length=st.integers(8, 40))
def test_documents_are_learnt_token_by_token_exactly_once(
    template: ChatTemplate, texts: list[str], length: int
) -> None:
    documents = [Document(text=t, source="d", id=str(i)) for i, t in enumerate(texts)]
    blocks = tokenize_documents(documents, template, length)
    assert all(len(b.ids) <= length and b.supervised > 0 for b in blocks)
    wanted = [i for t in texts for i in [*template.encode_text(t), END][1:]]
    assert [i for b in blocks for i in b.ids[b.start :]] == wanted


def test_documents_need_an_end_of_text_token(tiny_base: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.eos_token = None
    with pytest.raises(BaseModelError, match="no EOS token"):
        tokenize_documents([Document(text="a", source="d", id="0")], ChatTemplate(tokenizer), 9)


def test_preview_marks_what_is_learnt(template: ChatTemplate) -> None:
    ids = tuple(template.encode_text("abcd"))
    assert preview(TokenizedExample(ids, 2, ""), template.tokenizer) == "ab⟦cd⟧"


ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
    },
}
KNOWS_TOOLS = """\
{% if tools %}<|start|>system
{% for t in tools %}{{ t | tojson }}
{% endfor %}<|end|>
{% endif %}{% for m in messages %}<|start|>{{ 'user' if m.role == 'tool' else m.role }}
{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|end|>
{% endfor %}{% if add_generation_prompt %}<|start|>assistant
{% endif %}"""


@pytest.mark.parametrize("template", [None, KNOWS_TOOLS], ids=["tools as text", "tools in the template"])
def test_tools_are_learnt_in_the_form_in_which_they_are_asked_for(
    tiny_base: str, template: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt's ids are those of the engine for the same messages. The supervised text parses as the call."""
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    if template:
        monkeypatch.setattr(backend.tokenizer, "chat_template", template)
    assert backend.chat_template.traits.knows_tools == bool(template)
    asked = (Turn(role="user", content="1 and 2?"),)
    made = ToolCall(name="add", arguments={"a": 1}, id="c1")
    called = (*asked, Turn(role="assistant", content="", tool_calls=(made,)))
    given_back = (*called, Turn(role="tool", content="3 <|end|>", tool_call_id="c1", name="add"))
    answered = (*given_back, Turn(role="assistant", content="Three."))
    for turns, ending in ((called, "</tool_call><|end|>"), (answered, "Three.<|end|>")):
        row = tokenize_example(Example(turns=turns, tools=(ADD,), source="rows.jsonl:1"), backend.chat_template, 2048)
        assert list(row.ids[: row.start]) == backend.prompt_ids(Request(turns[:-1], tools=(ADD,)))
        text = backend.tokenizer.decode(list(row.ids[row.start :]))
        assert text.endswith(ending)
        calls = parse_calls(text.removesuffix("<|end|>"), [ADD])[1]
        assert [(c.name, c.arguments) for c in calls] == ([("add", {"a": 1})] if turns is called else [])
        assert list(row.ids).count(END) == len(turns) + 1, (
            "one for each turn and the tools', none from the tool's own text"
        )
    backend.close()


class Loaded:
    """As much of a LoadedBase as the limit of an example needs."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.context_length = 512


def test_rows_that_may_not_cross_the_rope_boundary_end_at_it() -> None:
    longrope: Any = Loaded(build_longrope())
    assert longest_example(longrope, None) == 512
    assert longest_example(longrope, 300, n_virtual=4) == 300
    assert longest_example(longrope, None, 4, "why") == BOUNDARY - 4
    assert longest_example(longrope, 20, 4, "why") == 20
    with pytest.raises(ConfigError, match="300: beyond 60 tokens the base's rotary frequencies change, and why") as e:
        longest_example(longrope, 300, 4, "why")
    assert "set max_length=60 or less" in str(e.value)
    other: Any = Loaded(build("llama"))
    assert longest_example(other, 300, 4, "why") == 300


# ---- all turns of the assistant --------------------------------------------------------------------------------------

TALK = (
    ("system", "s"),
    ("user", "one?"),
    ("assistant", "first"),
    ("user", "two?"),
    ("assistant", "second"),
    ("user", "three?"),
    ("assistant", "third"),
)
DROPS_THOUGHTS = (
    "{%- for m in messages %}{{ '<|start|>' + m.role + '\n' }}"
    "{%- if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1].lstrip() }}"
    "{%- else %}{{ m.content }}{%- endif %}{{ '<|end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|start|>assistant\n' }}"
    "{%- if not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
SYSTEM_LAST = (
    "{%- for m in messages %}{%- if m.role == 'user' and loop.index0 >= messages | length - 2 %}"
    "{{ '<|start|>user\n(be short) ' + m.content + '<|end|>\n' }}"
    "{%- else %}{{ '<|start|>' + m.role + '\n' + m.content + '<|end|>\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|start|>assistant\n' }}{%- endif %}"
)
ALTERNATES = (
    "{%- for m in messages %}{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{%- endif %}"
    "{{ '<|start|>' + m.role + '\n' + m.content + '<|end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|start|>assistant\n' }}{%- endif %}"
)


def talk(turns: Sequence[tuple[str, str]] = TALK, **fields: Any) -> Example:
    return Example(turns=tuple(Turn(role=r, content=c) for r, c in turns), source="rows.jsonl:7", line=7, **fields)  # type: ignore[arg-type]


def written_by(tiny_base: str, source: str | None) -> ChatTemplate:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    tokenizer.chat_template = source or tokenizer.chat_template
    return ChatTemplate(tokenizer)


def check_law(found: Sequence[TokenizedExample], row: Example, template: ChatTemplate) -> list[str]:
    """Every turn is learnt once, each of its tokens behind exactly the ids that it is asked with; no other is."""
    learnt = {}
    for one in found:
        for i in one.learnt:
            learnt.setdefault((one.ids[:i], one.ids[i]), 0)
            learnt[one.ids[:i], one.ids[i]] += 1
    wanted = {}
    places = [i for i, turn in enumerate(row.turns) if turn.role == "assistant" and turn.learnt]
    for place in places:
        part = tokenize_example(row.model_copy(update={"turns": row.turns[: place + 1]}), template, 9999)
        wanted |= {(part.ids[:i], part.ids[i]): 1 for i in range(part.start, len(part.ids))}
    assert learnt == wanted
    assert sum(one.supervised for one in found) == len(wanted)
    return [preview(one, template.tokenizer) for one in found]


@pytest.mark.parametrize("source", [None, DROPS_THOUGHTS, SYSTEM_LAST, ALTERNATES], ids=lambda s: (s or "plain")[:30])
@pytest.mark.parametrize("shares_rows", [True, False])
def test_every_turn_is_learnt_behind_the_prompt_that_it_is_asked_with(
    tiny_base: str, source: str | None, shares_rows: bool
) -> None:
    template = written_by(tiny_base, source)
    found = tokenize_turns(talk(), template, 999, shares_rows)
    shown = check_law(found, talk(), template)
    if not shares_rows or source in (DROPS_THOUGHTS, SYSTEM_LAST):
        # With thinking off, the empty block stands before the last words alone, as it will when they are asked for.
        assert len(found) == 3
    else:
        assert [text.count("⟦") for text in shown] == [3]
        assert "⟦first<|end|>⟧" in shown[0]


def test_thoughts_that_the_template_drops_later_are_learnt_in_rows_of_their_own(tiny_base: str) -> None:
    row = talk([(r, f"<think>\nhm {c}\n</think>\n\n{c}" if r == "assistant" else c) for r, c in TALK])
    template = with_thinking(written_by(tiny_base, DROPS_THOUGHTS), {}, [row], "all")
    found = tokenize_turns(row, template, 999)
    shown = check_law(found, row, template)
    assert len(shown) == 3
    assert "⟦<think>\nhm second\n</think>\n\nsecond<|end|>⟧" in shown[1]
    assert "<|start|>assistant\nfirst<|end|>" in shown[1]  # its history is without thoughts, as it is asked


def test_thinking_is_on_where_an_earlier_turn_that_is_learnt_thinks(tiny_base: str) -> None:
    thinks = [(r, "<think>\nhm\n</think>\n\nfirst" if c == "first" else c) for r, c in TALK]
    template = written_by(tiny_base, DROPS_THOUGHTS)
    assert with_thinking(template, {}, [talk(thinks)], "all").options["enable_thinking"] is True
    assert with_thinking(template, {}, [talk(thinks)]).options["enable_thinking"] is False
    with pytest.raises(DataError, match="turn 3: the answer has reasoning, but the template's thinking is off"):
        tokenize_turns(talk(thinks), with_thinking(template, {"enable_thinking": False}, [talk(thinks)], "all"), 999)


def test_calls_are_learnt_with_all_turns_and_results_never(template: ChatTemplate) -> None:
    call = ToolCall("add", {"a": 1, "b": 2}, "c1")
    turns = (
        Turn(role="user", content="1 + 2?"),
        Turn(role="assistant", content="", tool_calls=(call,)),
        Turn(role="tool", content="3", tool_call_id="c1"),
        Turn(role="assistant", content="Three."),
        Turn(role="user", content="Thanks."),
        Turn(role="assistant", content="Any time."),
    )
    row = Example(turns=turns, tools=(ADD,))
    shown = "".join(check_law(tokenize_turns(row, template, 2000), row, template))
    learnt = re.findall("⟦(.*?)⟧", shown, re.DOTALL)
    assert [part.split("<|end|>")[0] for part in learnt][1:] == ["Three.", "Any time."]
    assert parse_calls(learnt[0], [ADD]).calls[0].arguments == {"a": 1, "b": 2}


def test_turns_that_the_row_excludes_or_nobody_asked_for_are_not_learnt(template: ChatTemplate) -> None:
    turns = [("assistant", "Welcome!"), *TALK[1:]]
    rows = [talk(turns), talk()]
    muted = rows[1].model_copy(
        update={"turns": tuple(replace(t, learnt=False) if t.content == "second" else t for t in rows[1].turns)}
    )
    found = [tokenize_turns(row, template, 999) for row in (rows[0], muted)]
    shown = ["".join(preview(one, template.tokenizer) for one in of_one) for of_one in found]
    assert "⟦Welcome" not in shown[0]
    assert shown[0].count("⟦") == 3
    assert "⟦second" not in shown[1]
    assert shown[1].count("⟦") == 2
    note = note_of_turns([rows[0], muted], found)
    assert note is not None
    assert note.startswith("5 turns of the assistant are learnt from 2 rows")
    assert note.endswith("2 are not: they stand before the first question, or have the weight 0")


def test_a_row_beyond_the_rotary_boundary_leaves_shorter_turns_to_rows_of_their_own(template: ChatTemplate) -> None:
    whole = tokenize_turns(talk(), template, 999)[0]
    found = tokenize_turns(talk(), template, 999, boundary=len(whole.ids) - 5)
    check_law(found, talk(), template)
    assert len(found) == 3


def test_packed_padded_and_split_rows_of_all_turns_have_the_same_targets(template: ChatTemplate) -> None:
    one = tokenize_turns(talk(), template, 999)
    three = tokenize_turns(talk(), template, 999, shares_rows=False)
    packed, padded, parts = pack(one, torch.float32), pad(one, 0), pad(three, 0)
    assert packed.targets.tolist() == padded.targets.tolist() == parts.targets.tolist()
    assert packed.columns.tolist() == padded.columns.tolist() == parts.columns.tolist()
    ids = {(int(c), int(padded.input_ids[0, c])) for c in padded.columns}
    assert ids == {(int(c), int(parts.input_ids[r, c])) for r, c in zip(parts.rows, parts.columns, strict=True)}
