"""General questions, asked once each and resumably; and the gate on what the adapter forgot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import DataError, RequestError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.general_questions import Choice, General, Likelihoods, ask, picked, read_general
from domainkit.results.schema import Difference, Results
from domainkit.verdict.forgetting import forgetting_of, gate, with_forgetting
from domainkit.verdict.sentences import forgetting_sentence

COLOURS = ("red", "blue", "green")


class Model:
    """Prefers the choice at the place its answers say; counts what it is asked."""

    def __init__(self, name: str, right: Sequence[bool], text: float = -10.0) -> None:
        self.name, self.right, self.text = name, right, text
        self.asked: list[str] = []
        self.broken_at: int | None = None

    def identity(self) -> dict[str, Any]:
        return {"model": self.name}

    def score(self, prompt: Any, continuations: Sequence[str]) -> list[float]:
        if self.broken_at is not None and len(self.asked) >= self.broken_at:
            raise KeyboardInterrupt
        self.asked.append(prompt)
        if len(continuations) == 1:
            return [self.text]
        number = int(prompt.split("number ")[1].split("?")[0])
        best = number % 3 if self.right[number] else (number + 1) % 3
        return [-1.0 if k == best else -30.0 for k in range(len(continuations))]


def questions(path: Path, n: int) -> Path:
    rows = [
        {"id": f"g{i}", "source": "even" if i % 2 else "odd", "question": f"Colour of number {i}?", "choices": list(COLOURS), "answer": i % 3}
        for i in range(n)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


def measured(tmp_path: Path, before: list[bool], after: list[bool], margin: float = 0.02) -> Any:
    general = read_general(questions(tmp_path / "g.jsonl", len(before)))
    with RowStore(tmp_path / "general.jsonl") as store:
        base = ask(general, Model("base", before), "base", store)
        tuned = ask(general, Model("tuned", after), "tuned", store)
    return forgetting_of(general, base, tuned, margin)


def test_a_lost_question_is_listed_and_the_gate_fails(tmp_path: Path) -> None:
    found = measured(tmp_path, [True] * 120, [i >= 30 for i in range(120)])
    assert (found.base.value, found.tuned.value, found.gate) == (1.0, 0.75, "failed")
    assert [q.id for q in found.lost] == [f"g{i}" for i in range(30)]
    assert (found.lost[0].right, found.lost[0].now) == ("red", "blue")
    assert set(found.groups) == {"even", "odd"}
    sentence = forgetting_sentence(found)
    assert sentence.startswith("Fine-tuning lost 25.0 points on 120 general questions (")
    assert sentence.endswith("The gate at −2 points fails. Some loss is shown.")


def test_no_change_passes_only_with_enough_questions(tmp_path: Path) -> None:
    few = measured(tmp_path, [True] * 20, [True] * 20)
    assert few.gate == "cannot tell yet"
    assert few.needed is not None
    assert few.needed > 20
    assert "The gate at −2 points cannot tell yet: it needs about" in forgetting_sentence(few)
    (tmp_path / "many").mkdir()
    many = measured(tmp_path / "many", [True] * 400, [True] * 400)
    assert many.gate == "passed"
    assert forgetting_sentence(many).startswith("Fine-tuning changed nothing on 400 general questions (")


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(-0.019, 0.01, "passed"), (-0.02, 0.01, "cannot tell yet"), (-0.05, -0.01, "cannot tell yet"), (-0.05, -0.021, "failed"), (0.01, 0.05, "passed")],
)  # fmt: skip
def test_the_gate_is_a_test_of_non_inferiority(low: float, high: float, wanted: str) -> None:
    d = Difference(value=(low + high) / 2, low=low, high=high, n=9, wins=1, ties=1, losses=1, p=0.5, p_adjusted=0.5,
                   state="CANNOT TELL YET", margin=0.02)  # fmt: skip
    assert gate(d, 0.02) == wanted


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


def test_another_adapter_or_question_is_asked_anew(tmp_path: Path) -> None:
    general = read_general(questions(tmp_path / "g.jsonl", 6))
    changed = General((Choice("g0", "Colour of number 0? Think.", COLOURS, 0), *general.choices[1:]), "g")
    with RowStore(tmp_path / "r.jsonl") as store:
        ask(general, Model("adapter, first bytes", [True] * 6), "tuned", store)
        other = Model("adapter, other bytes", [True] * 6)
        ask(general, other, "tuned", store)
        assert len(other.asked) == 6
        same = Model("adapter, other bytes", [True] * 6)
        ask(changed, same, "tuned", store)
        assert same.asked == ["Question: Colour of number 0? Think.\nAnswer:"]


def test_a_question_without_an_answer_is_left_out_and_tried_again(tmp_path: Path) -> None:
    general = read_general(questions(tmp_path / "g.jsonl", 5))

    class Sick(Model):
        def score(self, prompt: Any, continuations: Sequence[str]) -> list[float]:
            if "number 3?" in prompt:
                raise RequestError("too long", next_step="shorten it")
            return [float("nan")] * 3 if "number 4?" in prompt else super().score(prompt, continuations)

    with RowStore(tmp_path / "r.jsonl") as store:
        sick = ask(general, Sick("m", [True] * 5), "base", store)
        assert [c is None for c in sick.choices] == [False, False, False, True, True]
        found = forgetting_of(general, sick, sick, 0.02)
        assert found is not None
        assert found.difference.n == 3
        well = Model("m", [True] * 5)
        ask(general, well, "base", store)
        assert len(well.asked) == 2


def test_bits_per_byte_is_surprise_over_length(tmp_path: Path) -> None:
    text = tmp_path / "text.md"
    text.write_text("A plain passage of text.\n")
    general = read_general(questions(tmp_path / "g.jsonl", 3), text)
    size = len(general.texts[0].encode())
    with RowStore(tmp_path / "r.jsonl") as store:
        base = ask(general, Model("a", [True] * 3, text=-size * log(2)), "a", store)
        tuned = ask(general, Model("b", [True] * 3, text=-2 * size * log(2)), "b", store)
    found = forgetting_of(general, base, tuned, 0.02)
    assert found is not None
    assert found.text is not None
    assert (found.text.base, found.text.tuned, found.text.difference) == pytest.approx((1.0, 2.0, 1.0))
    assert found.text.low is None  # one passage gives no interval


def test_long_choices_are_not_punished() -> None:
    assert picked(Choice("q", "?", ("no", "a much longer answer"), 1), [-4.0, -10.0]) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "?", "choices": ["a"], "answer": 0}, "has no list of two or more choices"),
        ({"question": "?", "choices": ["a", "b"], "answer": 2}, "'answer' is 2, not a place from 0 to 1"),
        ({"question": "?", "choices": ["a", "b"], "answer": "a"}, "'answer' is \"a\", not a place"),
        ({"question": "?", "choices": ["a", "b"], "answer": True}, "'answer' is true"),
        ({"choices": ["a", "b"], "answer": 0}, "has no question"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    file = tmp_path / "g.jsonl"
    file.write_text(json.dumps({"question": "?", "choices": ["a", "b"], "answer": 0}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(DataError) as caught:
        read_general(file)
    assert f"{file}:2: {told}" in str(caught.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text("\n")
    with pytest.raises(DataError, match="has no questions"):
        read_general(tmp_path / "g.jsonl")


def test_nothing_in_common_is_none() -> None:
    general = General((Choice("q", "?", ("a", "b"), 0),), "g")
    assert forgetting_of(general, Likelihoods((None,), (), 0.0), Likelihoods((None,), (), 0.0), 0.02) is None


def test_the_gate_stands_among_the_cautions(tmp_path: Path) -> None:
    found = measured(tmp_path, [True] * 60, [i > 20 for i in range(60)])
    from domainkit.results.schema import TaskFacts, Verdict

    bare = Results(
        task=TaskFacts(name="t", kind="label", n=0, primary_metric="label_accuracy", fingerprint=""), baseline="",
        variants=(), verdict=Verdict(answer="fine-tune", choice="tuned", headline="", cautions=("Mind the gap.",)), items=(),
    )  # fmt: skip
    told = with_forgetting(bare, found)
    assert told.verdict.cautions == ("Mind the gap.", forgetting_sentence(found))
    told.save(tmp_path / "results.json")
    assert Results.load(tmp_path) == told
    assert with_forgetting(bare, None) is bare
