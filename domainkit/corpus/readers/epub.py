"""EPUB: the chapters in the order of reading (EPUB 3.3, section 5) are one document."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from domainkit.corpus.archive import check_archive, refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.html import decode_html
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.readers.markup import add_markup, drop_hidden, parse_markup
from domainkit.corpus.reading import warn

if TYPE_CHECKING:
    from lxml.etree import _Element

_CONTAINER = "META-INF/container.xml"
# A closed tag of XHTML that HTML leaves open would swallow the rest of the chapter.
_SELF_CLOSED = re.compile(r"<(title|script|style|div|span|p|a|td|th|li|i|b|em|strong|iframe|textarea)\b([^<>]*)/>")


def read_epub(path: Path, name: str) -> Iterator[Document]:
    """One document, without tables of contents and covers; its headings are marks.

    Raises DataError for what `check_archive` refuses, for a protected book, and for a file that is not an EPUB.
    """
    check_archive(path, allow_doctype=True)
    text, hidden = MarkedText(), 0
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "META-INF/rights.xml" in names or ("META-INF/encryption.xml" in names and _encrypts(archive)):
            raise refused(path, "is protected by digital rights management", "use a copy without it")
        package_name = _package_name(path, archive)
        package = _xml(path, archive, package_name)
        left_out = []
        for chapter in _spine(package, package_name):
            if chapter not in names:
                left_out.append(chapter)
                continue
            hidden += _add_chapter(path, archive.read(chapter), text)
    if left_out:
        what = f"{len(left_out)} chapters are not in the file, such as '{left_out[0][:80]}'"
        warn(path, what, "save the book again from the program that made it")
    if hidden:
        warn(path, f"{hidden} hidden letters left out", "make them visible if they belong to the text")
    meta = {"removed": {"hidden_letters": hidden}} if hidden else {}
    title = package.findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""
    document = text.document(path, name, title=title, meta=meta)
    if document is not None:
        yield document


def _encrypts(archive: zipfile.ZipFile) -> bool:
    """Whether chapters are encrypted; most books with this file only disguise their fonts."""
    return re.search(rb"CipherReference[^>]+\.x?html?[\"']", archive.read("META-INF/encryption.xml")) is not None


def _package_name(path: Path, archive: zipfile.ZipFile) -> str:
    if _CONTAINER not in archive.namelist():
        raise refused(path, f"is not an EPUB: it has no {_CONTAINER}", "save it again from the program that made it")
    for element in _xml(path, archive, _CONTAINER).iter("{*}rootfile"):
        name = posixpath.normpath(unquote(element.get("full-path") or ""))
        if name in archive.namelist():
            return name
    raise refused(path, "is not an EPUB: its package is missing", "save it again from the program that made it")


def _xml(path: Path, archive: zipfile.ZipFile, name: str) -> _Element:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(archive.read(name), parser)
    except etree.XMLSyntaxError as e:
        raise refused(path, f"is damaged: {name}: {e}", "save it again from the program that made it") from None


def _spine(package: _Element, package_name: str) -> Iterator[str]:
    """The names of the chapters in the archive, in order; links out of the archive end at its root."""
    items = {item.get("id"): item for item in package.iter("{*}item")}
    for reference in package.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or "nav" in (item.get("properties") or "").split():
            continue
        if "html" not in (item.get("media-type") or "html"):
            continue
        href = unquote((item.get("href") or "").partition("#")[0])
        yield posixpath.normpath(posixpath.join(posixpath.dirname(package_name), href))


def _add_chapter(path: Path, data: bytes, text: MarkedText) -> int:
    """Add a chapter's parts; returns the number of its hidden letters."""
    tree = parse_markup(path, _SELF_CLOSED.sub(r"<\1\2></\1>", decode_html(path, data)))
    hidden = drop_hidden(tree)
    for contents in reversed(tree.css("nav")):
        contents.decompose()
    add_markup(path, tree.body, text)
    return hidden
