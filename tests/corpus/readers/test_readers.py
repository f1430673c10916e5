"""Every reader of the table: documents are named after their file, and a reader of another package runs too."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.readers import READERS, formats


@pytest.mark.parametrize("suffix", READERS)
def test_the_documents_of_each_reader_are_named_after_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text('{"text": "A sentence."}')
    [document] = READERS.load(suffix)(path, "name")
    assert document.id.startswith("name")
    assert document.source.startswith(str(path))


def test_messages_list_the_formats_of_the_table() -> None:
    assert formats() == ".jsonl, .md, .txt"
