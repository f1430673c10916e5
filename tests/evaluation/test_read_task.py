from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from domainkit import read_examples
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import read_inputs
from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.read_task import DIVIDED, read_task
from domainkit.evaluation.task import Task, clusters_of


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def intents(n: int, labels: tuple[str, ...] = ("lost", "late", "fee")) -> list[dict[str, str]]:
    return [{"id": f"r{i}", "input": f"question {i}", "target": labels[i % len(labels)]} for i in range(n)]


def test_every_field_of_a_row_is_kept(tmp_path: Path) -> None:
    row = {
        "id": "q1",
        "input": "Which gene?",
        "target": "SLC12A3",
        "references": ["gene SLC12A3", "SLC12A3"],
        "doc_ids": ["d1"],
        "kind": "gene",
        "system": "Be brief.",
        "orig_question": "Genes?",
    }
    task = read_task(write(tmp_path / "medicine" / "test.jsonl", [row]))
    (sample,) = task.samples
    assert sample.references == ("SLC12A3", "gene SLC12A3")
    assert (sample.doc_ids, sample.group, sample.system) == (("d1",), "gene", "Be brief.")
    assert sample.meta == {"kind": "gene", "orig_question": "Genes?"}
    assert (task.name, task.kind) == ("medicine", "answer")


@pytest.mark.parametrize(
    "row",
    [
        {"input": "Hi?", "target": "Yes", "system": "S"},
        {"prompt": "Hi?", "completion": "Yes", "system": "S"},
        {"messages": [{"role": r, "content": c} for r, c in (("system", "S"), ("user", "Hi?"), ("assistant", "Yes"))]},
    ],
)
def test_the_three_layouts_are_one_sample(tmp_path: Path, row: dict[str, Any]) -> None:
    (sample,) = read_task(write(tmp_path / "t.jsonl", [row])).samples
    assert (sample.id, sample.input, sample.target, sample.system) == ("t-1", "Hi?", "Yes", "S")


def test_fingerprint_follows_the_rows_alone(tmp_path: Path) -> None:
    rows = intents(12)
    first = read_task(write(tmp_path / "a.jsonl", rows))
    assert read_task(write(tmp_path / "a.jsonl", rows), kind="answer", name="x").fingerprint == first.fingerprint
    rows[3]["target"] = "fee"
    assert read_task(write(tmp_path / "a.jsonl", rows)).fingerprint != first.fingerprint


def label_task(tmp_path: Path, **options: Any) -> Task:
    return read_task(write(tmp_path / "test.jsonl", intents(12)), **options)


