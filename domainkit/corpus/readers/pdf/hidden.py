"""Text that a reader of the page cannot see: it is a way to plant words for a model, so it is taken out.

Hidden is text in render mode 3 or 7 (ISO 32000-1, table 106), of less than 2 points, fully transparent, outside the
page, in the colour of what is behind it, or under a rectangle. Invisible text over a picture of the page is the text
that OCR found, and stays.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from pypdfium2 import PdfPage

MIN_POINTS = 2.0
SAME_GREY = 24
"""Of 255: two greys that differ by less look the same."""
MAX_OBJECTS = 200_000
"""Objects of a page that are looked at: a page of print has some thousand."""
_SCALE = 1.5
_INVISIBLE = (3, 7)
Handle = Any  # a pointer of ctypes to an object of PDFium
Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points."""


@dataclass
class _Object:
    """A text or a filled rectangle of a page; `number` is its place in the order of painting."""

    handle: Handle
    number: int
    box: Box
    grey: float
    points: float = 0.0
    mode: int = 0
    opaque: bool = True
    nested: bool = False
    upright: bool = True


@dataclass(frozen=True)
class Found:
    """What is on a page."""

    hidden_letters: int
    picture_share: float
    """Of the page's area, 0 to 1."""
    drawings: int
    """Lines and shapes."""
    upright: bool
    """Its lines run from left to right before a viewer turns the page."""


def remove_hidden(page: PdfPage) -> Found:
    """Remove the hidden text of `page`."""
    import pypdfium2.raw as pdfium

    texts, rectangles, picture_share, drawings = _objects(page)
    hidden = [t for t in texts if _is_hidden(t, page, picture_share)]
    doubtful = _doubtful([t for t in texts if t not in hidden], rectangles) if picture_share <= 0.5 else []
    if doubtful:
        picture = _picture(page)
        hidden += [t for t, covered in doubtful if _melts(t, picture, page, covered)]
    removable = [t for t in hidden if not t.nested]
    upright = 2 * sum(t.upright for t in texts) >= len(texts)
    if not removable:
        return Found(0, picture_share, drawings, upright)
    letters = sum(_letters(page, removable))
    for text in removable:
        if pdfium.FPDFPage_RemoveObject(page.raw, text.handle):
            pdfium.FPDFPageObj_Destroy(text.handle)
    page.gen_content()
    return Found(letters, picture_share, drawings, upright)


def _objects(page: PdfPage) -> tuple[list[_Object], list[_Object], float, int]:
    import pypdfium2.raw as pdfium

    texts, rectangles, drawings, pictures = [], [], 0, 0.0
    width, height = page.get_size()
    for number, (handle, nested) in enumerate(_handles(page)):
        kind = pdfium.FPDFPageObj_GetType(handle)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            texts.append(_text_object(handle, number, nested))
        elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = _box(handle)
            pictures += max(0.0, right - left) * max(0.0, top - bottom)
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            drawings += 1
            if (rectangle := _rectangle(handle, number)) is not None:
                rectangles.append(rectangle)
    return texts, rectangles, min(1.0, pictures / max(1.0, width * height)), drawings


def _handles(page: PdfPage) -> Iterator[tuple[Handle, bool]]:
    """(object, whether it is in a form) in the order of painting; forms are opened one level deep."""
    import pypdfium2.raw as pdfium

    for i in range(min(pdfium.FPDFPage_CountObjects(page.raw), MAX_OBJECTS)):
        handle = pdfium.FPDFPage_GetObject(page.raw, i)
        yield handle, False
        if pdfium.FPDFPageObj_GetType(handle) == pdfium.FPDF_PAGEOBJ_FORM:
            for j in range(min(pdfium.FPDFFormObj_CountObjects(handle), MAX_OBJECTS)):
                yield pdfium.FPDFFormObj_GetObject(handle, j), True


def _text_object(handle: Handle, number: int, nested: bool) -> _Object:
    import pypdfium2.raw as pdfium

    size, matrix = ctypes.c_float(), pdfium.FS_MATRIX()
    pdfium.FPDFTextObj_GetFontSize(handle, size)
    pdfium.FPDFPageObj_GetMatrix(handle, matrix)
    points = size.value * math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c))
    mode = pdfium.FPDFTextObj_GetTextRenderMode(handle)
    grey, opaque = _grey(handle, stroke=mode == 1)
    return _Object(handle, number, _box(handle), grey, points, mode, opaque, nested, abs(matrix.a) >= abs(matrix.b))


def _rectangle(handle: Handle, number: int) -> _Object | None:
    """A filled rectangle; other shapes cover less than their box."""
    import pypdfium2.raw as pdfium

    if pdfium.FPDFPath_CountSegments(handle) > 6:
        return None
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(handle, fill, stroke)
    if not fill.value:
        return None
    grey, opaque = _grey(handle)
    return _Object(handle, number, _box(handle), grey) if opaque else None


