"""The gate on what the adapter forgot."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import pytest

from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.general_questions import GeneralQuestions, Likelihoods, MultipleChoice, ask, read_general
from domainkit.results.schema import Difference, Results
from domainkit.verdict.forgetting import forgetting_of, gate, with_forgetting
from domainkit.verdict.sentences import forgetting_sentence
from tests.evaluation.general_model import Model, questions


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
    [
        (-0.019, 0.01, "passed"),
        (-0.02, 0.01, "cannot tell yet"),
        (-0.05, -0.01, "cannot tell yet"),
        (-0.05, -0.021, "failed"),
        (0.01, 0.05, "passed"),
    ],
)
def test_the_gate_is_a_test_of_non_inferiority(low: float, high: float, wanted: str) -> None:
    d = Difference(
        value=(low + high) / 2,
        low=low,
        high=high,
        n=9,
        wins=1,
        ties=1,
        losses=1,
        p=0.5,
        p_adjusted=0.5,
        state="CANNOT TELL YET",
        margin=0.02,
    )
    assert gate(d, 0.02) == wanted


def test_a_question_without_an_answer_is_left_out(tmp_path: Path) -> None:
    general = GeneralQuestions(tuple(MultipleChoice(f"q{i}", "?", ("a", "b"), 0) for i in range(3)), "g")
    likelihoods = Likelihoods(((-1.0, -9.0), (-1.0, -9.0), None), (), 0.0)
    found = forgetting_of(general, likelihoods, likelihoods, 0.02)
    assert found is not None
    assert found.difference.n == 2


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


def test_nothing_in_common_is_none() -> None:
    general = GeneralQuestions((MultipleChoice("q", "?", ("a", "b"), 0),), "g")
    assert forgetting_of(general, Likelihoods((None,), (), 0.0), Likelihoods((None,), (), 0.0), 0.02) is None


def test_the_gate_stands_among_the_cautions(tmp_path: Path) -> None:
    found = measured(tmp_path, [True] * 60, [i > 20 for i in range(60)])
    from domainkit.results.schema import TaskFacts, Verdict

    bare = Results(
        task=TaskFacts(name="t", kind="label", n=0, primary_metric="label_accuracy", fingerprint=""),
        baseline="",
        variants=(),
        verdict=Verdict(answer="fine-tune", choice="tuned", headline="", cautions=("Mind the gap.",)),
        items=(),
    )
    scored = with_forgetting(bare, found)
    assert scored.verdict.cautions == ("Mind the gap.", forgetting_sentence(found))
    scored.save(tmp_path / "results.json")
    assert Results.load(tmp_path) == scored
    assert with_forgetting(bare, None) is bare
