"""Findings survive the way through a file, also through a spreadsheet that saves it its own way."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.clinic.finding import Finding
from domainkit.clinic.findings_file import read_findings, write_findings
from domainkit.errors import ConfigError, DataError


def finding(**fields: object) -> Finding:
    made = {
        "kind": "wrong label",
        "place": "rows.jsonl:3",
        "row": 3,
        "reason": 'it says "no"; or\nnot',
        "suggestion": "'b', if you agree",
        "sure": 0.75,
        "action": "relabel",
        "value": "b",
        "text": "=1+1",
        "data": "0123456789abcdef",
    }
    return Finding.model_validate({**made, **fields})


@pytest.mark.parametrize("name", ["found.jsonl", "found.csv"])
@pytest.mark.parametrize("value", ["b", "-b", "=b", "@b", "'b'", "+49", "ü;,\t"])
def test_what_is_written_is_read(tmp_path: Path, name: str, value: str) -> None:
    found = [finding(value=value), finding(accept=True, row=4)]
    write_findings(found, tmp_path / name)
    assert read_findings(tmp_path / name) == found


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_findings([finding(text="=HYPERLINK(1)", value="@x", reason="-1", suggestion="+1")], tmp_path / "found.csv")
    line = (tmp_path / "found.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in line.split(","))


@pytest.mark.parametrize("accept", ["TRUE", "true", "x", "Yes", "1"])
def test_a_spreadsheet_may_save_it_its_own_way(tmp_path: Path, accept: str) -> None:
    write_findings([finding(reason="short")], tmp_path / "found.csv")
    text = (tmp_path / "found.csv").read_text(encoding="utf-8-sig")
    (tmp_path / "found.csv").write_text(
        text.replace("false", accept).replace(",", ";").replace("\n", "\r\n"), encoding="utf-8"
    )
    assert read_findings(tmp_path / "found.csv")[0].accept


def test_what_is_no_finding_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"findings are written as \.jsonl or \.csv, not as '\.xlsx'"):
        write_findings([], tmp_path / "found.xlsx")
    line = finding().model_dump_json()
    file = tmp_path / "found.jsonl"
    file.write_text(
        line + "\n" + line.replace("0.75", "7") + "\n" + line.replace("false", '"perhaps"') + "\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"found.jsonl:2: is not a finding: sure\n") as e:
        read_findings(file)
    assert "found.jsonl:3: 'accept' is 'perhaps'\n  next: write true or false" in str(e.value)
    (tmp_path / "found.csv").write_text("accept,kind\ntrue,outlier\n", encoding="utf-8")
    with pytest.raises(DataError, match="the columns place, row, reason"):
        read_findings(tmp_path / "found.csv")


def test_a_missing_file_is_no_question_of_its_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file[^\n]*\n.*check the path; domainkit check DATA --deep --out"):
        read_findings(tmp_path / "absent.csv")
