"""General questions are read, and each is asked once of each model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import DataError, RequestError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.general_questions import GeneralQuestions, MultipleChoice, ask, picked_choice, read_general
from tests.evaluation.general_model import COLOURS, Model, questions


def test_a_killed_measurement_continues_and_repeats_nothing(tmp_path: Path) -> None:
    general = read_general(questions(tmp_path / "g.jsonl", 40))
    model = Model("base", [True] * 40)
    model.broken_at = 20
    with RowStore(tmp_path / "r.jsonl") as store, pytest.raises(KeyboardInterrupt):
        ask(general, model, "base", store)
    kept = len((tmp_path / "r.jsonl").read_text().splitlines())
    assert kept == 16
    again = Model("base", [True] * 40)
    with RowStore(tmp_path / "r.jsonl") as store:
        found = ask(general, again, "base", store)
        assert len(again.asked) == 24
        assert ask(general, again, "base", store) == found
    assert len(again.asked) == 24
    assert None not in found.choices


def test_another_adapter_or_question_is_asked_again(tmp_path: Path) -> None:
    general = read_general(questions(tmp_path / "g.jsonl", 6))
    changed = GeneralQuestions(
        (MultipleChoice("g0", "Colour of number 0? Think.", COLOURS, 0), *general.choices[1:]), "g"
    )
    with RowStore(tmp_path / "r.jsonl") as store:
        ask(general, Model("adapter, first bytes", [True] * 6), "tuned", store)
        other = Model("adapter, other bytes", [True] * 6)
        ask(general, other, "tuned", store)
        assert len(other.asked) == 6
        same = Model("adapter, other bytes", [True] * 6)
        ask(changed, same, "tuned", store)
        assert same.asked == ["Question: Colour of number 0? Think.\nAnswer:"]


def test_a_question_that_fails_has_no_likelihoods_and_is_asked_again(tmp_path: Path) -> None:
    general = read_general(questions(tmp_path / "g.jsonl", 5))

    class Failing(Model):
        def score(self, prompt: Any, continuations: Sequence[str]) -> list[float]:
            if "number 3?" in prompt:
                raise RequestError("too long", next_step="shorten it")
            return [float("nan")] * 3 if "number 4?" in prompt else super().score(prompt, continuations)

    with RowStore(tmp_path / "r.jsonl") as store:
        found = ask(general, Failing("m", [True] * 5), "base", store)
        assert [c is None for c in found.choices] == [False, False, False, True, True]
        again = Model("m", [True] * 5)
        assert None not in ask(general, again, "base", store).choices
    assert len(again.asked) == 2


def test_a_long_choice_has_no_disadvantage() -> None:
    assert picked_choice(MultipleChoice("q", "?", ("no", "a much longer answer"), 1), [-4.0, -10.0]) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "?", "choices": ["a"], "answer": 0}, "has no list of two or more choices"),
        ({"question": "?", "choices": ["a", "b"], "answer": 2}, "'answer' is 2, not an index from 0 to 1"),
        ({"question": "?", "choices": ["a", "b"], "answer": "a"}, "'answer' is \"a\", not an index"),
        ({"question": "?", "choices": ["a", "b"], "answer": True}, "'answer' is true"),
        ({"choices": ["a", "b"], "answer": 0}, "has no question"),
    ],
)
def test_a_wrong_row_is_reported_with_its_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    file = tmp_path / "g.jsonl"
    file.write_text(json.dumps({"question": "?", "choices": ["a", "b"], "answer": 0}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(DataError) as caught:
        read_general(file)
    assert f"{file}:2: {message}" in str(caught.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text("\n")
    with pytest.raises(DataError, match="has no questions"):
        read_general(tmp_path / "g.jsonl")


def test_what_a_question_has_beside_its_choices_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    row = {"id": None, "question": "Which colour?", "choices": ["red", "blue"], "answer": 0, "context": "The sea."}
    path = tmp_path / "g.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "id": "b"}) + "\n")
    assert [c.id for c in read_general(path).choices] == ["g-1", "b"]
    assert "g.jsonl:1: not read: 'context' (2 rows)" in caplog.text
