"""A teacher behind HTTP answers; what is accepted becomes rows; a killed run asks nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import domainkit
from domainkit import Example, Turn, read_examples
from domainkit.distillation.acceptance import GRADED_LOW, NO_REPLY, NOT_GRADED, WRONG
from domainkit.distillation.answer_form import NOT_A_FORM
from domainkit.distillation.questions import REPEATED, SOLVED, TESTED
from domainkit.errors import ConfigError, DataError, MachineError
from domainkit.retrieval import MiniLMEmbeddings
from tests.hosted_server import Hosted, hosted, question
from tests.synthesis.scripted import Scripted

LIKE = [
    {"input": f"{word} number {number}", "target": label}
    for number in ("one", "two", "three", "four")
    for word, label in (("parcel", "shipping"), ("invoice", "billing"))
]
QUESTIONS = ["where is my parcel today", "the invoice has two dates", "a parcel came broken", "do you sell tea"]


def routed(body: dict[str, Any]) -> str:
    text = question(body)
    label = "shipping" if "parcel" in text else "billing" if "invoice" in text else "no idea"
    # Where the provider is held to a schema, it writes an object of it.
    return json.dumps({"answer": label}) if body.get("response_format") or body.get("tools") else label


@pytest.fixture
def provider() -> Iterator[Hosted]:
    with hosted(routed) as one:
        yield one


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_accepted_answers_are_rows_that_name_the_teacher_and_refused_ones_say_why(
    provider: Hosted, tmp_path: Path
) -> None:
    done = domainkit.distil(QUESTIONS, provider.model(), out=tmp_path, like=LIKE, samples=2)
    written = rows(tmp_path / "train.jsonl")
    assert [row["target"] for row in written] == ["shipping", "billing", "shipping"]
    assert written[0]["distilled"] == {"teacher": "openai:scripted", "agreement": 1.0}
    [refused] = rows(tmp_path / "refused.jsonl")
    assert (refused["input"], refused["refused"]) == (QUESTIONS[3], NOT_A_FORM)
    facts = json.loads((tmp_path / "distil.json").read_text("utf-8"))
    assert (facts["accepted"], facts["refused"]) == (3, {NOT_A_FORM: 1})
    assert facts["teacher"]["held_by"] == "structured output"
    assert facts["models"]["teacher"]["calls"] == len(provider.bodies) == 2 * len(QUESTIONS)
    assert facts["models"]["teacher"]["versions"] == ["scripted-2026-01-01"]
    assert facts["models"]["teacher"]["asked_from"] <= facts["models"]["teacher"]["asked_to"]
    assert done.uses[0].cost.money > 0


def test_rows_are_read_by_train_without_a_warning_and_keep_their_teacher(
    provider: Hosted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    domainkit.distil(QUESTIONS, provider.model(), out=tmp_path, like=LIKE)
    first = read_examples(tmp_path / "train.jsonl")[0]
    assert (first.question, first.teacher) == (QUESTIONS[0], "openai:scripted")
    assert "not read" not in caplog.text


def test_a_killed_run_continues_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    killed = Scripted(lambda text: "shipping", name="model", interrupt_after=3)
    with pytest.raises(KeyboardInterrupt):
        domainkit.distil(QUESTIONS, killed, out=tmp_path, like=LIKE, max_concurrency=1)
    teacher = Scripted(lambda text: "shipping", name="model")
    done = domainkit.distil(QUESTIONS, teacher, out=tmp_path, like=LIKE, max_concurrency=1)
    assert (len(teacher.calls), done.uses[0].from_disk, len(done.rows)) == (1, 3, 4)
    domainkit.distil(QUESTIONS, teacher, out=tmp_path, like=LIKE)
    assert len(teacher.calls) == 1


def test_known_targets_measure_the_teacher_and_its_wrong_answers_are_no_rows(tmp_path: Path) -> None:
    known = [{"input": f"parcel case {n}", "target": "shipping" if n < 6 else "billing"} for n in range(8)]
    inputs = [*known, *({"input": text} for text in QUESTIONS[:2])]
    teacher = Scripted(lambda text: ("invoice" in text and "billing") or "shipping")
    done = domainkit.distil(inputs, teacher, out=tmp_path, like=LIKE)
    assert (done.quality.value, done.quality.n) == (0.75, 8)
    assert done.refused() == {WRONG: 2}
    assert len(done.rows) == 8


def test_copies_of_test_questions_solved_and_repeated_ones_are_not_asked(tmp_path: Path) -> None:
    teacher = Scripted(lambda text: "shipping")
    inputs = ["Where is my parcel, today?", "invoice number two", "a parcel came broken", "a parcel came broken"]
    done = domainkit.distil(inputs, teacher, out=tmp_path, like=LIKE, test=[{"input": QUESTIONS[0]}])
    assert [o.refused for o in done.outcomes] == [TESTED, SOLVED, "", REPEATED]
    assert len(teacher.calls) == 1


def test_a_judge_refuses_what_it_grades_low(tmp_path: Path) -> None:
    teacher = Scripted(lambda text: f"We reply about {text}.")
    judge = Scripted(lambda text: "3" if "tea" in text else "9/10", name="judge")
    done = domainkit.distil(QUESTIONS, teacher, out=tmp_path, kind="text", judge=judge, rubric="It is polite.")
    assert [o.refused for o in done.outcomes] == ["", "", "", GRADED_LOW]
    assert done.rows[0]["distilled"]["grade"] == 0.9
    assert {use.role for use in done.uses} == {"teacher", "judge"}


def test_a_budget_ends_the_run_and_a_larger_one_continues(tmp_path: Path) -> None:
    teacher = Scripted(lambda text: "shipping", name="model")
    done = domainkit.distil(QUESTIONS, teacher, out=tmp_path, like=LIKE, budget_calls=3)
    assert (len(teacher.calls), done.ended_by, len(done.rows)) == (3, "3 calls", 3)
    domainkit.distil(QUESTIONS, teacher, out=tmp_path, like=LIKE, budget_calls=9)
    assert len(teacher.calls) == 4


def test_a_runnable_of_the_users_own_teaches_tool_calls(tmp_path: Path) -> None:
    from langchain_core.runnables import RunnableLambda

    tool = {"type": "function", "function": {"name": "price_of", "parameters": {"type": "object", "properties": {}}}}
    teacher = RunnableLambda(lambda asked: '[{"name": "price_of", "arguments": {}}]')
    done = domainkit.distil(["what is tea"], teacher, out=tmp_path, kind="calls", tools=[tool])
    [example] = read_examples(done.file)
    assert example.tools
    assert done.rows[0]["target"] == '[{"name": "price_of", "arguments": {}}]'


def test_a_system_turn_and_earlier_turns_stay_in_the_row(tmp_path: Path) -> None:
    messages = [("system", "Be short."), ("user", "a parcel"), ("assistant", "yes?"), ("user", "when will it come")]
    inputs = [{"messages": [{"role": role, "content": text} for role, text in messages]}]
    domainkit.distil(inputs, Scripted(lambda text: "soon"), out=tmp_path, kind="answer")
    [example] = read_examples(tmp_path / "train.jsonl")
    assert example.turns == Example(turns=tuple(Turn(*m) for m in [*messages, ("assistant", "soon")])).turns


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing says what kind of task the questions are"),
        ({"kind": "label"}, "nothing names the labels"),
        ({"kind": "fields"}, "nothing names the fields"),
        ({"kind": "answer", "labels": ["a"]}, "labels are given, and the task is of the kind 'answer'"),
        ({"like": LIKE, "judge": Scripted(lambda text: "1")}, "--judge is given without --rubric"),
        ({"like": LIKE, "variant": "few-shot", "kind": "label", "samples": 0}, "samples"),
        ({"kind": "answer", "variant": "few-shot"}, "few-shot shows solved examples, and none are given"),
        ({"kind": "answer", "temperature": 0.5}, "has no temperature that can be set"),
        ({"like": LIKE, "budget_money": 1}, "a budget in money needs your prices"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_asked(
    options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    teacher = Scripted(lambda text: "x")
    with pytest.raises(ConfigError, match=said):
        domainkit.distil(QUESTIONS, teacher, out=tmp_path / "out", **options)
    assert not teacher.calls
    assert not (tmp_path / "out").exists()


def test_a_known_target_that_is_no_label_is_named_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1: the target 'tea' is not among"):
        domainkit.distil([{"input": "x", "target": "tea"}], Scripted(str), out=tmp_path, like=LIKE)


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="is there already, and distil did not write it"):
        domainkit.distil(QUESTIONS, Scripted(lambda text: "x"), out=tmp_path, like=LIKE)
    assert (tmp_path / "train.jsonl").read_text("utf-8") == "mine"


def test_a_variant_of_a_finished_run_teaches_by_its_name(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: MiniLMEmbeddings) -> str:
        raise MachineError("not here", next_step="none")

    monkeypatch.setattr(MiniLMEmbeddings, "resolve", missing)  # leakage by meaning is another test's
    task = [
        {"id": "1", "input": "parcel number nine", "target": "shipping"},
        {"id": "2", "input": "b", "target": "billing"},
    ]
    run = tmp_path / "run"
    domainkit.compare(task, ["zero-shot"], run, train=LIKE, kind="label", base=tiny_base, latency_items=0)
    teacher = f"{run}:zero-shot"
    made = domainkit.distil(QUESTIONS[:2], teacher, out=tmp_path / "made", samples=2, agreement=0.5)
    assert made.teacher.how == "the variant zero-shot of its run"
    assert [row["distilled"]["teacher"] for row in made.rows] == [teacher] * 2
    assert {row["target"] for row in made.rows} <= {"shipping", "billing"}
    assert (made.uses[0].is_local, made.uses[0].cost.calls) == (True, 4)
    again = domainkit.distil(QUESTIONS[:2], teacher, out=tmp_path / "made", samples=2, agreement=0.5)
    assert again.uses[0].from_disk == 4
    with pytest.raises(
        ConfigError, match="the run is about a task of the kind 'label', and the questions are of 'answer'"
    ):
        domainkit.distil(QUESTIONS, teacher, out=tmp_path / "other", kind="answer")


def test_a_provider_that_closes_in_the_middle_leaves_rows_and_the_same_command_goes_on(
    provider: Hosted, tmp_path: Path
) -> None:
    asked = iter([None, None, None])
    provider.fault = lambda body: next(asked, (401, {}))
    options: Any = {"out": tmp_path, "like": LIKE, "max_concurrency": 1}
    with pytest.raises(ConfigError) as raised:
        domainkit.distil(QUESTIONS, provider.model(), **options)
    said = str(raised.value)
    assert f"fault 401. 3 replies are kept in {tmp_path / 'answers.jsonl'}; 3 rows of 4 questions are in" in said
    assert said.endswith("next: correct this, then run the same command again: it asks only what is missing")
    assert len(rows(tmp_path / "train.jsonl")) == 3
    assert rows(tmp_path / "refused.jsonl")[0]["refused"] == NO_REPLY
    facts = json.loads((tmp_path / "distil.json").read_text("utf-8"))
    assert "401" in facts["stopped"]
    assert facts["models"]["teacher"]["calls"] == 3
    provider.fault = lambda body: None
    done = domainkit.distil(QUESTIONS, provider.model(), **options)
    assert (done.uses[0].from_disk, done.stopped, len(provider.answered)) == (3, "", 4)


def test_a_provider_that_answers_nothing_takes_no_earlier_rows_away(tmp_path: Path) -> None:
    domainkit.distil(QUESTIONS, Scripted(lambda text: "shipping"), out=tmp_path, like=LIKE)
    closed = Scripted(lambda text: ValueError("closed"))
    with pytest.raises(MachineError, match="closed\n"):
        domainkit.distil(QUESTIONS, closed, out=tmp_path, like=LIKE, variant="zero-shot")
    assert len(rows(tmp_path / "train.jsonl")) == 4


def test_a_judge_that_closes_leaves_the_rows_that_it_graded(tmp_path: Path) -> None:
    judge = Scripted(lambda text: MachineError("closed") if "tea" in text else "9", name="judge")
    teacher = Scripted(lambda text: f"We reply about {text}.")
    options: Any = {"kind": "text", "judge": judge, "rubric": "It is polite.", "max_concurrency": 1}
    with pytest.raises(MachineError, match=r"the judge cannot be asked: closed\. 3 replies are kept"):
        domainkit.distil(QUESTIONS, teacher, out=tmp_path, **options)
    assert len(rows(tmp_path / "train.jsonl")) == 3
    assert rows(tmp_path / "refused.jsonl")[0]["refused"] == NOT_GRADED


def test_cached_tokens_have_their_price_and_counts_that_are_none_are_estimated(
    provider: Hosted, tmp_path: Path
) -> None:
    entry = "input = 100.0\ncached_input = 10.0\noutput = 1000.0\n"
    (tmp_path / "prices.toml").write_text(f'[models."openai:scripted"]\n{entry}', encoding="utf-8")
    options: Any = {"like": LIKE, "prices": str(tmp_path / "prices.toml")}
    details = {"prompt_tokens_details": {"cached_tokens": 90}}
    provider.usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, **details}
    done = domainkit.distil(QUESTIONS[:1], provider.model(), out=tmp_path / "one", **options)
    assert done.uses[0].cost.money == pytest.approx((10 * 100 + 90 * 10 + 10 * 1000) / 1e6)
    provider.usage = {"prompt_tokens": -5, "completion_tokens": -2, "total_tokens": -7}
    done = domainkit.distil(QUESTIONS[:1], provider.model(), out=tmp_path / "two", **options)
    assert (done.uses[0].estimated, done.uses[0].cost.money > 0) == (1, True)
