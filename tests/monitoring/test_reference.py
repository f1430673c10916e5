"""The reference: shares of the run's own answers, half of the questions for the sketch, documents counted as units."""

from __future__ import annotations

import numpy as np
import pytest

from domainkit.errors import ConfigError
from domainkit.monitoring.reference import Reference, effective_number, make_reference
from domainkit.results.schema import Results
from tests.monitoring.watched_runs import WordVectors, label_run, retrieving_run


def made(results: Results, variant: str | None = None) -> Reference:
    return make_reference(results, variant, WordVectors(), "RUN")


def test_series_of_a_label_task() -> None:
    reference = made(label_run())
    shares = {s.name: (s.share, s.n) for s in reference.series}
    assert shares["label card"] == (0.5, 200)
    assert shares["no label"] == (0.0, 200)
    assert shares["refused"] == (0.0, 200)
    unlike, n = shares["questions unlike those of the run"]
    assert 70 <= n <= 130, "half of the questions, those the sketch was not fitted to"
    assert unlike <= 0.05
    topics = [s for s in reference.series if s.name.startswith("topic")]
    assert sum(s.share for s in topics) == pytest.approx(1)
    assert reference.weights.sum() == pytest.approx(1)
    assert "length" not in {s.measure for s in reference.series}


def test_series_of_free_answers_with_passages() -> None:
    reference = made(retrieving_run())
    by_name = {s.name: s for s in reference.series}
    assert reference.retrieves
    assert by_name["very long answers"].share <= 0.05
    assert by_name["questions whose words are not in the passages"].group == "retrieval"


def test_it_is_the_same_when_read_again() -> None:
    reference = made(label_run())
    again = Reference.model_validate_json(reference.model_dump_json())
    assert again == reference
    assert np.array_equal(again.bounds().shares, reference.bounds().shares)


def test_questions_of_one_document_count_less() -> None:
    codes = np.repeat(np.arange(40), 5)
    together = np.repeat(np.arange(40) % 4 == 0, 5).astype(float)
    assert effective_number(together, codes) == pytest.approx(40, rel=0.05)
    assert effective_number(np.zeros(200), codes) == 40
    assert effective_number(together, None) == 200
    apart = np.tile([1.0, 0, 0, 0, 0], 40)
    assert effective_number(apart, codes) == 200


def test_what_cannot_be_a_reference_is_refused() -> None:
    with pytest.raises(ConfigError, match="'tuned' has 10 answers without an error: at least 20"):
        made(label_run(10))
    with pytest.raises(ConfigError, match="the run has no variant 'tund'") as caught:
        made(label_run(), "tund")
    assert "did you mean 'tuned'?" in str(caught.value)
    run = label_run()
    with pytest.raises(ConfigError, match="recommends no variant"):
        made(run.model_copy(update={"verdict": run.verdict.model_copy(update={"choice": ""})}))
