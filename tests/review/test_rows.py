"""Reviews as rows: what training, preference and the task read of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.preferences import read_pairs
from domainkit.corpus.rows.examples import scan_examples
from domainkit.errors import ConfigError
from domainkit.evaluation.read_task import read_task
from domainkit.messages import Message
from domainkit.review.rows import correction_rows, pair_rows, reference_rows, reviewed_items, write_rows
from tests.review.reviewed_runs import PROMPT, TUNED, different, judged, plan_of, saved, two_variants


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Four reviews, of which the second has a correction."""
    results = two_variants(different(8))
    reviews = judged(results, ["10", "00", "11", "0?"])
    reviews[1] = reviews[1].model_copy(update={"correction": " the right words \n"})
    return saved(tmp_path, results, reviews)


def test_every_kind_of_row_is_read_back(run: Path) -> None:
    results = two_variants(different(8))
    reviewed, queue = reviewed_items(run, results), plan_of(results).queue
    files = {name: run / f"{name}.jsonl" for name in ("rows", "pairs", "references")}
    write_rows(files["rows"], correction_rows(reviewed), "corrections")
    write_rows(files["pairs"], pair_rows(reviewed), "pairs")
    write_rows(files["references"], reference_rows(reviewed, results), "accepted answers")

    [example], problems = scan_examples(files["rows"], None)
    assert not problems  # the note on its origin is no field that somebody forgot to read
    assert (example.question, example.target) == (results.items[int(queue[1][1:])].input, "the right words")
    assert f'"from_review": {{"question": "{queue[1]}", "reviewer": "ann"' in files["rows"].read_text()

    texts = [(p.chosen.target, p.rejected.target) for p in read_pairs(files["pairs"])]
    first, second, third = (int(q[1:]) for q in queue[:3])
    assert (f"tuned says {first}", f"prompt says {first}") in texts
    assert ("the right words", f"tuned says {second}") in texts
    assert ("the right words", f"prompt says {second}") in texts
    assert len(texts) == 3  # two right answers of which none is preferred, and one that nobody could judge, are none

    task = read_task(files["references"], kind="answer")
    by_id = {s.id: s for s in task.samples}
    assert set(by_id) == set(queue[:3])
    assert by_id[f"q{first}"].references == (f"target {first}", f"tuned says {first}")
    assert by_id[f"q{second}"].references == (f"target {second}", "the right words")
    assert set(by_id[f"q{third}"].references) == {f"target {third}", f"tuned says {third}", f"prompt says {third}"}


def test_earlier_turns_tools_and_system_come_along(tmp_path: Path) -> None:
    results = two_variants(different(1))
    tool = {"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": {}}}
    more = {"system": "Be kind.", "turns": (Message("user", "hello"), Message("assistant", "yes?")), "tools": (tool,)}
    results = results.model_copy(update={"items": (results.items[0].model_copy(update=more),)})
    review = judged(results, ["00"])[0].model_copy(
        update={"correction": '[{"name": "find", "arguments": {"hive": "7"}}]'}
    )
    reviewed = reviewed_items(saved(tmp_path, results, [review]), results)
    [row] = correction_rows(reviewed)
    [example], problems = scan_examples([row], None)
    assert [turn.role for turn in example.turns] == ["system", "user", "assistant", "user", "assistant"]
    assert example.turns[-1].tool_calls[0].name == "find"
    assert example.tools
    assert not [p for p in problems if p.severity == "error"]
    assert len(read_pairs(pair_rows(reviewed))) == 2


def test_rows_are_never_written_over_and_never_empty(run: Path, tmp_path: Path) -> None:
    for path, rows, message in (
        (run / "results.json", [{"a": 1}], "rows are written as JSON Lines"),
        (run / "reviews.jsonl", [{"a": 1}], "is there already"),
        (run / "new.jsonl", [], "the reviews hold no pairs"),
    ):
        with pytest.raises(ConfigError, match=message):
            write_rows(path, rows, "pairs")
    with pytest.raises(ConfigError, match=r"holds no reviews \(reviews.jsonl\)\n  next: domainkit review"):
        reviewed_items(tmp_path / "nowhere", two_variants(different(1)))


def test_reviews_of_other_answers_make_no_rows(run: Path) -> None:
    changed = two_variants([(a + "!", b) for a, b in different(8)])
    assert reviewed_items(run, changed) == []
    assert {r.review.left for r in reviewed_items(run, two_variants(different(8)))} == {TUNED, PROMPT}
