"""Sections: by the marks of the reader, else by Markdown headings; nothing of a document is lost."""

from __future__ import annotations

from domainkit import Document
from domainkit.corpus.document import Mark
from domainkit.synthesis.documents.sections import SECTION_WORDS, headings_at, page_at, sections_of


def test_marks_with_headings_make_sections_and_pages_alone_do_not() -> None:
    text = "Intro words here. Fees are five pounds. More on fees. Hours are nine to five."
    marks = (
        Mark(start=0, page=1, headings=("Guide",)),
        Mark(start=18, page=1, headings=("Guide", "Fees")),
        Mark(start=40, page=2, headings=("Guide", "Fees")),
        Mark(start=54, page=2, headings=("Guide", "Hours")),
    )
    document = Document(id="d", source="d.pdf", text=text, marks=marks)
    sections = sections_of([document])
    assert [s.name for s in sections] == ["Guide", "Guide › Fees", "Guide › Hours"]
    assert sections[1].text == "Fees are five pounds. More on fees."
    assert [s.page for s in sections] == [1, 1, 2]
    assert (page_at(document, 41), headings_at(document, 41)) == (2, ("Guide", "Fees"))
    pages = Document(id="p", source="p.pdf", text=text, marks=(Mark(start=0, page=4), Mark(start=40, page=5)))
    [whole] = sections_of([pages])
    assert (whole.page, whole.name, page_at(pages, 60)) == (4, "page 4", 5)


def test_markdown_headings_make_sections_with_their_parents() -> None:
    text = "before\n\n# One\ntext one\n\n## Two\ntext two\n\n### Three\nthree\n\n## Four\nfour"
    sections = sections_of([Document(id="d", source="d.md", text=text)])
    assert [s.headings for s in sections] == [(), ("One",), ("One", "Two"), ("One", "Two", "Three"), ("One", "Four")]
    assert sections[0].name == "part 1"


def test_long_sections_are_cut_and_hold_all_words() -> None:
    text = "\n\n".join(f"Paragraph {i} has some words about thing {i}." for i in range(200))
    sections = sections_of([Document(id="d", source="d.txt", text=text)])
    assert len(sections) > 3
    assert " ".join(s.text for s in sections).split() == text.split()
    assert all(len(s.text.split()) <= SECTION_WORDS for s in sections)
    assert [s.number for s in sections] == list(range(len(sections)))


def test_sentences_stand_in_the_section_as_they_are() -> None:
    text = "It costs £3.50 a day. Ask Dr. Lee!\n- one item\n- another item\n\n予約は無料です。変更も無料です。"
    [section] = sections_of([Document(id="d", source="d.txt", text=text)])
    assert section.sentences[0] == "It costs £3.50 a day."
    assert all(sentence in text for sentence in section.sentences)
    assert section.sentences[-2:] == ["予約は無料です。", "変更も無料です。"]
