"""A word that a line end has divided is found by a search for the word."""

from __future__ import annotations

import pytest

from domainkit.corpus.readers.marked_text import Part
from domainkit.corpus.readers.pdf.hyphens import with_whole_words


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("ASN.1 declara- tions are read", "ASN.1 declarations are read"),
        ("a Declara-\ntions part", "a Declarations part"),
        ("short- and long-term storage", "short- and long-term storage"),
        ("pages 3- 4, x- ray", "pages 3- 4, x- ray"),
    ],
)
def test_only_a_word_that_the_document_has_elsewhere_is_joined(text: str, whole: str) -> None:
    parts = [Part("paragraph", "All declarations, also short ones.", 1), Part("paragraph", text, 2)]
    assert [part.text for part in with_whole_words(parts)] == [parts[0].text, whole]
    assert [part.page for part in with_whole_words(parts)] == [1, 2]
