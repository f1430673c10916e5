"""reviews.jsonl: every click is a line, the last one of a person and question counts, a damaged one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError, DataError
from domainkit.results.reviews import REVIEWS_FILE, ReviewLog, latest, read_reviews, text_digest
from tests.review.reviewed_runs import review


def test_the_last_line_of_a_person_and_question_counts(tmp_path: Path) -> None:
    lines = [review("q0", left_verdict="right"), review("q0", reviewer="bo"), review("q0", left_verdict="wrong")]
    with ReviewLog(tmp_path) as log:
        for line in lines:
            log.append(line)
    assert read_reviews(tmp_path) == lines
    counting = latest(read_reviews(tmp_path))
    assert [counting[who, "q0"].left_verdict for who in ("ann", "bo")] == ["wrong", None]


def test_a_cut_last_line_is_no_error_and_any_other_is(tmp_path: Path) -> None:
    path = tmp_path / REVIEWS_FILE
    whole = review("q0").model_dump_json()
    path.write_text(f"{whole}\n{whole[:40]}")
    assert len(read_reviews(tmp_path)) == 1
    with ReviewLog(tmp_path) as log:
        assert len(log.reviews) == 1
    bad = whole.replace('"chance":0.5', '"chance":0.5,"mood":1')
    path.write_text(f"{bad}\nnot json\n{whole}\n")
    with pytest.raises(DataError) as e:
        read_reviews(tmp_path)
    assert "reviews.jsonl:1: is not a review: unknown option 'mood'" in str(e.value)
    assert "reviews.jsonl:2: is not a review: " in str(e.value)
    assert "next: correct or delete the line" in str(e.value)
    with pytest.raises(DataError):
        ReviewLog(tmp_path).__enter__()
    path.write_text(whole + "\n")
    with ReviewLog(tmp_path), pytest.raises(ConfigError, match="another review desk"), ReviewLog(tmp_path):
        pass


@pytest.mark.parametrize(
    ("said", "finished"),
    [
        ({}, False),
        ({"left_verdict": "right"}, False),
        ({"left_verdict": "right", "right_verdict": "wrong"}, False),
        ({"left_verdict": "right", "right_verdict": "wrong", "preference": "tie"}, True),
        ({"left_verdict": "cannot judge", "right_verdict": "wrong"}, True),
        ({"right": None, "right_digest": None, "left_verdict": "wrong"}, True),
        ({"right": None, "right_digest": None, "preference": "left"}, False),
    ],
)
def test_finished_means_every_answer_has_its_verdict(said: dict[str, str], finished: bool) -> None:
    assert review("q0", **said).finished is finished


def test_a_digest_tells_answers_apart() -> None:
    assert len({text_digest(text) for text in ("", " ", "a", "\u00e1", "a\u0301")}) == 5
