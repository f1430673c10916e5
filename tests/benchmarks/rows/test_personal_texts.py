"""The made-up values are ones that the clinic's checks accept, and the other texts hold none."""

from __future__ import annotations

import random

from benchmarks.rows.personal_texts import clean_texts, texts_with_values
from domainkit.clinic.personal_data.find import find_personal_data


def test_values_beside_their_words_are_found() -> None:
    made = [(kind, text) for i, (kind, _, text) in enumerate(texts_with_values(random.Random(0), each=10)) if i % 5]
    missed = [(kind, text) for kind, text in made if kind not in {f.kind for f in find_personal_data(text)}]
    assert len(made) == 128
    assert len(missed) <= 2, missed


def test_other_numbers_raise_few_alarms() -> None:
    texts = clean_texts(random.Random(2), 300)
    assert sum(bool(find_personal_data(text)) for text in texts) <= 2
