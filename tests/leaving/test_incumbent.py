"""How the incumbent is asked, and when it is asked no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit import Sample, Task
from domainkit.errors import ConfigError
from domainkit.leaving.incumbent import Incumbent, asked_as, incumbent_variant
from domainkit.llm.named_model import NamedModel
from tests.leaving.scripted import Scripted

SAMPLES = tuple(Sample(id=str(i), input=f"question {i} red", target="red", references=("red",)) for i in range(3))
TASK = Task(name="t", kind="label", labels=("blue", "red"), samples=SAMPLES, fingerprint="")
WITH_SYSTEM = TASK.model_copy(update={"samples": tuple(s.model_copy(update={"system": "Sort."}) for s in SAMPLES)})


@pytest.mark.parametrize(
    ("name", "task", "form"),
    [
        ("openai:gpt-5-mini", TASK, "instruction"),
        ("openai:gpt-5-mini", WITH_SYSTEM, "rows"),
        ("openai:ft:gpt-4o-mini:desk::abc", TASK, "rows"),
        ("server:http://127.0.0.1:1#ft:desk", TASK, "rows"),
        ("openai:draft:x", TASK, "instruction"),
    ],
)
def test_a_fine_tuned_model_is_asked_as_it_was_trained(name: str, task: Task, form: str) -> None:
    assert asked_as(NamedModel(name, Scripted(), "k"), task) == form


def test_an_adapter_was_trained_on_rows(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert asked_as(NamedModel(str(tmp_path), Scripted(), "k"), TASK) == "rows"


def asked(task: Task, form: str | None, question: object) -> list[tuple[str, str]]:
    variant = incumbent_variant(Scripted(), task, form).variant  # type: ignore[arg-type]
    assert isinstance(variant.runnable, Incumbent)
    return [(m.type, m.text) for m in variant.runnable.chain.messages(question)]  # type: ignore[arg-type]


def test_rows_are_asked_as_they_are() -> None:
    row = {"question": "red", "system": "Sort.", "history": [{"role": "user", "content": "hi"}]}
    assert asked(TASK, "rows", row) == [("system", "Sort."), ("human", "hi"), ("human", "red")]
    assert asked(TASK, "rows", "red") == [("human", "red")]


def test_an_instruction_names_the_labels_and_keeps_the_rows_system_turn() -> None:
    (kind, said), human = asked(TASK, None, {"question": "red", "system": "Sort."})
    assert (kind, human) == ("system", ("human", "red"))
    assert said.startswith("Sort.")
    assert "blue\nred" in said


def test_another_way_to_ask_has_other_answers_on_disk() -> None:
    forms = [incumbent_variant(Scripted(), TASK, form).variant.identity for form in ("rows", "instruction", None)]  # type: ignore[arg-type]
    assert forms[0] != forms[1] == forms[2]


def test_questions_of_a_batch_are_answered_in_order() -> None:
    runnable = incumbent_variant(Scripted(), TASK, "rows").variant.runnable
    assert isinstance(runnable, Incumbent)
    assert [a.text for a in runnable.batch(["a red", {"question": "a blue"}])] == ["red", "blue"]
    assert runnable.is_elsewhere


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="neither a chat model nor the name of one"):
        incumbent_variant(7, TASK)  # type: ignore[arg-type]