def test_labels_json_beside_the_file_makes_a_label_task(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('["fee", "late", "lost", "unused"]')
    task = label_task(tmp_path)
    assert (task.kind, task.labels) == ("label", ("fee", "late", "lost", "unused"))
    assert task.why_kind == f"labels are listed in {tmp_path / 'labels.json'}"


def test_another_tasks_labels_in_the_same_folder_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('["apple", "pear"]')
    rows = [{"input": f"q{i}", "target": f"the {i}th"} for i in range(12)]
    assert read_task(write(tmp_path / "answers.jsonl", rows)).kind == "answer"


def test_a_stray_label_among_known_ones_is_an_error(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", intents(30))
    rows = [*intents(20), {"input": "x", "target": "lots"}]
    with pytest.raises(
        DataError, match=r"test.jsonl:21: the target 'lots' is not among the targets of train\n.*'lost'"
    ):
        read_task(write(tmp_path / "test.jsonl", rows), train=train)


def test_few_targets_that_train_knows_make_a_label_task(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", intents(30, ("lost", "late", "fee", "other")))
    task = label_task(tmp_path, train=train)
    assert (task.kind, task.labels) == ("label", ("fee", "late", "lost", "other"))
    assert task.why_kind == "4 distinct targets on 30 train rows, and every test target is in train"


def test_targets_that_train_lacks_make_an_answer_task(tmp_path: Path) -> None:
    task = label_task(tmp_path, train=write(tmp_path / "train.jsonl", intents(30, ("lost", "late"))))
    assert (task.kind, task.labels) == ("answer", ())
    assert task.why_kind == "1 of the test targets are not in train"


def test_targets_that_hardly_repeat_make_an_answer_task(tmp_path: Path) -> None:
    rows = [{"input": f"q{i}", "target": f"t{i // 2}"} for i in range(20)]
    assert read_task(write(tmp_path / "test.jsonl", rows)).why_kind == (
        "10 distinct targets on 20 test rows: too many for labels"
    )


def test_a_kind_that_is_given_decides(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('["a"]')
    assert label_task(tmp_path, kind="answer").labels == ()
    with pytest.raises(ConfigError, match=r"unknown kind of task 'lable'\n.*did you mean 'label'"):
        label_task(tmp_path, kind="lable")


def test_a_target_outside_the_labels_is_reported_with_its_line_and_the_near_label(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", [*intents(9), {"input": "x", "target": "feee"}])
    with pytest.raises(DataError) as e:
        label_task(tmp_path, train=train, labels=["lost", "lates", "fee"])
    assert len(e.value.problems) == 4 + 3 + 1
    assert f"{tmp_path / 'test.jsonl'}:2: the target 'late' is not among the labels given" in str(e.value)
    assert "did you mean 'lates'?" in str(e.value)
    assert f"{train}:10: the target 'feee' is not among the labels given\n  next: did you mean 'fee'?" in str(e.value)


def test_a_test_label_unknown_to_train_is_found_when_the_kind_is_given(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", intents(30, ("lost", "late")))
    with pytest.raises(DataError, match=r"test.jsonl:3: the target 'fee' is not among the targets of train"):
        label_task(tmp_path, train=train, kind="label")


def test_repeated_ids_name_both_lines(tmp_path: Path) -> None:
    rows = [*intents(3), {"id": "r1", "input": "x", "target": "lost"}]
    with pytest.raises(DataError, match=r"t.jsonl:4: the id 'r1' is already on line 2"):
        read_task(write(tmp_path / "t.jsonl", rows))


def test_a_made_id_does_not_hide_a_given_one(tmp_path: Path) -> None:
    rows = [{"id": "t-2", "input": "x", "target": "y"}, {"input": "x", "target": "y"}]
    with pytest.raises(DataError, match=r"t.jsonl:2: the id 't-2' is already on line 1"):
        read_task(write(tmp_path / "t.jsonl", rows))


def test_every_faulty_row_is_reported(tmp_path: Path) -> None:
    turns = [{"role": r, "content": "x"} for r in ("user", "assistant", "assistant")]
    rows = [{"input": "x", "target": "y", "references": "z", "doc_ids": [3]}, {"messages": turns}]
    with pytest.raises(DataError) as e:
        read_task(write(tmp_path / "t.jsonl", rows))
    assert [p.line for p in e.value.problems] == [1, 2]
    assert "'doc_ids' is not a list of non-empty strings" in str(e.value)
    assert "the turn before the answer is the assistant's, not the user's" in str(e.value)


def test_earlier_turns_stand_before_the_question(tmp_path: Path) -> None:
    turns = [
        ("system", "S"),
        ("user", "Is it open?"),
        ("assistant", "Yes."),
        ("user", "Until when?"),
        ("assistant", "9"),
    ]
    row = {"messages": [{"role": r, "content": c} for r, c in turns], "conversation_id": 7}
    task = read_task(write(tmp_path / "t.jsonl", [row, {**row, "id": "b"}]))
    sample = task.samples[0]
    assert (sample.system, sample.input, sample.target) == ("S", "Until when?", "9")
    assert [(t.role, t.content) for t in sample.turns] == [("user", "Is it open?"), ("assistant", "Yes.")]
    assert clusters_of(task.samples) == ["7", "7"], "questions of one conversation are one cluster"


def test_a_target_that_is_a_list_or_an_object_is_its_json(tmp_path: Path) -> None:
    rows = [{"input": "x", "target": {"name": "Ä"}, "references": [{"name": "B"}]}, {"input": "y", "target": ["a"]}]
    first, second = read_task(write(tmp_path / "t.jsonl", rows), kind="answer").samples
    assert first.references == ('{"name": "Ä"}', '{"name": "B"}')
    assert second.target == '["a"]'


def test_an_empty_file_and_a_bad_labels_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        read_task(write(tmp_path / "t.jsonl", []))
    (tmp_path / "labels.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match=r"labels.json: is not a list of non-empty strings"):
        label_task(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000, "nested more than 100 levels deep"),
        (f"[{'1' * 5000}]", "has 5,000 digits"),
        ("[NaN]", "NaN is not a JSON value"),
        ('["lost", "\\ud800"]', "half of a surrogate pair"),
        ("", "Expecting value"),
        ('["lost", " "]', "is not a list of non-empty strings"),
        ("[true]", "is not a list of non-empty strings"),
    ],
)
def test_an_odd_labels_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    test = write(tmp_path / "test.jsonl", intents(12))
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DataError, match=f"labels.json: .*{said}"):
        read_task(test)


def test_a_labels_file_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    test = write(tmp_path / "test.jsonl", intents(12))
    os.mkfifo(tmp_path / "labels.json")
    with pytest.raises(DataError, match="cannot be read: it is a pipe, not a file"):
        read_task(test)
    odd: list[Any] = [[], [1], ["lost", "\ud800"]]
    for labels in odd:
        with pytest.raises(DataError, match="the labels given: is not a list of non-empty strings of whole characters"):
            read_task(test, labels=labels)
    unordered: Any = {"lost", "late", "fee"}
    assert read_task(test, labels=unordered).labels == ("fee", "late", "lost")


def test_labels_in_another_spelling_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    test = write(tmp_path / "test.jsonl", intents(12))
    (tmp_path / "labels.json").write_text('["Lost", "Late", "Fee"]')
    assert read_task(test).labels == ("fee", "late", "lost")
    assert "labels.json: lists fewer than half of the targets, letter by letter, and is not used" in caplog.text


def test_the_labels_of_another_task_in_the_folder_are_no_matter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "labels.json").write_text('["lost", "late", "fee"]')
    rows: list[tuple[str, list[Any]]] = [("answers", ["one", "two"]), ("topics", [["bees"], ["jars", "lamp"]])]
    for name, targets in rows:
        questions = [{"input": f"question {i}", "target": t} for i, t in enumerate(targets)]
        read_task(write(tmp_path / f"{name}.jsonl", questions))
    assert not caplog.text
    read_task(write(tmp_path / "near.jsonl", [{"input": "x", "target": ["Lost", "old", "new"]}]))
    assert "labels.json: lists fewer than half" in caplog.text


def test_rows_that_use_tools_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "add"}}
    task = write(tmp_path / "test.jsonl", [{"input": "How?", "target": "So."}])
    tooled = write(tmp_path / "tools.jsonl", [{"input": "How?", "target": "So.", "tools": [tool]}])
    message = "uses tools, and a task of the kind answer asks plain questions"
    with pytest.raises(DataError, match=message):
        read_task(tooled, kind="answer")
    for given in ({"train": tooled}, {"train": read_examples(tooled)}, {"train": None, "dev": tooled}):
        with pytest.raises(DataError, match=message):
            read_inputs(task, CompareConfig(), **given)  # type: ignore[arg-type]


def test_lists_among_other_targets_are_said_to_be_texts(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"input": "a", "target": ["x"]}, {"input": "b", "target": "x"}, {"input": "c", "target": "[see below]"}]
    assert read_task(rows, kind="answer").kind == "answer"
    assert not caplog.text
    assert read_task(rows).kind == "answer"
    assert "the target is a list or an object (1 of 3 are), and is compared as its text" in caplog.text


