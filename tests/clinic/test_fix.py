"""fix does what was accepted, says what it did, and refuses findings of other rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.clinic.finding import Finding
from domainkit.clinic.findings_file import write_findings
from domainkit.clinic.fix import fix, with_target
from domainkit.clinic.row_texts import hash_of_rows
from domainkit.errors import ConfigError, DataError

ROWS: list[dict[str, Any]] = [
    {"input": "a", "target": "x", "n": 1.0},
    {"prompt": "b", "completion": "x"},
    {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]},
    {"id": "+44 20 7946 0958", "input": "call +44 20 7946 0958, mail a.b@provider.org", "target": "y"},
]


def finding(row: int, action: str, value: str = "", **fields: Any) -> Finding:
    made = {
        "kind": "wrong label",
        "place": f"rows.jsonl:{row}",
        "reason": "r",
        "suggestion": "s",
        "sure": 0.5,
        "text": "t",
    }
    return Finding.model_validate(
        {**made, "accept": True, "row": row, "action": action, "value": value, "data": hash_of_rows(ROWS), **fields}
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def done(data: Path, *findings: Finding) -> tuple[Any, list[dict[str, Any]]]:
    write_findings(findings, data.parent / "found.jsonl")
    account = fix(data, data.parent / "found.jsonl", data.parent / "fixed.jsonl")
    return account, [
        json.loads(line) for line in (data.parent / "fixed.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_labels_change_in_each_layout_and_nothing_else(data: Path) -> None:
    account, rows = done(data, *(finding(i, "relabel", "new") for i in (1, 2, 3)), finding(4, "delete", accept=False))
    assert rows[0] == {**ROWS[0], "target": "new"}
    assert rows[1] == {**ROWS[1], "completion": "new"}
    assert rows[2]["messages"] == [ROWS[2]["messages"][0], {"role": "assistant", "content": "new"}]
    assert rows[3] == ROWS[3]
    assert (account.relabelled, account.deleted, account.not_accepted) == (3, 0, 1)


def test_rows_are_deleted_and_values_masked(data: Path) -> None:
    account, rows = done(data, finding(1, "delete"), finding(1, "relabel", "z"), finding(4, "mask", "email"))
    assert len(rows) == 3
    assert rows[-1] == {**ROWS[3], "input": "call +44 20 7946 0958, mail [EMAIL]"}
    assert (account.deleted, account.masked, account.written) == (1, 1, 3)


def test_findings_of_other_rows_are_refused(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"the findings are of other rows \(aaaa\) than .* holds now"):
        done(data, finding(1, "delete", data="aaaa"))
    assert not (data.parent / "fixed.jsonl").exists()


def test_what_contradicts_itself_or_destroys_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match=r"rows.jsonl:1 is to become 'p' and 'q'\n  next: accept one of them"):
        done(data, finding(1, "relabel", "p"), finding(1, "relabel", "q"))
    with pytest.raises(DataError, match=r"the new label of rows\.jsonl:1 is empty"):
        done(data, finding(1, "relabel", " "))
    with pytest.raises(ConfigError, match="every row would be deleted"):
        done(data, *(finding(i, "delete") for i in (1, 2, 3, 4)))
    (data.parent / "fixed.jsonl").write_text("kept", encoding="utf-8")
    with pytest.raises(ConfigError, match="nothing is written over"):
        done(data, finding(1, "delete"))


def test_a_target_that_is_not_found_is_left_and_said() -> None:
    assert with_target({"input": "x", "label_id": 3}, "three", "four") is None
    assert with_target({"question": "q", "topic": " x "}, "x", "new") == {"question": "q", "topic": "new"}
