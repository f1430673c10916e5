"""domainkit.report.sections.parts_section"""

from __future__ import annotations

from domainkit.report.html import render
from domainkit.report.markdown import to_markdown
from domainkit.report.sections.item_explorer import explorer_data
from domainkit.report.sections.parts_section import empty_note, left_out, part_rows
from domainkit.results.schema import AnswerPart, Results

HOSTILE = "</script><b>|`"


def with_parts(results: Results) -> Results:
    """The first variant has everything right, all others leave the second line's price out and invent a note."""
    first = results.variants[0].name

    def parts(variant: str, place: int) -> tuple[AnswerPart, ...]:
        price, note = f"lines[{place}].price", HOSTILE
        if variant == first:
            return (
                AnswerPart(name=price, expected="5", given="5", status="match"),
                AnswerPart(name=note, status="empty"),
            )
        return (
            AnswerPart(name=price, expected="5", status="omission"),
            AnswerPart(name=note, given=HOSTILE, status="invention"),
        )

    items = tuple(
        item.model_copy(
            update={
                "answers": {
                    name: a.model_copy(update={"parts": parts(name, i % 3)}) for name, a in item.answers.items()
                }
            }
        )
        for i, item in enumerate(results.items)
    )
    task = results.task.model_copy(update={"kind": "fields"})
    return results.model_copy(update={"items": items, "task": task})


def test_a_row_for_each_part_whatever_its_place_in_a_list(label_results: Results) -> None:
    results = with_parts(label_results)
    prices, notes = part_rows(results)
    n = sum(results.variants[0].name in item.answers for item in results.items)
    assert (prices.name, prices.values, prices.cells[0].match, prices.best) == ("lines[].price", n, n, 1.0)
    assert prices.cells[1].f1 == 0
    assert prices.cells[1].detail == f"P —, R 0.0; {prices.cells[1].omission} left out"
    assert notes.cells[0].f1 is None
    assert notes.cells[1].precision == 0
    assert left_out(results, 2) == 0
    assert (
        empty_note(results) == f"Rightly left empty, % of the fields without a value: {results.variants[0].name} 100.0."
    )


def test_answers_without_parts_have_no_section(label_results: Results) -> None:
    assert part_rows(label_results) == []
    assert 'id="parts"' not in render(label_results)
    assert all(len(a) == 7 for item in explorer_data(label_results)["items"] for a in item[5] if a)
    assert '"parts"' not in label_results.model_dump_json()


def test_the_page_and_the_markdown_have_the_table_and_no_text_is_markup(label_results: Results) -> None:
    results = with_parts(label_results)
    page, text = render(results), to_markdown(results)
    assert '<section id="parts"' in page
    assert "lines[].price" in page
    assert HOSTILE not in page
    assert "## Fields" in text
    assert Results.model_validate_json(results.model_dump_json()) == results
    answers = [a for item in explorer_data(results)["items"] for a in item[5] if a]
    assert {row[3] for a in answers for row in a[7]} == {"match", "omission", "invention"}
