"""check: every fault and suspicion of a file, never an exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.corpus.check import Summary, check, check_and_count


def write(folder: Path, rows: list[Any], name: str = "train.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return path


def rows(count: int = 20) -> list[Any]:
    return [{"input": f"question {i}", "target": f"label {i % 4}"} for i in range(count)]


def summary_of(path: Path) -> Summary:
    return check_and_count(path)[1]


def kind(path: Path) -> str:
    return summary_of(path).kind


def found(path: Path, task: Path | None = None) -> list[tuple[int | None, str, str]]:
    return [(p.line, p.severity, p.what) for p in check(path, task)]


def test_a_sound_file_has_no_problems(tmp_path: Path) -> None:
    assert check(write(tmp_path, rows())) == []


def test_errors_are_those_of_reading(tmp_path: Path) -> None:
    assert found(write(tmp_path, [*rows(), {"input": "a"}, "{"]))[:1] == [
        (21, "error", "missing field 'target' (found: 'input')")
    ]


@pytest.mark.parametrize(
    "row, what",
    [
        ({"input": "Question 3.", "target": "Label 3"}, "the same row as line 4"),
        (
            {"input": "question 3", "target": "label 1"},
            "the same input as line 4 with another target ('label 3' there, 'label 1' here)",
        ),
        ({"input": "x", "target": "Label 1"}, "the target 'Label 1' is written 'label 1' on line 2"),
        ({"input": "x", "target": "label 1 "}, "1 target with a space at the start or end"),
        ({"input": "word " * 1500, "target": "label 1"}, "the prompt has 1500 words, the median 2"),
        (
            {"input": "stop <|im_end|>", "target": "label 1"},
            "1 row with the spelling of a control token, such as <|im_end|>",
        ),
        ({"input": "caf\ufffd", "target": "label 1"}, "1 row with the replacement character U+FFFD"),
        ({"input": "a\u0000b", "target": "label 1"}, "1 row with control characters"),
        (
            {
                "messages": [{"role": "user", "content": c} for c in "ab"]
                + [{"role": "assistant", "content": "label 1"}]
            },
            "1 row where user and assistant do not alternate",
        ),
    ],
)
def test_suspicions_are_warnings_with_their_line(tmp_path: Path, row: dict[str, Any], what: str) -> None:
    assert (21, "warning", what) in found(write(tmp_path, [*rows(), row]))


def test_several_answers_to_free_questions_are_counted_once(tmp_path: Path) -> None:
    several = [{"input": "the same", "target": f"A free answer, number {i}."} for i in range(12)]
    [(line, severity, what)] = found(write(tmp_path, several))
    assert (line, severity) == (2, "warning")
    assert what == "11 rows with another target for an earlier input, the first here"


def test_too_few_or_all_alike(tmp_path: Path) -> None:
    assert (None, "warning", "only 3 well-formed examples") in found(write(tmp_path, rows(3)))
    alike = [{"input": f"q {i}", "target": "yes"} for i in range(12)]
    assert (None, "warning", "every target is 'yes'") in found(write(tmp_path, alike))


def test_training_rows_in_the_test_file_are_errors(tmp_path: Path) -> None:
    task = write(
        tmp_path, [{"input": "other", "target": "x"}, {"input": "QUESTION  2!", "references": ["a"]}], "test.jsonl"
    )
    assert found(write(tmp_path, rows()), task) == [(3, "error", f"the input is also in the test file ({task}:2)")]


def test_a_broken_test_file_is_reported_not_raised(tmp_path: Path) -> None:
    task = write(tmp_path, ["{"], "test.jsonl")
    [problem] = check(write(tmp_path, rows()), task)
    assert problem.path == str(task)
    assert "no such file" in check(write(tmp_path, rows()), tmp_path / "none.jsonl")[0].what


def test_documents_are_checked_as_documents(tmp_path: Path) -> None:
    long = "A sentence that is long enough."
    path = write(
        tmp_path, [{"id": "a", "text": long}, {"id": "b", "text": long}, {"id": "c", "text": "Short."}], "corpus.jsonl"
    )
    assert found(path) == [
        (2, "warning", f"the same as {path}:1"),
        (3, "warning", "1 document shorter than five words"),
    ]


def test_folders_of_documents_and_examples_are_distinguished(tmp_path: Path) -> None:
    assert kind(tmp_path) == "documents"
    assert kind(write(tmp_path, [{"text": "a"}], "c.jsonl")) == "documents"
    assert kind(write(tmp_path, [{"text": "a", "label": "b"}], "d.jsonl")) == "examples"
    assert kind(write(tmp_path, [], "e.jsonl")) == "examples"


def test_summary_counts(tmp_path: Path) -> None:
    path = write(tmp_path, [*rows(4), {"input": "three word question", "target": "LABEL 1"}, "{"])
    counts = summary_of(path)
    assert (counts.kind, counts.rows, counts.distinct_targets, counts.words) == ("examples", 5, 4, 21)
    assert (counts.mean_words, counts.longest_words, counts.longest_at) == (4.2, 5, f"{path}:5")
    assert str(counts) == f"5 examples, 4 distinct targets; 21 words, 4.2 on average, the longest 5 at {path}:5"
    documents = summary_of(write(tmp_path, [{"text": "one two"}], "c.jsonl"))
    assert (documents.kind, documents.rows, documents.distinct_targets, documents.words) == ("documents", 1, None, 2)
    nothing = summary_of(tmp_path / "none.jsonl")
    assert (nothing.rows, nothing.words, nothing.mean_words, nothing.longest_at) == (0, 0, 0.0, "")


@settings(max_examples=60)
@given(
    data=st.lists(
        st.binary(max_size=40) | st.sampled_from([b'{"input": "a", "target": "b"}', b'{"text": "a"}']), max_size=6
    )
)
def test_no_file_raises(tmp_path_factory: pytest.TempPathFactory, data: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("c") / "any.jsonl"
    path.write_bytes(b"\n".join(data))
    check(path, path)
    summary_of(path)


def test_files_of_preferences_are_checked_as_such(tmp_path: Path) -> None:
    pairs = [{"prompt": f"q{i}", "chosen": "good", "rejected": "bad"} for i in range(3)]
    marked = [{"prompt": f"q{i}", "completion": "a", "label": i > 0} for i in range(3)]
    for rows_of, name in ((pairs, "pairs"), (marked, "marked answers")):
        path = write(tmp_path, rows_of, f"{name}.jsonl")
        assert check(path) == []
        assert (kind(path), summary_of(path).rows) == (name, 3)
    [(line, severity, what)] = found(write(tmp_path, [*pairs, {"prompt": "q", "chosen": "x"}], "faulty.jsonl"))
    assert (line, severity) == (4, "error")
    assert "missing field 'rejected'" in what


def test_a_question_inside_its_answer_is_told(tmp_path: Path) -> None:
    question = "Where do bees keep their honey?"
    [(_, severity, what)] = found(write(tmp_path, [*rows(), {"input": question, "target": f"{question} In combs."}]))
    assert (severity, what) == ("warning", "1 answer with the whole question at the start")


def test_a_folder_of_rows_names_a_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("input,target\na,b\n")
    [problem] = check(tmp_path)
    assert problem.what == "is a folder without documents, but with rows, such as b.csv"
    assert problem.next_step == f"name one file: {tmp_path / 'b.csv'}"


def test_what_a_table_without_rows_needs_is_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("input,target\n")
    [problem] = check(tmp_path / "a.csv")
    assert (problem.what, problem.next_step) == ("holds no rows", "write rows below a header such as input,target")
