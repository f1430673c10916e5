"""People's judgement in the report: at the top, in a section of its own, in every form; escaped."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from domainkit.report import print_table, render, to_markdown
from domainkit.report.sections.people_section import people_lines, top_sentence
from domainkit.report.wording.labels import agreement_text
from domainkit.results.schema import Results
from domainkit.verdict.people.by_people import with_people
from tests.review.reviewed_runs import different, judged, saved, two_variants


def reviewed(run: Path, verdicts: list[str], *, reviewer: str = "ann") -> Results:
    results = two_variants([*different(40), ("same", "same")], judge=[(0.9, 0.2)] * 41)
    second = judged(results, verdicts[:2], reviewer="bo")
    return with_people(results, saved(run, results, [*judged(results, verdicts, reviewer=reviewer), *second]))


def printed(results: Results) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_table(results, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_result_stands_at_the_top_and_its_parts_in_a_section(tmp_path: Path) -> None:
    results = reviewed(tmp_path, ["10", "10", "01", "11", "1?", "10"])
    assert results.people is not None
    sentence = top_sentence(results)
    assert sentence.startswith("People do not confirm the gain of tuned over few-shot yet: +")
    text = "\n".join(people_lines(results.people))
    for part in (
        "5 reviews: the judge adds nothing to them, and answers that are the same need no review.",
        "5 of 6 questions reviewed, by ann and bo.",
        "Right, of the answers that were reviewed: tuned 83.3 % (",
        "1 of 41 questions has the same answer from both: they count as equal.",
        "is not counted with it: tuned 5, equally good 1, few-shot 1; +",
        "The answer shown first was preferred in 4 of 6 (p = 0.453)",
        "ann and bo give the same verdict on 100.0 % (",
        "The judge beside people on 11 answers: κ 0.44; sensitivity 71.4 % (",
        "1 of 6 questions could not be judged: more than a tenth",
    ):
        assert part in text, (part, text)
    page, summary = render(results), to_markdown(results)
    for form in (page, summary, printed(results)):
        assert "People do not confirm the gain of tuned over few-shot yet" in form
    assert page.count('id="people"') == 1
    assert "## By people's judgement" in summary
    assert agreement_text(results, "judge").startswith("κ 0.44, sensitivity 71.4 %")


def test_a_verdict_that_people_changed_is_said_once_at_the_top(tmp_path: Path) -> None:
    results = reviewed(tmp_path, ["01"] * 20)
    assert top_sentence(results) == ""
    assert to_markdown(results).startswith("# desk: prompt\n\n**By people's judgement few-shot is better than tuned, ")


def test_names_are_text(tmp_path: Path) -> None:
    results = reviewed(tmp_path, ["10", "11", "00"], reviewer="<script>x</script>\u202e")
    assert "<script>x" not in render(results)
    assert "&lt;script&gt;x&lt;/script&gt;⟨U+202E⟩" in render(results)
    assert "<script>" not in to_markdown(results)
