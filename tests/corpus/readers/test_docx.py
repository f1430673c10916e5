"""Word: headings are marks; hidden letters are out, formulas and white letters on colour in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import docx
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor

from domainkit.corpus.readers.docx import read_docx
from domainkit.corpus.reading import collecting_warnings

Write = Callable[[str, str], Path]


def test_headings_are_marks_and_the_title_leaves_the_text(write: Write) -> None:
    [document] = read_docx(write("a.docx", "# Bees\nThey fly.\n## Food\nSugar.\n### Ratio\nTwo to one."), "a")
    assert (document.title, document.text) == ("Bees", "They fly.\n\nFood\n\nSugar.\n\nRatio\n\nTwo to one.")
    assert [m.headings for m in document.marks] == [("Food",), ("Food", "Ratio")]
    assert document.meta == {"file": "a.docx", "format": "docx"}


def test_tables_lists_and_breaks(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("One", style="List Bullet")
    word.add_paragraph("Two", style="List Bullet")
    table = word.add_table(2, 2)
    for cell, text in zip(table._cells, ("Month", "Kilos", "May", "3"), strict=True):
        cell.text = text
    word.add_paragraph("before\tafter\nbelow")
    word.save(str(tmp_path / "a.docx"))
    [document] = read_docx(tmp_path / "a.docx", "a")
    assert document.text == "- One\n- Two\n\n| Month | Kilos |\n| May | 3 |\n\nbefore after\nbelow"


def test_hidden_letters_are_left_out_and_counted(tmp_path: Path) -> None:
    word = docx.Document()
    word.add_paragraph("Seen.").add_run("VANISHED").font.hidden = True
    word.add_paragraph().add_run("TINY").font.size = Pt(1)
    word.add_paragraph().add_run("WHITE").font.color.rgb = RGBColor(255, 255, 255)
    shaded = word.add_paragraph().add_run("on black")
    shaded.font.color.rgb = RGBColor(255, 255, 255)
    shaded._r.rPr.append(parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:fill="000000"/>'))
    word.save(str(tmp_path / "a.docx"))
    with collecting_warnings() as warnings:
        [document] = read_docx(tmp_path / "a.docx", "a")
    assert document.text == "Seen.\n\non black"
    assert document.meta["removed"] == {"hidden_letters": 17}
    assert [p.what for p in warnings] == ["17 hidden letters left out"]


def test_formulas_are_written_out_and_deletions_left_out(tmp_path: Path) -> None:
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    word = docx.Document()
    paragraph = word.add_paragraph("Energy: ")
    paragraph._p.append(parse_xml(f"<m:oMath {math}><m:r><m:t>E=mc</m:t></m:r></m:oMath>"))
    gone = f'<w:del {nsdecls("w")} w:id="1" w:author="a"><w:r><w:delText>GONE</w:delText></w:r></w:del>'
    new = f'<w:ins {nsdecls("w")} w:id="2" w:author="a"><w:r><w:t>, new</w:t></w:r></w:ins>'
    paragraph._p.append(parse_xml(gone))
    paragraph._p.append(parse_xml(new))
    word.save(str(tmp_path / "a.docx"))
    [document] = read_docx(tmp_path / "a.docx", "a")
    assert document.text == "Energy: E=mc, new"
