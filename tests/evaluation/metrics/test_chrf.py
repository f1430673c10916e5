from __future__ import annotations

import unicodedata

import pytest
from sacrebleu import sentence_chrf

from domainkit.evaluation.metrics.chrf import chrf
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="answer", samples=(), fingerprint="")


def score(text: str, *references: str) -> float | None:
    return chrf(TASK)(Sample(id="1", input="q", target=references[0], references=references), text).value


def test_it_is_sacrebleus_and_the_best_reference_counts() -> None:
    text, references = "The bees came home late", ("The bees came home early.", "Bees return")
    assert score(text, *references) == pytest.approx(sentence_chrf(text, list(references)).score / 100)
    assert score(text, "Bees return", text) == 1


@pytest.mark.parametrize("text", ["朝はお米ですわ。", "ค่าส่ง ๕๐ บาท", "كتاب الطب الحديث", "क़लम और काग़ज़", "ﾊﾝｶｸ"])
def test_the_forms_of_unicode_are_one_text_in_every_script(text: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert score(unicodedata.normalize(form, text), text) == 1
    assert score("zzz", text) == 0
    assert 0 < (score(text[: len(text) // 2], text) or 0) < 1


def test_without_a_reference_there_is_no_score() -> None:
    found = chrf(TASK)(Sample(id="1", input="q", target="", references=("",)), "an answer")
    assert (found.value, found.reason) == (None, "the question has no reference")
