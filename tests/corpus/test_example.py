"""What is learnt from an example, what is asked, and what its fingerprint depends on."""

from __future__ import annotations

from domainkit.corpus.example import Example, Turn
from domainkit.messages import ToolCall

CALL = ToolCall(name="count", arguments={"of": "bees", "où": "ruche"}, id="c1")


def conversation(*turns: tuple[str, str], **more: object) -> Example:
    return Example.model_validate({"turns": [{"role": role, "content": text} for role, text in turns], **more})


def test_the_prompt_is_all_but_the_last_turn_and_the_question_the_last_of_the_user() -> None:
    example = conversation(("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    assert [t.content for t in example.prompt] == ["s", "a", "b", "c"]
    assert (example.question, example.target) == ("c", "d")


def test_an_example_without_a_user_turn_has_an_empty_question() -> None:
    assert conversation(("system", "s"), ("assistant", "d")).question == ""


def test_the_target_of_a_call_is_its_json_below_the_text() -> None:
    called = '{"name": "count", "arguments": {"of": "bees", "où": "ruche"}}'
    for text, target in (("", called), ("I count.", f"I count.\n{called}")):
        assert Example(turns=(Turn(role="assistant", content=text, tool_calls=(CALL,)),)).target == target


def test_an_example_uses_tools_when_it_has_them_calls_them_or_reads_their_result() -> None:
    plain = conversation(("user", "a"), ("assistant", "b"))
    assert not plain.uses_tools
    assert plain.model_copy(update={"tools": ({"name": "count"},)}).uses_tools
    assert conversation(("user", "a"), ("tool", "3"), ("assistant", "b")).uses_tools
    assert Example(turns=(Turn(role="assistant", content="", tool_calls=(CALL,)),)).uses_tools


def test_the_training_content_depends_on_what_is_learnt_alone() -> None:
    example = conversation(("user", "a"), ("assistant", "b"), source="x.jsonl:1", line=1, id="1", doc_ids=["d"])
    moved = conversation(("user", "a"), ("assistant", "b"), source="y.jsonl:9", line=9)
    assert example.training_content == moved.training_content == example.lesson
    assert example.training_content != conversation(("user", "a"), ("assistant", "c")).training_content
    assert example.training_content != conversation(("user", "a"), ("assistant", "b"), task="t").training_content
