"""Text cannot become control tokens; only the answer, with the token that closes it, is supervised."""

from __future__ import annotations

from typing import Any

import pytest
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
from domainkit.training.examples_to_ids import (
    TokenizedExample,
    longest_example,
    preview,
    tokenize_documents,
    tokenize_example,
    tokenize_examples,
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
