"""Quotes in marks of any script, checked word for word against the passages that the answer was given."""

from __future__ import annotations

import pytest

from domainkit.evaluation.answers_on_disk import PassageRow
from domainkit.evaluation.metrics.citations import citations, quotes
from domainkit.evaluation.task import Sample, Task

TASK = Task(name="t", kind="answer", samples=(), fingerprint="")
SAMPLE = Sample(id="1", input="q", target="t", references=("t",))
PASSAGES = (
    PassageRow(
        id="hives#0", title="Hives", text="The bees leave the hive at dawn. They\nreturn before the night falls."
    ),
    PassageRow(
        id="honey#3",
        title="Honey",
        text="Die Bienen verlassen den Stock. Les abeilles quittent la ruche. "
        "蜂は朝早くに巣を出て、夜になる前に戻ります。 النحل يغادر الخلية عند الفجر.",
    ),
)


def score(text: str, passages: tuple[PassageRow, ...] = PASSAGES) -> float | None:
    return citations(TASK)(SAMPLE, text, passages).value


@pytest.mark.parametrize(
    "text",
    [
        "It says “the bees leave the hive at dawn”.",
        'It says "THE BEES  leave the hive".',
        "It says ‘They return before the night falls’, they say.",
        "Es heißt: „Die Bienen verlassen den Stock.“",
        "Es heißt: »Die Bienen verlassen den Stock«.",
        "On lit : « Les abeilles quittent la ruche ».",
        "「蜂は朝早くに巣を出て」とあります。",
        "『夜になる前に戻ります』とあります。",
        "جاء فيه: «النحل يغادر الخلية»",
        "As it says:\n\n> The bees leave the hive\n> at dawn.\n\nSo do I.",
        "It says “the bees … at dawn” and “the bees [of all kinds] leave the hive”.",
    ],
)
def test_a_quote_that_stands_in_a_passage_counts(text: str) -> None:
    assert score(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It says “the bees leave the hive at noon”.",
        'It says "the bee leaves the hive".',
        "Es heißt: „Die Bienen verlassen das Haus.“",
        "「蜂は夜遅くに巣を出て」とあります。",
        "> The bees stay at home",
        "It says “the bees … at noon”.",
    ],
)
def test_a_quote_that_stands_nowhere_does_not(text: str) -> None:
    assert score(text) == 0


def test_the_share_is_of_all_quotes() -> None:
    text = "“The bees leave the hive” and “they never come back again” and “before the night falls”."
    assert score(text) == pytest.approx(2 / 3)


def test_a_passage_that_is_named_must_have_it() -> None:
    assert score("“The bees leave the hive” [hives#0], (Honey)") == 1
    assert score("“The bees leave the hive” (Hives)") == 1
    assert score("“The bees leave the hive” (honey)") == 0
    assert score("“The bees leave the hive” (my grandfather)") == 1


def test_short_words_in_marks_are_no_quotes() -> None:
    assert [*quotes("A “queen bee” isn't a 'worker', 5\" long; she said “no”. 「蜂」の「巣」")] == []
    assert [q for q, _ in quotes("“One two three” and “一二三四五六七八”")] == ["One two three", "一二三四五六七八"]
    assert [*quotes("“an open mark\n\nand a late one”")] == []


def test_where_nothing_can_be_checked_there_is_no_score() -> None:
    assert citations(TASK)(SAMPLE, "no quote", PASSAGES).reason == "the answer quotes nothing"
    assert citations(TASK)(SAMPLE, "“one two three”").reason == "no passage was in the prompt"
