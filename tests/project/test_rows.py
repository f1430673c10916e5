"""Rows are divided and drawn once, and again only when they have changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.errors import ConfigError, DataError
from domainkit.evaluation.read_task import read_task
from domainkit.project.config import Project, SampleConfig
from domainkit.project.rows import check_rows, rows_of
from tests.project.test_choices import many
from tests.project.test_look import file


def project(folder: Path, **given: object) -> Project:
    return Project(folder, folder / "run", {}, **given)  # type: ignore[arg-type]


def lines(path: object) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(str(path)).read_text(encoding="utf-8").splitlines()]


def test_the_same_rows_are_divided_once(tmp_path: Path) -> None:
    of = project(tmp_path, rows=(file(tmp_path, "faq.csv", many(60)),))
    file(tmp_path, "labels.json", '["late", "lost"]')
    first, again = rows_of(of), rows_of(of)
    assert (first.is_new, again.is_new, again.folder) == (True, False, first.folder)
    assert sum(len(lines(part)) for part in (first.train, first.task)) == 60
    assert (Path(first.task).parent / "labels.json").is_file()
    assert read_task(first.task, train=first.train).name == tmp_path.name, "the report's title, not the rows' folder"
    file(tmp_path, "faq.csv", many(61))
    assert rows_of(of).folder != first.folder
    file(tmp_path, "faq.csv", many(60))
    assert rows_of(of).is_new is False


def test_a_part_of_the_rows_is_drawn_by_their_content(tmp_path: Path) -> None:
    sample = SampleConfig(train=10, test=3)
    paths = {name: file(tmp_path, f"{name}.csv", many(n)) for name, n in (("train", 30), ("task", 8), ("dev", 2))}
    rows = rows_of(project(tmp_path, **paths, sample=sample))
    assert [len(lines(p)) for p in (rows.train, rows.task, rows.dev)] == [10, 3, 2]
    assert rows.facts is not None
    assert (rows.facts["used"], rows.facts["of"]["train"]) == ({"train": 10, "dev": 2, "test": 3}, 30)
    paths["train"] = file(tmp_path, "train.csv", many(31))
    more = lines(rows_of(project(tmp_path, **paths, sample=sample)).train)
    assert len([row for row in more if row in lines(rows.train)]) >= 9


def test_parts_that_are_not_drawn_from_stay_where_they_are(tmp_path: Path) -> None:
    task = file(tmp_path, "test.csv", many(8))
    rows = rows_of(project(tmp_path, task=task))
    assert (rows.task, rows.train, rows.folder) == (task, None, None)
    assert not (tmp_path / "run").exists()


def test_an_empty_cell_is_no_value_afterwards(tmp_path: Path) -> None:
    text = "question,answer,references\n" + "".join(f"what is {i} and {i * i},{i},\n" for i in range(20))
    rows = rows_of(project(tmp_path, rows=(file(tmp_path, "faq.csv", text),)))
    assert all("references" not in row for row in lines(rows.train))


def test_faulty_rows_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"faq\.csv:3: "):
        check_rows(project(tmp_path, rows=(file(tmp_path, "faq.csv", "question,answer\na b,c\nd e,\n"),)))
    with pytest.raises(ConfigError, match=r"cannot be read: No such file[^\n]*\n  next: put it back, or name another"):
        rows_of(project(tmp_path, rows=(tmp_path / "missing.csv",)))


def test_rows_that_are_written_need_no_columns(tmp_path: Path) -> None:
    table = file(tmp_path, "faq.csv", many(60).replace("text,label", "Asked,Said"))
    columns = {"input": "Asked", "target": "Said"}
    whole = rows_of(project(tmp_path, rows=(table,), columns=columns))
    given = rows_of(project(tmp_path, train=table, task=table, columns=columns, sample=SampleConfig(train=9)))
    for rows in (whole, given):
        assert rows.columns is None
        assert lines(rows.train)[0].keys() == {"input", "target"}
    assert rows_of(project(tmp_path, task=table, columns=columns)).columns == columns


def test_several_files_are_divided_together(tmp_path: Path) -> None:
    mapped = file(tmp_path, "a.csv", many(30).replace("text,label", "Asked,Said"))
    own = file(tmp_path, "b.jsonl", "".join(f'{{"input": "my hive {i} hums", "target": "late"}}\n' for i in range(20)))
    of = project(tmp_path, rows=(mapped, own), columns={"input": "Asked", "target": "Said"})
    assert list(check_rows(of)) == ["rows", "rows.2"]
    rows = rows_of(of)
    read = [line for part in (rows.train, rows.task) for line in lines(part)]
    assert (len(read), {tuple(line) for line in read}) == (50, {("input", "target")})
    file(tmp_path, "b.jsonl", '{"input": "another", "target": "late"}\n')
    assert rows_of(of).folder != rows.folder
