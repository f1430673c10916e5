"""Markdown: the first heading outside code is the title."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.read_files import read_documents


@pytest.mark.parametrize(
    "text, title, body",
    [
        ("---\ntags: [a]\n---\n# T\nBody", "T", "Body"),
        ("Intro\n# T\nBody", "T", "Intro\nBody"),
        ("## Sub\nBody", "", "## Sub\nBody"),
        ("```\n# code\n```\n# T\nBody", "T", "```\n# code\n```\nBody"),
        ("~~~\n```\n# code\n~~~\ntext", "", "~~~\n```\n# code\n~~~\ntext"),
        ("#hashtag", "", "#hashtag"),
        ("# Only", "Only", "Only"),
        ("--- not front matter\n# T\nBody", "T", "--- not front matter\nBody"),
    ],
)
def test_the_first_heading_outside_code_is_the_title(tmp_path: Path, text: str, title: str, body: str) -> None:
    path = tmp_path / "a.md"
    path.write_text(text)
    [document] = read_documents(path)
    assert (document.id, document.title, document.text) == ("a", title, body)


def test_headings_outside_code_are_marks(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "# Bees\nintro\n## Food\nx\n```\n# no heading\n```\n### Sugar ###\ny\n\nWinter\n------\nz\n\n- a\n---\n"
    )
    [document] = read_documents(path)
    assert document.title == "Bees"
    assert [(document.text[m.start :].split("\n")[0], m.headings) for m in document.marks] == [
        ("## Food", ("Food",)),
        ("### Sugar ###", ("Food", "Sugar")),
        ("Winter", ("Winter",)),
    ]
