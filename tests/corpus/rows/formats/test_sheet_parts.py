"""What no library tells of a workbook: its reach, cells without a value, what is hidden, and which format it is."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import openpyxl
import pytest

from domainkit.corpus.archive import ole_kind
from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.rows.examples import wanted_names
from domainkit.corpus.rows.formats.sheet_parts import column_letters, column_number, load_by_content, sheet_facts
from domainkit.corpus.rows.open_rows import open_rows

# A workbook of Excel 97 with the sheet FAQ, as the package xlwt writes it.
XLS = zlib.decompress(
    base64.b85decode(
        "c-rk)O-NKx6#nj;8J(G&A58--hC#^6L^L;T^ktZ?MzoC;LXG;M!FW?MM%1D#n`IERD%uFTXk)eMhg#IGMPOJE1i?%#T@?i_bYAD4"
        "_g;<K!igFv?l;_X&pG#;d(YgT^WJ^07Hjjf_nQh>haPxPv;wFq(FrO6SBQezElaX)?WbZX{8I?{X(6k8coKS9E!R-4cL5sid7l#n"
        "K2RCOX$+=KBVIuq<QS4d#?Vbv;5KQ(XymBsn2s~u%JeQ<K4p4<HP@JSlWkrc!=gUey5HHwN3>>c3q$t%kbT~<rV|Z#A$Rem>%zA6"
        "p*NFCo~lGc%v*yw&?*cVrje0y1oH?2eSPhTMEg-f9`$5Bhp$!~_~IVLXK|&ktX_ch-`4BrH|TF@USJy53EsguY{46kZ1JGKcX$QE"
        "eB7$+)OqHtk)2AVO%ju4_MDON0ojx}ZiFC4kfxqf$YP4>SUgL-fgN$3Mny+Q=e{ngM@|~19+Wwn&vbOnnGW$@uOT{t2=leP<D)e6"
        "%AHS3iLoL5IBTXkkK5UPr;HyKE=vz`4#SS#rLF9-m+2MmbvyG-Oy!(V-7?hRF#R)ZbCp|LXq+y_YkgM<znl2n^6;Zr?xVhk_=SPO"
        "h5CiJ`Yf91=`%t8@;8Gv(I#%)lz6PWwQw@Sd!~&WvV>oYI<Z^MBQ1hedBp4o8o`zXN#cj3k>q-dUw8}l_Bi%}z2&@J)TE@*On+X|"
        "*jwY?)_U8k;B)LX_FksWdbBz`kd2hjej*431qB5K1qB5Kh2MwZH&Xj;UcR&Xocltx^Id0^N>P0#`EPNUZkB1jRUU##bq43l+CSUi"
        "6K-E(lRobELJ4`Z&0rE^9LHqY`<L!}qV)f4+A;d)j!?Pd7t4wBFOUBnMC{8("
    )
)
ROWS = [
    {"question": "Wo ist „sie“?", "answer": "00123", "since": "2026-09-03"},
    {"question": "When?", "answer": "2.5", "since": ""},
]


def test_the_facts_of_a_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["question", "answer", "n"], ["a", "b", "=A2"], ["c", "#N/A", 1]):
        book.active.append(row)
    book.active["E9"] = "far"
    for row in (3, 20):
        book.active.row_dimensions[row].hidden = True
    book.active.column_dimensions.group("B", "C", hidden=True)
    book.save(tmp_path / "a.xlsx")
    facts = sheet_facts(tmp_path / "a.xlsx")["Sheet"]
    assert (facts.farthest, facts.cells) == ("E9", 45)
    assert (facts.without_value, facts.errors) == (("C2",), ("B3",))
    assert (facts.hidden_rows, facts.hidden_columns) == ({3}, {2, 3})


@pytest.mark.parametrize("number, letters", [(1, "A"), (26, "Z"), (27, "AA"), (16384, "XFD")])
def test_letters_of_columns(number: int, letters: str) -> None:
    assert (column_letters(number), column_number(letters)) == (letters, number)


@pytest.mark.parametrize("name", ["a.xls", "a.xlsx", "a.xlsm", "a.ods", "a.csv", "a"])
def test_an_old_workbook_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(XLS)
    assert ole_kind(tmp_path / name) == "workbook"
    rows, problems = open_rows(tmp_path / name, wanted_names(None)).all()
    assert [row for _, row in rows] == ROWS
    said = (
        []
        if name in ("a.xls", "a")
        else [f"is named {Path(name).suffix}, and holds what a .xls file holds: read as that"]
    )
    assert [p.what for p in problems] == said


def test_a_new_workbook_under_an_old_name_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["question", "answer"])
    book.active.append(["a", "b"])
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").rename(tmp_path / "a.xls")
    assert load_by_content(tmp_path / "a.xls").sheet_names == ["Sheet"]
    assert len(open_rows(tmp_path / "a.xls", wanted_names(None)).all()[0]) == 1


def test_a_document_of_an_old_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(XLS)
    [document], problems = scan_documents(tmp_path / "a.xlsx")
    assert document.text.startswith("FAQ\n\nquestion | answer | since\n\n| Wo ist „sie“? | 00123 | 2026-09-03 |")
    assert problems == []


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.csv"])
def test_a_password_is_named_whatever_the_name(tmp_path: Path, name: str) -> None:
    # As Office writes it: the container of the old formats, with a stream of this name.
    data = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000) + "EncryptedPackage\0".encode("utf-16-le")
    (tmp_path / name).write_bytes(data)
    [problem] = open_rows(tmp_path / name).problems
    assert (problem.what, problem.next_step) == ("is password-protected", "save a copy without the password")
    if name != "a.csv":
        [problem] = scan_documents(tmp_path / name)[1]
        assert problem.what == "is password-protected"
