"""An item knows its file and line, and messages about it name them."""

from __future__ import annotations

from domainkit.corpus.location import Located


def test_a_problem_of_a_row_names_the_file_and_the_line() -> None:
    problem = Located(source="C:7/rows.jsonl:3", line=3).problem("is wrong", "correct it")
    assert (problem.path, problem.line, problem.where) == ("C:7/rows.jsonl", 3, "C:7/rows.jsonl:3")


def test_a_problem_of_a_file_has_no_line() -> None:
    problem = Located(source="notes:7").problem("is wrong", None, severity="warning")
    assert (problem.path, problem.line, problem.severity) == ("notes:7", None, "warning")


def test_the_line_is_not_part_of_the_content() -> None:
    assert "line" not in Located(source="a:1", line=1).model_dump()