def test_a_conversation_is_named_by_a_text_or_a_number() -> None:
    with pytest.raises(DataError, match="'conversation_id' is a list, not text"):
        read_task([{"input": "a", "target": "b", "conversation_id": [1]}])


def test_labels_beside_a_kind_without_labels_are_refused() -> None:
    rows = [{"input": "a", "target": "x"}, {"input": "b", "target": "y"}]
    with pytest.raises(ConfigError, match=r"labels are given, and the task is of the kind 'answer' \(as asked for\)"):
        read_task(rows, kind="answer", labels=["x", "y"])


def test_another_kind_beside_a_ready_task_is_refused() -> None:
    task = read_task([{"input": "a", "target": "x"}], kind="answer")
    with pytest.raises(ConfigError, match="the task is ready, of the kind answer, and kind=text is given beside it"):
        read_inputs(task, CompareConfig(kind="text"))
    assert read_inputs(task, CompareConfig(kind="answer")).task is task


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ('{"name": "bikes"}', "bikes"),
        ('{"name": 3}', "rows"),
        ('{"by": "random"}', "rows"),
        ("[1]", "rows"),
        ("{", "rows"),
    ],
)
def test_divided_rows_are_named_as_the_folder_says_else_after_it(tmp_path: Path, said: str, name: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "test.jsonl").write_text('{"input": "a b", "target": "c d"}\n', encoding="utf-8")
    (folder / DIVIDED).write_text(said, encoding="utf-8")
    assert read_task(folder / "test.jsonl").name == name
