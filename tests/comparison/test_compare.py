"""compare(): every variant on the same items, resumable, and a verdict that follows the evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Results, Variant, compare
from domainkit.errors import ConfigError, DataError

LABELS = ("billing", "delivery", "refund")
WORDS = {"billing": "invoice charge pay", "delivery": "parcel van late", "refund": "money back return"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(n: int, start: int = 0) -> list[dict[str, Any]]:
    made = []
    for i in range(start, start + n):
        label = LABELS[i % 3]
        made.append({"id": f"q{i}", "input": f"{WORDS[label].split()[i % 2]} number {i}, please", "target": label})
    return made


@pytest.fixture
def task(tmp_path: Path) -> dict[str, Path]:
    return {"train": write(tmp_path / "train.jsonl", rows(30)), "task": write(tmp_path / "test.jsonl", rows(24, 100))}


def custom(name: str, answer: Any) -> Variant:
    return Variant(name=name, family="custom", description="A test's own.", runnable=RunnableLambda(answer))


def truth(question: str) -> str:
    return next(label for label, words in WORDS.items() if question.split()[0] in words)


def named(name: str, answer: Any) -> Variant:
    """Known by its name, whatever it does."""
    return custom(name, answer).model_copy(update={"identity": name})


def run(task: dict[str, Path], out: Path, *variants: Any, **options: Any) -> Results:
    return compare(task["task"], list(variants), out, train=task["train"], latency_items=1, **options)


def test_a_comparison_writes_results_and_report(task: dict[str, Path], tmp_path: Path) -> None:
    always = custom("always billing", lambda q: "billing")
    results = run(task, tmp_path / "run", "classical", custom("oracle", truth), always, baseline="always billing")
    assert results == Results.load(tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "report.md").exists()
    by_name = {v.name: v for v in results.variants}
    assert by_name["oracle"].metrics["label_accuracy"].value == 1.0
    assert by_name["always billing"].metrics["label_accuracy"].value == pytest.approx(8 / 24)
    assert by_name["oracle"].difference is not None
    assert (by_name["oracle"].difference.state, by_name["oracle"].difference.wins) == ("BETTER", 16)
    assert by_name["always billing"].difference is None
    assert results.verdict.choice == "classical"  # as good as the oracle here, and simpler
    assert results.items[0].answers["oracle"].text == results.items[0].target
    assert results.environment["versions"]["domainkit"]


def test_a_killed_run_continues_without_repeating_a_row(task: dict[str, Path], tmp_path: Path) -> None:
    asked: list[str] = []
    broken = True

    def answer(question: str) -> str:
        if broken and len(asked) == 9:
            raise KeyboardInterrupt
        asked.append(question)
        return truth(question)

    mine = named("mine", answer)
    with pytest.raises(KeyboardInterrupt):
        run(task, tmp_path / "run", mine, batch_size=4)
    lines = (tmp_path / "run" / "rows.jsonl").read_text().splitlines()
    assert len(lines) in (8, 9), "the last one may have been under way"
    broken = False
    finished = [json.loads(line)["id"] for line in lines]
    asked.clear()
    results = run(task, tmp_path / "run", mine, batch_size=4)
    inputs = {item.id: item.input for item in results.items}
    repeated = [q for q in asked if q in {inputs[i] for i in finished}]
    assert not repeated
    assert len({json.loads(line)["id"] for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()}) == 24


def test_a_finished_run_asks_nothing(task: dict[str, Path], tmp_path: Path) -> None:
    first = run(task, tmp_path / "run", named("mine", truth))

    def never(question: str) -> str:
        raise AssertionError("asked again")

    again = run(task, tmp_path / "run", named("mine", never))
    assert again.items == first.items


def test_another_runnable_of_the_same_name_is_asked_itself(task: dict[str, Path], tmp_path: Path) -> None:
    run(task, tmp_path / "run", custom("mine", truth))
    again = run(task, tmp_path / "run", custom("mine", lambda q: "billing"))
    assert {item.answers["mine"].text for item in again.items} == {"billing"}


def test_edited_and_moved_questions_are_asked_and_the_rest_is_kept(tmp_path: Path) -> None:
    """Ids come from the line numbers: a row put first moves all others."""
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return question

    def answers(given: list[str]) -> dict[str, str]:
        path = write(tmp_path / "test.jsonl", [{"input": q, "target": "t"} for q in given])
        results = compare(path, [named("mine", answer)], tmp_path / "run", kind="answer", latency_items=0)
        return {item.input: item.answers["mine"].text for item in results.items}

    answers(["one", "two", "three"])
    asked.clear()
    assert answers(["new", "one", "two, edited", "three"]) == {q: q for q in ("new", "one", "two, edited", "three")}
    assert asked == ["new", "two, edited"]


def test_answers_of_an_earlier_version_are_asked_again_and_a_line_says_why(
    task: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [i.answers["classical"].text for i in run(task, tmp_path / "run", "classical").items]
    file = tmp_path / "run" / "rows.jsonl"
    old = [{k: v for k, v in json.loads(line).items() if k != "question"} for line in file.read_text().splitlines()]
    write(file, [{**row, "text": "refund"} for row in old])
    for times in (1, 1):  # said once
        again = run(task, tmp_path / "run", "classical")
        assert [i.answers["classical"].text for i in again.items] == texts
        assert caplog.text.count("48 answers of an earlier version do not say which question they answer") == times


def test_a_failed_question_scores_0_is_listed_and_is_asked_again(task: dict[str, Path], tmp_path: Path) -> None:
    def picky(question: str) -> str:
        if "number 100," in question:
            raise ValueError("too hard")
        return truth(question)

    results = run(task, tmp_path / "run", custom("picky", picky), custom("oracle", truth))
    failing = results.variants[0]
    assert failing.failures == 1
    assert failing.metrics["label_accuracy"].value == pytest.approx(23 / 24)
    assert results.items[0].answers["picky"].error == "ValueError: too hard"
    mended = run(task, tmp_path / "run", custom("picky", truth), custom("oracle", truth))
    assert mended.variants[0].failures == 0


def test_hostile_answers_stay_text(task: dict[str, Path], tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>\x1b[31m\u202egnp " + "x" * 10_000
    run(task, tmp_path / "run", custom("hostile", lambda q: hostile))
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    "variants,options,said",
    [
        (["tunned"], {}, "unknown variant 'tunned'\n  next: did you mean 'tuned'?"),
        (["tuned"], {}, "variant 'tuned' cannot run: no adapter was given (--adapter)"),
        (["rag"], {}, "variant 'rag' cannot run: no documents were given (--corpus)"),
        (["classical", "classical"], {}, "a variant is named twice"),
        ([5], {}, "5 is neither a variant nor the name of one"),
        ([], {}, "variants: [] is not a list of variants\n  next: name some, or leave it out for all"),
        (["classical"], {"baseline": "zero-shot"}, "the baseline 'zero-shot' is not among the variants"),
        (["classical"], {"margn": 0.1}, "unknown option 'margn' (did you mean 'margin'?)"),
        (["classical"], {"margin": -1}, "margin=-1: input should be greater than 0"),
    ],
)
def test_a_wrong_option_or_variant_is_refused_before_the_first_question(
    task: dict[str, Path], tmp_path: Path, variants: list[str], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(task, tmp_path / "run", *variants, **options)
    assert said in str(caught.value)
    assert not (tmp_path / "run" / "results.json").exists()


def test_train_items_in_test_are_reported(tmp_path: Path) -> None:
    both = write(tmp_path / "both.jsonl", rows(24))
    results = compare(both, ["classical"], tmp_path / "run", train=both, latency_items=0)
    assert {leak.level: leak.count for leak in results.leaks} == {"exact": 24, "ngram": 0, "near": 0, "embedding": 0}
    assert any("also stand in the training rows" in caution for caution in results.verdict.cautions)


def test_an_empty_task_is_refused(task: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        compare(write(tmp_path / "none.jsonl", []), ["classical"], tmp_path / "run", train=task["train"])


def fails(question: str) -> str:
    raise ValueError("no system turn")


def every_other(question: str) -> str:
    return truth(question) if int(question.split()[2].strip(",")) % 2 else fails(question)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (fails, "every question failed, the first with ValueError: no system turn"),
        (lambda q: " ", "every answer was empty."),
        (lambda q: "" if "0," in q else fails(q), "every answer was empty, or one of "),
        (lambda q: 3.5, "every question failed, the first with unreadable output: a variant must answer with text"),
    ],
)
@pytest.mark.parametrize("race", [False, True])
def test_a_variant_without_an_answer_takes_no_part(
    answer: Any, what: str, race: bool, task: dict[str, Path], tmp_path: Path
) -> None:
    results = run(task, tmp_path / "run", "classical", custom("mine", answer), race=race)
    assert results.failed == ("mine",)
    assert (results.verdict.answer, results.verdict.choice) == ("cannot tell yet", "")
    assert "mine gave no answer that could be scored" in results.verdict.headline
    assert any(c.startswith(f"mine takes no part in the verdict: {what}") for c in results.verdict.cautions)
    assert next(v for v in results.variants if v.name == "mine").difference is None
    assert Results.load(tmp_path / "run").failed == ("mine",)
    assert "mine" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")


def test_half_the_answers_of_a_variant_are_not_its_score(task: dict[str, Path], tmp_path: Path) -> None:
    bad = custom("bad", lambda q: "billing")
    results = run(task, tmp_path / "run", custom("half", every_other), bad)
    assert results.failed == ()
    assert results.variants[0].failures == 12
    assert results.verdict.action is not None
    assert results.verdict.action.kind == "mend-errors"


@pytest.mark.parametrize("answer", ["a\ud83d", ValueError("x\ud800")])
def test_half_a_surrogate_pair_ends_nothing(answer: Any, task: dict[str, Path], tmp_path: Path) -> None:
    def odd(question: str) -> str:
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    results = run(task, tmp_path / "run", custom("odd", odd), custom("mine", truth))
    row = results.items[0].answers["odd"]
    assert "\ufffd" in (row.error or row.text)
    assert Results.load(tmp_path / "run") == results


def test_a_batch_of_another_length_is_an_error_of_its_questions(task: dict[str, Path], tmp_path: Path) -> None:
    class Short:
        def invoke(self, input: Any, config: Any = None) -> str:
            return "billing"

        def batch(self, inputs: list[Any], config: Any = None, *, return_exceptions: bool = False) -> list[str]:
            return ["billing"]

    short = Variant(name="short", description="A test's own.", runnable=Short())
    results = run(task, tmp_path / "run", short, custom("mine", truth))
    assert results.failed == ("short",)
    assert results.items[0].answers["short"].error == "ValueError: batch() gave 1 answers to 24 questions"


def test_what_no_variant_uses_is_named(task: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = write(tmp_path / "corpus.jsonl", [{"id": "d", "text": "A text."}])
    run(task, tmp_path / "run", custom("mine", truth), corpus=corpus)
    assert "corpus is not used by any of the variants: mine, trivial" in caplog.text


def test_runnables_and_simple_models_load_no_base(
    task: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpacked(*_: Any) -> None:
        raise AssertionError("a base was resolved")

    monkeypatch.setattr("domainkit.comparison.planning.choice.resolve_base", unpacked)
    monkeypatch.setattr("domainkit.models.source.resolve_base", unpacked)
    assert run(task, tmp_path / "run", "classical", custom("mine", truth)).failed == ()
