"""Every reader of the table: documents are named after their file, and a reader of another package runs too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainkit.corpus.readers import PLAIN, READERS, formats, is_sandboxed

Write = Callable[[str, str], Path]
NO_WRITER = {".msg": "no free library writes it", ".xls": "no free library writes it"}


@pytest.mark.parametrize("suffix", READERS)
def test_the_documents_of_each_reader_are_named_after_the_file(tmp_path: Path, write: Write, suffix: str) -> None:
    if suffix in NO_WRITER:
        pytest.skip(NO_WRITER[suffix])
    path = tmp_path / f"a{suffix}"
    if suffix in PLAIN:
        path.write_text('{"text": "A sentence about bees."}')
    else:
        write(path.name, "A sentence about bees.")
    [document] = READERS.load(suffix)(path, "name")
    assert document.id.startswith("name")
    assert document.source.startswith(str(path))
    assert "A sentence about bees." in document.text


def test_messages_list_the_formats_of_the_table() -> None:
    assert formats().startswith(".docm, .docx, .eml, .epub")
    assert set(formats().split(", ")) == set(READERS)


def test_only_plain_text_is_read_in_this_process() -> None:
    assert {suffix for suffix in READERS if not is_sandboxed(suffix)} == PLAIN == {".jsonl", ".md", ".txt"}
