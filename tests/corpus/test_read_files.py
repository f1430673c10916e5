"""Reading raises every error at once, at the call."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.read_files import read_documents, read_examples, read_rows
from domainkit.errors import DataError


@pytest.mark.parametrize("read", [read_rows, read_examples, read_documents])
def test_all_errors_are_raised_at_the_call_before_any_item_is_used(read: object, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "a", "target": "b", "text": "c"}\nbroken\n[]\n')
    with pytest.raises(DataError) as caught:
        read(path)  # type: ignore[operator]
    assert [p.line for p in caught.value.problems] == [2, 3]


def test_a_warning_alone_is_not_raised(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.pdf").write_text("x")
    assert [d.id for d in read_documents(tmp_path)] == ["a"]
