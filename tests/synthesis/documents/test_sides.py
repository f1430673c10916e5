"""No document serves training and test; the choice depends on the seed alone."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit import Document
from domainkit.synthesis.documents.sides import sides_of


def corpus(sizes: list[int]) -> tuple[list[Document], dict[str, int]]:
    documents = [Document(id=f"d{i}", source=f"d{i}", text=f"text number {i}") for i in range(len(sizes))]
    return documents, {d.id: n for d, n in zip(documents, sizes, strict=True)}


@settings(max_examples=30)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=40), st.floats(0.05, 0.9), st.integers(0, 5))
def test_both_sides_have_documents_whatever_their_sizes(sizes: list[int], share: float, seed: int) -> None:
    documents, counts = corpus(sizes)
    sides = sides_of(documents, counts, share, seed)
    assert set(sides.values()) == {"train", "test"}
    assert sides == sides_of(documents[::-1], counts, share, seed)


def test_the_test_side_gets_about_its_share_and_another_seed_chooses_others() -> None:
    documents, counts = corpus([3] * 50)
    sides = sides_of(documents, counts, 0.2, 0)
    assert Counter(sides.values()) == {"train": 40, "test": 10}
    assert sides != sides_of(documents, counts, 0.2, 1)


def test_documents_of_the_same_words_stay_together() -> None:
    documents = [
        Document(id=f"d{i}", source="s", text=f"Text {i // 2}!" if i % 2 else f"text {i // 2}") for i in range(20)
    ]
    sides = sides_of(documents, {d.id: 1 for d in documents}, 0.3, 0)
    assert all(sides[f"d{i}"] == sides[f"d{i + 1}"] for i in range(0, 20, 2))


def test_a_document_and_its_other_edition_stay_together() -> None:
    text = "The porter keeps the {} key of locker {} behind the desk, and gives it to nobody who has no receipt."
    documents = [
        Document(id=f"{edition}{i}", source="s", text=text.format(thing, i) + f" Printed in {edition}.")
        for edition in ("spring", "autumn")
        for i, thing in enumerate(("blue", "iron", "spare", "round", "small", "heavy"))
    ]
    sides = sides_of(documents, {d.id: 1 for d in documents}, 0.3, 0)
    assert all(sides[f"spring{i}"] == sides[f"autumn{i}"] for i in range(6))


def test_one_side_alone_takes_all() -> None:
    documents, counts = corpus([1])
    assert sides_of(documents, counts, 0.0, 0) == {"d0": "train"}
    assert sides_of(documents, counts, 1.0, 0) == {"d0": "test"}
