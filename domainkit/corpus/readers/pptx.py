"""Presentations: each slide is a page; its title a heading, its notes at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainkit.corpus.archive import check_archive, refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.reading import warn

if TYPE_CHECKING:
    from pptx.presentation import Presentation
    from pptx.slide import Slide

Shape = Any  # python-pptx has a class for each kind, and no type for all
MAX_GROUP_DEPTH = 50


def read_pptx(path: Path, name: str) -> Iterator[Document]:
    """One document: text boxes from top to bottom, tables, the names in charts, and notes. Hidden slides are read.

    Raises DataError for what `check_archive` refuses, and for a file that is not a presentation.
    """
    check_archive(path)
    presentation = _open(path)
    text, hidden = MarkedText(), []
    slides = list(presentation.slides)
    for number, slide in enumerate(slides, start=1):
        if slide._element.get("show") in ("0", "false"):
            hidden.append(str(number))
        text.page = number
        _add_slide(slide, text)
    if hidden:
        which = f"slide{'s' if len(hidden) > 1 else ''} {', '.join(hidden[:10])}"
        warn(path, f"{which} hidden in the presentation, and read all the same", "delete what is out of date")
    document = text.document(path, name, meta={"pages": len(slides)})
    if document is not None:
        yield document


def _open(path: Path) -> Presentation:
    from pptx import Presentation

    try:
        return Presentation(str(path))
    except Exception as e:  # python-pptx raises KeyError, ValueError, lxml's errors, … for parts that are missing
        if isinstance(e, MemoryError | RecursionError):
            raise
        what = f"is not a presentation: {type(e).__name__}: {e}"
        raise refused(path, what, "save it again from PowerPoint") from None


def _add_slide(slide: Slide, text: MarkedText) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame and title.text_frame.text.strip():
        # The first slide names the whole presentation.
        text.heading(title.text_frame.text.replace("\v", " "), 2 if text.parts else 1)
    for shape in _in_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _add_shape(shape, text, 0)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
        text.add(notes.text.replace("\v", "\n"))


def _in_order(shapes: Iterable[Shape]) -> list[Shape]:
    """From top to bottom, then from left to right; the file has them in the order of painting."""
    return sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0))


def _add_shape(shape: Shape, text: MarkedText, depth: int) -> None:
    if getattr(shape, "shapes", None) is not None and depth < MAX_GROUP_DEPTH:
        for inner in _in_order(shape.shapes):
            _add_shape(inner, text, depth + 1)
    elif getattr(shape, "has_table", False):
        for row in shape.table.rows:
            text.row([cell.text.replace("\v", " ") for cell in row.cells])
    elif getattr(shape, "has_chart", False):
        _add_chart(shape.chart, text)
    elif shape.has_text_frame:
        paragraphs = [p.text.replace("\v", "\n") for p in shape.text_frame.paragraphs]
        filled = [p for p in paragraphs if p.strip()]
        for paragraph in filled:
            text.add(f"- {paragraph}" if len(filled) > 1 else paragraph, "item" if len(filled) > 1 else "paragraph")


def _add_chart(chart: Any, text: MarkedText) -> None:
    """A chart as a table: a row of categories, then one for each series with its values."""
    if chart.has_title and chart.chart_title.has_text_frame:
        text.add(chart.chart_title.text_frame.text)
    for plot in chart.plots:
        text.row(["", *(str(category) for category in plot.categories)])
        for series in plot.series:
            text.row([str(series.name or ""), *("" if v is None else f"{v:g}" for v in series.values)])
