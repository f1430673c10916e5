"""The context of a measured variant becomes an adapter for bare questions: prompts, rows, refusals, the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import TrainConfig, Variant, compare, load_variant
from domainkit.corpus.example import Example, Turn
from domainkit.distillation.context import distil_context, has_answer, why_not_taught, with_its_context
from domainkit.errors import ConfigError
from domainkit.text.words import fold
from domainkit.winner.load import measured_plan
from domainkit.winner.source import open_source
from tests.training.small_runs import quiet

WORDS = ("gold", "white", "green")
SOLVED = [
    f"which colour has the {thing}?" for thing in ("amber bead", "birch tree", "cedar wood", "tin roof", "old sea")
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Path:
    folder = tmp_path_factory.mktemp("run")
    solved = [{"input": q, "target": WORDS[i % 3]} for i, q in enumerate(SOLVED)]
    asked = [{"input": "say what paint this is", "target": "gold"}, {"input": "name it by its hue", "target": "green"}]
    corpus = [{"id": q, "text": f"{q} {WORDS[i % 3]}."} for i, q in enumerate(SOLVED)]
    fit = TrainConfig(base=tiny_base, quantization="none", epochs=2, batch_size=4, learning_rate=2e-2)
    compare(
        write(folder / "test.jsonl", asked),
        ["zero-shot", "few-shot", "rag", "tuned", "tuned-knn"],
        folder / "run",
        train=write(folder / "train.jsonl", solved),
        corpus=write(folder / "corpus.jsonl", corpus),
        fit=fit.model_copy(update={"method_options": {"rank": 2}}),
        kind="label",
        latency_items=0,
        passages=1,
        shots=2,
        retriever="lexical",
    )
    return folder / "run"


@pytest.fixture(autouse=True)
def own_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))


def row(question: str, answer: str = "") -> Example:
    return Example(turns=(Turn("user", question), Turn("assistant", answer)), source=f"more.jsonl:{question}")


def words(example: Example) -> list[str]:
    return [turn.content for turn in example.turns]


@pytest.mark.parametrize("name", ["few-shot", "tuned-knn"])
def test_no_question_stands_with_its_own_answer_in_the_prompt(run: Path, name: str) -> None:
    plan = measured_plan(open_source(run), name)
    rows = [row(q.upper(), "gold") for q in SOLVED]  # another spelling of the same question
    for prompted in with_its_context(rows, plan):
        *earlier, own, answer = words(prompted)
        assert fold(own) not in map(fold, earlier)
        assert answer == "gold"
        assert len(earlier) >= 2


@pytest.mark.parametrize("name", ["zero-shot", "few-shot", "rag", "tuned-knn"])
def test_the_prompt_of_any_other_question_is_that_of_the_run(run: Path, name: str) -> None:
    plan = measured_plan(open_source(run), name)
    [prompted] = with_its_context([row("what colour is this tin?", "gold")], plan)
    expected = load_variant(run, name)._chain.messages("what colour is this tin?")
    assert words(prompted)[:-1] == [m.content for m in expected]


def test_the_adapter_names_its_teacher_and_takes_the_settings_of_the_teachers_own(run: Path, tmp_path: Path) -> None:
    baked = distil_context(run, "tuned-knn", tmp_path / "baked", {"epochs": 1}, gold=0.25, on_progress=quiet)
    card = baked.adapter.card
    assert card is not None
    assert card.teacher is not None
    assert {k: card.teacher[k] for k in ("run", "variant", "gold_weight", "rows", "answered_by_teacher")} == {
        "run": "run",
        "variant": "tuned-knn",
        "gold_weight": 0.25,
        "rows": 5,
        "answered_by_teacher": 0,
    }
    assert (card.config["method_options"]["rank"], card.config["batch_size"], card.config["epochs"]) == (2, 4, 1)
    assert card.quantization == "none"
    again = distil_context(run, "tuned-knn", tmp_path / "baked", {"epochs": 1}, gold=0.25, on_progress=quiet)
    assert again.adapter.weights_sha256 == baked.adapter.weights_sha256


def test_questions_without_an_answer_get_the_teachers(run: Path, tmp_path: Path) -> None:
    rows = [row("which shade is the lamp?"), row("which colour has the amber bead?", "gold")]
    baked = distil_context(run, "rag", tmp_path / "a", {"epochs": 1}, questions=rows, on_progress=quiet)
    assert (baked.questions, baked.asked) == (2, 1)
    file = tmp_path / "questions.txt"
    file.write_text("which shade is the lamp?\nwhat hue is the door?\n", encoding="utf-8")
    assert distil_context(run, "rag", tmp_path / "c", {"epochs": 1}, questions=file, on_progress=quiet).asked == 2
    every = distil_context(
        run, "rag", tmp_path / "b", {"epochs": 1}, questions=rows, answers="teacher", on_progress=quiet
    )
    assert every.asked == 2
    assert not has_answer(row("?"))


def test_test_questions_are_refused_and_near_copies_left_out(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"1 of the 2 questions are test questions of the run, such as more.jsonl"):
        rows = [row("Say what paint this is!", "gold"), row("another one", "gold")]
        distil_context(run, "rag", tmp_path / "a", questions=rows)
    rows = [row("please say what paint this is", "gold"), row("which shade is the lamp?", "gold")]
    baked = distil_context(run, "rag", tmp_path / "b", {"epochs": 1}, questions=rows, on_progress=quiet)
    assert (baked.questions, baked.copies) == (1, 1)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"classical": "auto"}, "no language model that writes"),
        ({"retrieve": True, "agent": True}, "writes searches of its own"),
        ({"retrieve": True, "oracle": True}, "for the test questions only"),
        ({"tuned": True}, "there is no context to bake in"),
        ({"model": "gpt"}, "answers with gpt, and only a model of the same base"),
    ],
)
def test_a_variant_that_cannot_teach_is_refused_with_the_reason(flags: dict[str, Any], reason: str) -> None:
    assert reason in str(why_not_taught(Variant(name="x", description="x", **flags)))


def test_wrong_input_is_refused_before_any_work(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)'tuned' reads the bare question.*take one of: .*tuned-knn"):
        distil_context(run, "tuned", tmp_path / "a")
    with pytest.raises(ConfigError, match="'tuned-knm' is not a variant"):
        distil_context(run, "tuned-knm", tmp_path / "a")
    with pytest.raises(ConfigError, match="base: teacher and student are the same base"):
        distil_context(run, "rag", tmp_path / "a", {"base": "other"})
    with pytest.raises(ConfigError, match="gold=2"):
        distil_context(run, "rag", tmp_path / "a", gold=2)
    assert not (tmp_path / "a").exists()
