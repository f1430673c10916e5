"""Word documents: mammoth makes HTML of them, which is walked like any other."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainkit.corpus.archive import check_archive, refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.markup import add_markup, count_letters, parse_markup
from domainkit.corpus.reading import warn

if TYPE_CHECKING:
    from lxml.etree import _Element

BODY = "word/document.xml"
# By id too: Word writes the names of its own styles in English, their ids in the user's language.
_TITLE_STYLES = "\n".join(
    f"{style} => p.document-title:fresh" for style in ("p[style-name='Title']", "p.Title", "p.Titel", "p.Titre")
)
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
# What of a body mammoth would get wrong: hidden, white or tiny runs, which it shows, and formulas, which it drops.
_SPECIAL = re.compile(rb'<w:vanish\b|<m:oMath\b|<w:color [^>]*w:val="(?:FFFFFF|ffffff)"|<w:sz [^>]*w:val="[123]"')
MIN_HALF_POINTS = 4
"""Letters of less than 2 points cannot be read."""


def read_docx(path: Path, name: str) -> Iterator[Document]:
    """One document: tracked insertions are in, deletions, comments and page headers out; headings are marks.

    A Word document has no pages until it is printed. Raises DataError for what `check_archive` refuses.
    """
    check_archive(path)
    prepared, hidden = _prepared(path)
    html = _html(path, prepared)
    tree = parse_markup(path, html)
    for back_link in tree.css("a[href^='#footnote-ref'], a[href^='#endnote-ref']"):
        back_link.decompose()
    title = tree.css_first("p.document-title")
    text = MarkedText()
    title_text = title.text(deep=True) if title is not None else ""
    if title is not None:
        title.decompose()
    add_markup(path, tree.body, text)
    if hidden:
        warn(path, f"{hidden} hidden letters left out", "make them visible if they belong to the text")
    meta = {"removed": {"hidden_letters": hidden}} if hidden else {}
    document = text.document(path, name, title=title_text, meta=meta)
    if document is not None:
        yield document
    elif title_text.strip():
        yield Document(text=title_text.strip(), title=title_text.strip(), source=str(path), id=name, meta=meta)


def _html(path: Path, prepared: io.BytesIO) -> str:
    import mammoth

    def no_picture(picture: object) -> dict[str, str]:
        return {}  # without it, pictures are written into the text in base64

    try:
        made = mammoth.convert_to_html(
            prepared, style_map=_TITLE_STYLES, convert_image=mammoth.images.img_element(no_picture)
        )
    except RecursionError:
        raise refused(path, "is nested too deep", "save it again with fewer tables within tables") from None
    except MemoryError:
        raise
    except Exception as e:  # mammoth raises KeyError, AttributeError, … for parts that are missing
        raise refused(path, f"is not a Word document: {type(e).__name__}: {e}", "save it again from Word") from None
    return str(made.value)


def _prepared(path: Path) -> tuple[io.BytesIO, int]:
    """The file with its body made ready for mammoth, and the number of hidden letters taken out."""
    with zipfile.ZipFile(path) as archive:
        if BODY not in archive.namelist():
            return io.BytesIO(path.read_bytes()), 0
        body = archive.read(BODY)
        if not _SPECIAL.search(body):
            return io.BytesIO(path.read_bytes()), 0
        body, hidden = _prepare_body(path, body)
        copy = io.BytesIO()
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as out:
            for entry in archive.infolist():
                if not entry.filename.startswith("word/media/"):
                    out.writestr(entry.filename, body if entry.filename == BODY else archive.read(entry))
    copy.seek(0)
    return copy, hidden


def _prepare_body(path: Path, body: bytes) -> tuple[bytes, int]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as e:
        raise refused(path, f"is damaged: {e}", "save it again from Word") from None
    hidden = 0
    for run in list(root.iter(f"{_W}r")):
        if _is_hidden(run):
            hidden += count_letters("".join(t.text or "" for t in run.iter(f"{_W}t")))
            for text in list(run.iter(f"{_W}t")):
                text.text = ""
    for formula in list(root.iter(f"{_M}oMath")):
        _write_out(formula)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True), hidden


def _is_hidden(run: _Element) -> bool:
    properties = run.find(f"{_W}rPr")
    if properties is None:
        return False
    vanish, size, color = (properties.find(f"{_W}{name}") for name in ("vanish", "sz", "color"))
    if vanish is not None and vanish.get(f"{_W}val", "1") not in ("0", "false", "off"):
        return True
    if size is not None and 0 < _number(size.get(f"{_W}val")) < MIN_HALF_POINTS:
        return True
    return color is not None and (color.get(f"{_W}val") or "").upper() == "FFFFFF" and not _is_shaded(run)


def _is_shaded(run: _Element) -> bool:
    """Whether something behind the run may be dark: white letters on it can be read."""
    shades = (f"{_W}shd", f"{_W}highlight")
    at: Any = run
    while at is not None:
        for properties in (at.find(f"{_W}{name}") for name in ("rPr", "pPr", "tcPr", "tblPr")):
            if properties is not None and any(properties.find(shade) is not None for shade in shades):
                return True
        if at.tag in (f"{_W}txbxContent", f"{_W}tbl"):
            return True  # a text box or a table's style may colour it
        at = at.getparent()
    return False


def _number(value: str | None) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return 0.0


def _write_out(formula: _Element) -> None:
    """Replace a formula by its letters and signs in a row."""
    from lxml import etree

    run = etree.Element(f"{_W}r")
    text = etree.SubElement(run, f"{_W}t")
    text.text = "".join(t.text or "" for t in formula.iter(f"{_M}t"))
    run.tail = formula.tail
    parent = formula.getparent()
    if parent is None:
        return
    if parent.tag == f"{_M}oMathPara" and (above := parent.getparent()) is not None:
        above.insert(above.index(parent), run)
        if len(parent.findall(f"{_M}oMath")) <= 1:
            above.remove(parent)
        else:
            parent.remove(formula)
        return
    parent.replace(formula, run)
