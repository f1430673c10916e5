"""chunk: nothing lost, order kept, sizes bounded, borders sensible."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.corpus import chunk as module
from domainkit.corpus.chunk import _WORD, _pieces, chunk, count_words, document_id
from domainkit.corpus.document import Document, Mark
from domainkit.errors import ConfigError


def doc(text: str, **more: object) -> Document:
    return Document(text=text, source="a.txt", id="a", **more)  # type: ignore[arg-type]


PIECES = ["Word", "two", "three.", "Four!", "\n\n", "\n", "## Head\n\n", "- item", "日本。語", 'five?"', "(six.)", "  "]
texts = st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join)


@given(text=texts, size=st.integers(1, 12))
def test_without_overlap_the_words_are_the_documents_words(text: str, size: int) -> None:
    passages = chunk([doc(text)], size)
    assert "".join("".join(p.text.split()) for p in passages) == "".join(text.split())


@given(text=texts, size=st.integers(1, 12), data=st.data())
def test_passages_are_bounded_and_cover_the_words_in_order(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    words = _WORD.findall(text)
    # Words repeat, so a passage may stand in several places: follow all of them.
    ends = {0}
    passages = chunk([doc(text)], size, overlap)
    for part in (_WORD.findall(p.text) for p in passages):
        assert len(part) <= size
        starts = {(start, end) for end in ends for start in range(max(0, end - overlap), end + 1)}
        ends = {
            s + len(part)
            for s, end in starts
            if (words[s : s + len(part)] == part and s + len(part) > end) or not words
        }
    assert len(words) in ends


@given(text=texts, size=st.integers(1, 12))
def test_a_short_document_stays_the_same_object(text: str, size: int) -> None:
    document = doc(text)
    assert (chunk([document], size) == [document]) == (count_words(text) <= size)


def test_ids_parent_and_title() -> None:
    passages = chunk([doc("One two. Three four.", title="T", meta={"year": 1})], 2)
    assert [(p.id, p.title, p.text) for p in passages] == [("a#1", "T", "One two."), ("a#2", "T", "Three four.")]
    assert all(p.meta == {"year": 1, "parent": "a"} and p.source == "a.txt" for p in passages)


def test_paragraphs_are_kept_together_where_they_fit() -> None:
    text = "One two three. Four five.\n\nSix seven. Eight nine ten."
    assert [p.text for p in chunk([doc(text)], 8)] == ["One two three. Four five.", "Six seven. Eight nine ten."]


def test_a_heading_goes_with_what_it_heads() -> None:
    text = "One two three four.\n\n## Head\n\nFive six. Seven eight."
    assert [p.text for p in chunk([doc(text)], 7)] == ["One two three four.", "## Head\n\nFive six. Seven eight."]


def test_hard_wrapped_lines_are_not_borders_and_list_items_are() -> None:
    assert [p.text for p in chunk([doc("One two\nthree four. Five six.")], 4)] == ["One two\nthree four.", "Five six."]
    assert [p.text for p in chunk([doc("- one two\n- three four")], 4)] == ["- one two", "- three four"]


def test_overlap_repeats_whole_sentences() -> None:
    passages = chunk([doc("Aa bb. Cc. Dd ee. Ff.")], 4, 1)
    assert [p.text for p in passages] == ["Aa bb. Cc.", "Cc. Dd ee. Ff."]


def test_quotes_stay_with_their_sentence() -> None:
    assert [p.text for p in chunk([doc('He said "go." Then left.')], 3)] == ['He said "go."', "Then left."]


def test_scripts_without_spaces_are_bounded_too() -> None:
    passages = chunk([doc("今日は晴れです。" * 10)], 16)
    assert {p.text for p in passages} == {"今日は晴れです。今日は晴れです。"}


@pytest.mark.parametrize(
    "size, overlap, message",
    [
        (0, 0, "size=0: a passage needs at least one word"),
        (10, 10, "overlap=10 is not between 0 and size=10"),
        (10, -1, "overlap=-1"),
    ],
)
def test_impossible_sizes_are_refused(size: int, overlap: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        chunk([doc("a")], size, overlap)


def test_the_id_of_a_passage_leads_back_to_its_document_also_where_that_has_a_mark_of_its_own() -> None:
    document = doc("one two three four").model_copy(update={"id": "C#/guide"})
    passages = chunk([document], size=2)
    assert [document_id(p.id) for p in passages] == ["C#/guide"] * 2
    assert [document_id(name) for name in ("guide", "C#", "faq#top", "#", "")] == ["guide", "C#", "faq#top", "#", ""]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("यह पहला है। यह दूसरा है॥ तीसरा", ["यह पहला है।", "यह दूसरा है॥", "तीसरा"]),
        ("این یک است؟ این دو است۔ سه", ["این یک است؟", "این دو است۔", "سه"]),
        ("「一です。」二です！三", ["「一です。」", "二です！", "三"]),
        ("ប្រយោគ។ពីរ", ["ប្រយោគ។", "ពីរ"]),
        ("አንድ ነው። ሁለት", ["አንድ ነው።", "ሁለት"]),
        ("Մեկ է։ Երկու", ["Մեկ է։", "Երկու"]),
        ("Version 3.5 of e.g. the API. Then?! “Yes.” No", ["Version 3.5 of e.g. the API.", "Then?!", "“Yes.”", "No"]),
    ],
)
def test_sentences_of_all_scripts_stay_whole(text: str, sentences: list[str]) -> None:
    assert [p.text for p in chunk([doc(text)], size=max(map(count_words, sentences)))][:1] == sentences[:1]
    pieces = [text[piece.start : piece.end] for piece in _pieces(Document(text=text, source="", id=""), 100)]
    assert pieces == sentences


@pytest.mark.parametrize(
    "clause",
    [
        "ลูกค้าสามารถเปลี่ยนที่อยู่ได้",
        "ສະບາຍດີທຸກຄົນ",
        "អតិថិជនអាចផ្លាស់ប្តូរ",
        "မြန်မာဘာသာစကား",
        "고객은주소를바꿀수있습니다",
        "お客様は住所を変更できます",
        "客户可以更改地址",
    ],
)
def test_text_without_spaces_is_cut_between_letters_never_inside_one(clause: str) -> None:
    text = clause * 60
    passages = [p.text for p in chunk([doc(text)], size=160)]
    assert len(passages) > 1
    assert "".join(passages) == text
    assert text.startswith(passages[0])
    assert all(count_words(p) <= 160 and unicodedata.category(p[0])[0] == "L" for p in passages)


@pytest.mark.parametrize("clause", ["ลูกค้าเปลี่ยนที่อยู่ได้ ", "住所を変更できます、", "주소를바꿀수있습니다 "])
def test_a_long_sentence_is_cut_between_its_clauses(clause: str) -> None:
    passages = [p.text for p in chunk([doc(clause * 60)], size=160)]
    assert all(p.strip() == (clause * p.count(clause.strip())).strip() for p in passages[:-1])


def marked(*pages: str, **more: object) -> Document:
    """A document of these pages; a line that begins with `# ` is an outermost heading."""
    text, marks, headings = "", [], ()
    for number, page in enumerate(pages, start=1):
        marks.append(Mark(start=len(text), page=number, headings=headings))
        for line in page.split("\n"):
            if line.startswith("# "):
                headings = (line.removeprefix("# "),)
                marks.append(Mark(start=len(text), page=number, headings=headings))
            text += line.removeprefix("# ") + "\n\n"
    return Document(text=text.strip(), source="a.pdf", id="a", marks=tuple(marks), **more)


def test_a_passage_ends_with_its_page_and_names_it() -> None:
    passages = chunk([marked("One two.\nThree.", "Four five.", meta={"format": "pdf"})], size=50, overlap=10)
    assert [(p.id, p.text, p.meta) for p in passages] == [
        ("a#1", "One two.\n\nThree.", {"format": "pdf", "parent": "a", "page": 1}),
        ("a#2", "Four five.", {"format": "pdf", "parent": "a", "page": 2}),
    ]
    assert [p.mark_at(0).page for p in passages] == [1, 2]


def test_a_sentence_over_a_page_stays_whole() -> None:
    text = "The office closes at five. Then all go home."
    document = Document(text=text, source="", id="a", marks=(Mark(start=0, page=1), Mark(start=11, page=2)))
    assert [(p.text, p.meta["page"]) for p in chunk([document], size=5)] == [
        ("The office closes at five.", 1),
        ("Then all go home.", 2),
    ]


def test_a_half_full_passage_ends_with_its_outermost_heading() -> None:
    document = marked("# Food\nOne two three four five six.\n# Winter\nSeven eight nine.")
    assert [(p.text, p.meta["headings"]) for p in chunk([document], size=10)] == [
        ("Food\n\nOne two three four five six.", ["Food"]),
        ("Winter\n\nSeven eight nine.", ["Winter"]),
    ]
    [whole] = chunk([document], size=50)
    assert (whole.id, whole.meta) == ("a", {"page": 1, "headings": ["Food"]})


def test_a_heading_stays_with_the_paragraph_below_it() -> None:
    document = marked("One two three four.\n# Winter\nFive six seven eight.")
    assert [p.text for p in chunk([document], size=6)] == ["One two three four.", "Winter\n\nFive six seven eight."]


@given(st.lists(st.text("ab. \n", max_size=40), min_size=1, max_size=5), st.integers(1, 12), st.integers(0, 5))
def test_every_word_of_marked_pages_is_kept_with_its_page(pages: list[str], size: int, overlap: int) -> None:
    document = marked(*pages)
    passages = chunk([document], size, min(overlap, size - 1))
    if overlap == 0:
        assert " ".join(p.text for p in passages).split() == document.text.split()
    for passage in passages:
        assert document.text.find(passage.text) >= 0
        assert passage.meta["page"] == (passage.mark_at(0) or document.marks[0]).page


PIECES = (
    *(
        "word",
        "Word",
        "a",
        "3.5",
        "e.g.",
        "end.",
        "End!",
        "why?",
        "?!",
        "...",
        '"Yes."',
        "(so.)",
        "“Ja.”",
        "’",
        "»",
        "é.",
    ),
    *("- item", "* x", "1. one", "2) two", "# Head", "|a|", "> q", "•", "…"),
)
SPACES = (" ", " ", "\n", "\n\n", "\n \n", "  ", "\t", "\u00a0", "\x1c", "")


@given(parts=st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(SPACES)), max_size=30), size=st.integers(1, 9))
def test_the_fast_way_through_western_text_makes_the_same_passages(parts: list[tuple[str, str]], size: int) -> None:
    document = Document(id="d", text="".join(a + b for a, b in parts) or "x", source="s")
    fast = chunk([document], size, size // 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_is_western", lambda text: False)
        assert chunk([document], size, size // 2) == fast
