"""Questions without answers are read from whatever people keep them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import DataError
from domainkit.evaluation.read_questions import read_questions


def found(folder: Path, name: str, text: str, **columns: str) -> list[tuple[str, str]]:
    """(question, target) of each row."""
    (folder / name).write_text(text, "utf-8")
    return [(row.sample.input, row.sample.target) for row in read_questions(folder / name, columns or None)]


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("a.txt", "\ufeffWhere?\n\n  When? \r\nWho", [("Where?", ""), ("When?", ""), ("Who", "")]),
        ("a.csv", "question\nWhere?\n", [("Where?", "")]),
        ("a.csv", "ID,Question,Answer\n1,Where?,\n2,When?,now\n", [("Where?", ""), ("When?", "now")]),
        ("a.csv", "text,label\nfoo,\nbar,x\n", [("foo", ""), ("bar", "x")]),
        ("a.tsv", "input\ttarget\nfoo\t\n", [("foo", "")]),
        ("a.jsonl", '{"input": "foo"}\n{"input": "bar", "target": null}\n', [("foo", ""), ("bar", "")]),
        ("a.jsonl", '{"prompt": "foo"}\n{"prompt": "foo", "response": "x"}\n', [("foo", ""), ("foo", "x")]),
        ("a.jsonl", '{"instruction": "do", "input": "it"}\n', [("do\n\nit", "")]),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "foo"}]}\n', [("foo", "")]),
        ("a.jsonl", '{"conversations": [{"from": "human", "value": "foo"}]}\n', [("foo", "")]),
        ("a.jsonl", '{"input": "foo", "references": ["x", "y"]}\n', [("foo", "x")]),
    ],
)
def test_a_row_may_leave_its_answer_out(name: str, text: str, read: list[tuple[str, str]], tmp_path: Path) -> None:
    assert found(tmp_path, name, text) == read


def test_named_columns_may_leave_the_answers_out_too(tmp_path: Path) -> None:
    assert found(tmp_path, "a.csv", "Frage,Thema\nfoo,\nbar,x\n", input="Frage", target="Thema") == [
        ("foo", ""),
        ("bar", "x"),
    ]
    assert found(tmp_path, "b.csv", "Frage\nfoo\n", input="Frage", target="Thema") == [("foo", "")]


def test_a_list_of_texts_is_questions() -> None:
    rows = read_questions(["foo", "bar"])
    assert [(row.sample.id, row.sample.input, row.is_answered) for row in rows][1] == ("question-2", "bar", False)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "Where is it?\nWhen?\n", "has one column, 'Where is it\\?', which is no name of a question"),
        ("a.csv", "question,label\nfoo,x\n", "missing fields"),
        ("a.jsonl", '{"id": "a", "title": "t", "text": "A long document."}\n', "missing fields"),
        ("a.txt", "\n\n", "holds no rows"),
        ("a.md", "# A page\n\nWords.", "is a document"),
    ],
)
def test_what_names_no_question_is_refused(name: str, text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        found(tmp_path, name, text)
