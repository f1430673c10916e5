"""Presentations: a slide is a page, shapes from top to bottom, notes and charts included."""

from __future__ import annotations

from pathlib import Path

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from domainkit.corpus.readers.pptx import read_pptx
from domainkit.corpus.reading import collecting_warnings
from domainkit.errors import DataError


def test_slides_are_pages_with_all_their_text(tmp_path: Path) -> None:
    show = Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text, first.placeholders[1].text = "Season", "Spring\nAutumn"
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Numbers"
    low = second.shapes.add_textbox(0, Inches(6), Inches(1), Inches(1))
    low.text_frame.text = "LOW"
    second.shapes.add_group_shape([second.shapes.add_textbox(0, Inches(3), 9, 9)])
    second.shapes[-1].shapes[0].text_frame.text = "GROUPED"
    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Kilos", (3, 4.5))
    second.shapes.add_chart(XL_CHART_TYPE.LINE, 0, Inches(4), Inches(2), Inches(1), data)
    second.notes_slide.notes_text_frame.text = "NOTES"
    second._element.set("show", "0")
    show.save(str(tmp_path / "a.pptx"))
    with collecting_warnings() as warnings:
        [document] = read_pptx(tmp_path / "a.pptx", "a")
    assert (document.title, document.meta["pages"]) == ("Season", 2)
    chart = "|  | May | June |\n| Kilos | 3 | 4.5 |"
    assert document.text == f"- Spring\n- Autumn\n\nNumbers\n\nGROUPED\n\n{chart}\n\nLOW\n\nNOTES"
    assert [(m.page, m.headings) for m in document.marks] == [(1, ()), (2, ("Numbers",))]
    assert [p.what for p in warnings] == ["slide 2 hidden in the presentation, and read all the same"]


def test_another_archive_is_no_presentation(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.pptx", "w") as out:
        out.writestr("a.txt", "x")
    with pytest.raises(DataError, match="is not a presentation: KeyError"):
        list(read_pptx(tmp_path / "a.pptx", "a"))
