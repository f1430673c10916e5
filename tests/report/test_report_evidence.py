"""The report's evidence: next action, race, matrix, learning curve, waterfall, leaked pairs side by side."""

from __future__ import annotations

from collections.abc import Callable

from domainkit.report import render, to_markdown
from domainkit.report.charts.matrix import wins_matrix
from domainkit.report.charts.waterfall import waterfalls
from domainkit.report.sections.leakage import findings, unchecked
from domainkit.results.schema import AnswerRow, Item, Passage, Results


def test_the_page_has_every_element(rich: Results) -> None:
    page = render(rich)
    for said in (
        "Next best action", "After that", "raced out after 60", "Everyone against everyone", "Learning curve",
        "Where questions are lost", "side by side", "Without the leaked questions the verdict stays the same.",
        "not checked against the training rows: the MiniLM package is not installed",
        "used for 7 different comparisons and 1 for choosing", "first on 2026-02-01", "A race: after every 20 questions",
        "The training recipe", "86.0 <small class=\"quiet\">seed 1</small>", "reading 0.40 s, writing 0.20 s",
        "Memory of the process while answering, MiB: ", "tuned 1,200",
    ):  # fmt: skip
        assert said in page, said
    assert "&lt;b&gt;How do I&lt;/b&gt; add my daughter?" in page
    assert "<b>How do I" not in page


def test_markdown_has_every_element(rich: Results) -> None:
    text = to_markdown(rich)
    for said in ("**Next best action**", "(raced out after 60)", "## Learning curve", "| forecast |", "## Where retrieval loses questions",
                 "Different comparisons on these questions so far: 7", "a race: 240 of 300 questions asked",
                 "| tuned | 0, 1, 2 | 88.0, 86.0, 90.0 | 88.0 (82.0 to 94.0) | +30.0 (+22.0 to +38.0) |", "(reading 0.40 s)",
                 "tuned 1,200"):  # fmt: skip
        assert said in text, said


def test_an_older_file_has_none_of_them(label_results: Results) -> None:
    page = render(label_results.model_copy(update={"items": ()}))
    for said in (
        "Next best action",
        "raced out",
        "Everyone against everyone",
        "Learning curve",
        "Where questions are lost",
    ):
        assert said not in page


def test_the_matrix_counts_what_both_answered_and_mirrors(rich: Results) -> None:
    matrix = {
        row: dict(zip([name for name, _ in wins_matrix(rich)], cells, strict=True)) for row, cells in wins_matrix(rich)
    }
    a, b = matrix["tuned"]["zero-shot"], matrix["zero-shot"]["tuned"]
    assert a is not None
    assert b is not None
    assert (a.wins, a.ties, a.losses) == (b.losses, b.ties, b.wins)
    assert a.wins + a.ties + a.losses == 60
    assert (a.side, b.side) == ("win", "loss")
    assert matrix["rag"]["rag"] is None


def answer(text: str, score: float, *passages: str) -> AnswerRow:
    return AnswerRow(text=text, scores={"token_f1": score}, passages=passages)


def test_the_waterfall_keeps_what_came_through_every_step(build_results: Callable[..., Results]) -> None:
    results = build_results(4, kind="answer")
    rows = [
        answer("90 days", 1.0, "pause#0", "other#1"),  # found, held, used, right
        answer("31 days", 0.5 - 0.1, "pause#0"),  # found and held, but not what it said
        answer("four weeks", 0.0, "pause#1"),  # found, but in another part of the document
        answer("90 days", 1.0, "other#1"),  # not found, right all the same
    ]
    oracle = [answer("90 days", 1.0, "pause#0")] * 4
    items = tuple(
        Item(id=f"q{i}", input="How long?", target="90 days", references=("90 days",), doc_ids=("pause",),
             answers={"rag": row, "oracle-rag": best})
        for i, (row, best) in enumerate(zip(rows, oracle, strict=True))
    )  # fmt: skip
    rag = next(v for v in results.variants if v.name == "rag")
    passages = {
        "pause#0": Passage(text="A plan pauses 90 days."),
        "pause#1": Passage(text="Ask."),
        "other#1": Passage(text="Bees."),
    }
    results = results.model_copy(
        update={
            "items": items,
            "passages": passages,
            "variants": (rag, rag.model_copy(update={"name": "oracle-rag", "family": "oracle"})),
        }
    )
    (fall,) = waterfalls(results)
    assert [(s.name, s.share) for s in fall.steps] == [
        ("document found", 0.75), ("answer in the passages", 0.5), ("answer taken from them", 0.25), ("right", 0.25),
    ]  # fmt: skip
    assert (fall.variant, fall.asked, fall.otherwise, fall.oracle) == ("rag", 4, 0.25, ("oracle-rag", 1.0))


def test_findings_put_counted_levels_first_and_say_what_was_not_looked_at(rich: Results) -> None:
    found = findings(rich)
    assert [f.leak.level for f in found] == ["exact", "near"]
    assert found[0].pairs[0].question.endswith("→ " + next(i.target for i in rich.items if i.id == "q0003"))
    assert found[1].how.endswith("(≥ 0.9)")
    assert unchecked(rich) == [
        "The embedding level was not checked against the training rows: the MiniLM package is not installed."
    ]
