"""Files of rows that belong together are one task, and no file of rows is searched as a document."""

from __future__ import annotations

from pathlib import Path

from domainkit.project.look import Found, RowsFile
from domainkit.project.tasks import corpus_of, tasks_of


def found(rows: dict[str, int], documents: tuple[str, ...] = (), left_out: tuple[str, ...] = ()) -> Found:
    files = tuple(RowsFile(name, count, "solved", "") for name, count in rows.items())
    return Found(Path("desk"), files, documents, left_out=tuple((name, "") for name in left_out))


def test_parts_of_one_name_are_one_task_and_divided_rows_come_first() -> None:
    tasks, left_out = tasks_of(found({"big.csv": 900, "a_train.csv": 30, "a_test.csv": 10, "a_dev.csv": 5}))
    assert [str(t) for t in tasks] == [
        "a_train.csv (30 rows), a_dev.csv (5 rows), a_test.csv (10 rows)",
        "big.csv (900 rows)",
    ]
    assert left_out == []


def test_a_training_part_alone_is_divided() -> None:
    [task], _ = tasks_of(found({"train.csv": 30}))
    assert task.whole is not None
    assert (task.whole.path, task.train) == ("train.csv", None)


def test_a_file_beside_its_parts_is_a_task_of_its_own() -> None:
    tasks, _ = tasks_of(found({"a.csv": 40, "a_train.csv": 30, "a_test.csv": 10}))
    assert [len(t.files) for t in tasks] == [2, 1]


def test_the_smaller_file_of_one_name_is_named() -> None:
    [task], left_out = tasks_of(found({"a.csv": 40, "a.jsonl": 30}))
    assert task.rows == 40
    assert left_out == [("a.jsonl", "is of the same name as a.csv, which has more rows")]


def test_documents_are_named_without_rows_between_them() -> None:
    documents = ("a.pdf", "b.pdf", "m/x.md", "n/d.md", "n/e.md", "o.md")
    given = found({"n/rows.jsonl": 3, "rows.csv": 3}, documents, left_out=("README.md",))
    assert corpus_of(given) == ["o.md", "*.pdf", "m", "n/*.md"]


def test_files_whose_names_differ_in_numbers_alone_are_read_together() -> None:
    columns = ("question", "answer")
    names = {"tickets-2024.csv": 30, "tickets-2025.csv": 20, "faq.csv": 5, "tickets-old.csv": 2}
    files = tuple(RowsFile(name, n, "solved", "", columns) for name, n in names.items())
    other = RowsFile("tickets-2023.csv", 9, "solved", "", ("text", "label"))
    tasks, _ = tasks_of(Found(Path("desk"), (*files, other)))
    assert [str(t) for t in tasks] == [
        "tickets-2024.csv (30 rows), tickets-2025.csv (20 rows)",
        "tickets-2024.csv (30 rows)",
        "tickets-2025.csv (20 rows)",
        "tickets-2023.csv (9 rows)",
        "faq.csv (5 rows)",
        "tickets-old.csv (2 rows)",
    ]
    assert (tasks[0].name, tasks[0].rows, len(tasks[0].more)) == ("tickets", 50, 1)
