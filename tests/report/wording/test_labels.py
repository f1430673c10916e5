"""Names, marks and short sentences."""

from __future__ import annotations

from domainkit.report.wording.labels import NO_VALUE, Notes, failures, memory, primary, state_text
from domainkit.results.schema import Results


def test_an_open_state_says_how_many_questions_it_needs() -> None:
    assert state_text("CANNOT TELL YET", 1840) == "CANNOT TELL YET, needs about 1,840 questions"
    assert state_text("BETTER", 1840) == "BETTER"


def test_reasons_are_numbered_in_the_order_of_first_use() -> None:
    notes = Notes()
    assert [notes.number(r) for r in ("no tokens", "", "no tokens")] == [1, 2, 1]
    assert notes.reasons == ["no tokens", NO_VALUE]


def test_memory_is_listed_from_the_largest_and_absent_where_it_is_not_known(
    rich: Results, label_results: Results
) -> None:
    assert memory(rich).startswith("Memory of the process while answering, MiB: zero-shot 1,200")
    assert memory(label_results) == ""


def test_a_missing_metric_says_so(label_results: Results) -> None:
    variant = label_results.variants[0].model_copy(update={"metrics": {}})
    assert primary(label_results, variant).reason == "no Accuracy in the results file"


def test_failures_are_counted(label_results: Results) -> None:
    assert {v.name: failures(v) for v in label_results.variants if v.failures} == {
        "rag": "4 questions failed and score 0"
    }