def _grey(handle: Handle, stroke: bool = False) -> tuple[float, bool]:
    """(luminance from 0 to 255, whether it is painted at all); a pattern counts as middle grey."""
    import pypdfium2.raw as pdfium

    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    get = pdfium.FPDFPageObj_GetStrokeColor if stroke else pdfium.FPDFPageObj_GetFillColor
    if not get(handle, red, green, blue, alpha):
        return 128.0, True
    return 0.299 * red.value + 0.587 * green.value + 0.114 * blue.value, alpha.value > 10


def _box(handle: Handle) -> Box:
    import pypdfium2.raw as pdfium

    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    if not pdfium.FPDFPageObj_GetBounds(handle, left, bottom, right, top):
        return 0.0, 0.0, 0.0, 0.0
    return left.value, bottom.value, right.value, top.value


def _page_box(page: PdfPage) -> Box:
    """What a viewer shows of the page; PDFium's crop box alone leaves out what a page inherits."""
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page.raw, box)
    return box.left, box.bottom, box.right, box.top


def _is_hidden(text: _Object, page: PdfPage, picture_share: float) -> bool:
    if text.mode in _INVISIBLE or not text.opaque:
        return picture_share <= 0.5
    if 0 < text.points < MIN_POINTS:
        return True
    left, bottom, right, top = _page_box(page)
    x0, y0, x1, y1 = text.box
    return (x1, y1) != (x0, y0) and (x1 < left or x0 > right or y1 < bottom or y0 > top)


def _doubtful(texts: list[_Object], rectangles: list[_Object]) -> list[tuple[_Object, bool]]:
    """Texts that may melt into what is behind them; True with those that a later rectangle may cover."""
    doubtful = []
    for text in texts:
        if text.box[2] - text.box[0] <= 0 or text.box[3] - text.box[1] <= 0:
            continue  # a space
        over = [r for r in rectangles if _contains(r.box, text.box)] if rectangles else []
        if any(r.number > text.number for r in over):
            doubtful.append((text, True))
        elif text.grey > 255 - SAME_GREY or any(abs(r.grey - text.grey) < SAME_GREY for r in over):
            doubtful.append((text, False))
    return doubtful


def _contains(outer: Box, inner: Box) -> bool:
    slack = 0.5
    return (
        outer[0] <= inner[0] + slack
        and outer[1] <= inner[1] + slack
        and outer[2] >= inner[2] - slack
        and outer[3] >= inner[3] - slack
    )


def _picture(page: PdfPage) -> np.ndarray:
    """The page as greys (height, width), as it looks unrotated."""
    rotation = page.get_rotation()
    page.set_rotation(0)
    try:
        width, height = page.get_size()
        scale = min(_SCALE, 4000 / max(width, height, 1))
        picture: np.ndarray = page.render(scale=scale, grayscale=True, may_draw_forms=False).to_numpy()
        return picture.reshape(picture.shape[:2])
    finally:
        page.set_rotation(rotation)


def _melts(text: _Object, picture: np.ndarray, page: PdfPage, covered: bool) -> bool:
    """Whether the picture of the page shows nothing of the text."""
    import numpy as np

    left, bottom, right, top = _page_box(page)
    height, width = picture.shape
    x_scale, y_scale = width / max(right - left, 1), height / max(top - bottom, 1)
    around = 0 if covered else max(1.0, 0.15 * text.points)
    x0, x1 = (text.box[0] - around - left) * x_scale, (text.box[2] + around - left) * x_scale
    y0, y1 = (top - text.box[3] - around) * y_scale, (top - text.box[1] + around) * y_scale
    part = picture[max(0, int(y0)) : max(0, math.ceil(y1)), max(0, int(x0)) : max(0, math.ceil(x1))]
    if part.size == 0:
        return False
    if covered:
        return int(part.max()) - int(part.min()) < SAME_GREY
    edge = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    return abs(float(np.median(edge)) - text.grey) < SAME_GREY


def _letters(page: PdfPage, texts: list[_Object]) -> Iterator[int]:
    import pypdfium2.raw as pdfium

    textpage = page.get_textpage()
    try:
        for text in texts:
            size = pdfium.FPDFTextObj_GetText(text.handle, textpage.raw, None, 0)
            buffer = ctypes.create_string_buffer(size)
            pointer = ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR))
            pdfium.FPDFTextObj_GetText(text.handle, textpage.raw, pointer, size)
            yield sum(map(str.isalnum, buffer.raw[: max(0, size - 2)].decode("utf-16-le", "ignore")))
    finally:
        textpage.close()
