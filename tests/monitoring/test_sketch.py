"""The sketch finds the groups of questions, and makes none where there are too few."""

from __future__ import annotations

import numpy as np

from domainkit.monitoring.sketch import CENTROIDS, LANDMARKS, LEAST, fit_centroids, fit_sketch, vectors_of
from tests.monitoring.watched_runs import WordVectors, question


def test_groups_are_found_and_places_tell_them_apart() -> None:
    texts = [question(topic, k) for topic in ("card", "rent") for k in range(40)]
    vectors = vectors_of(texts, WordVectors())
    centroids = fit_centroids(vectors)
    assert centroids.shape[0] <= CENTROIDS
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1)
    sketch = fit_sketch(np.tile(vectors, (4, 1)))
    assert sketch is not None
    assert len(sketch.landmarks) == LANDMARKS
    cells = [cell for cell, _ in sketch.places(vectors)]
    assert not set(cells[:40]) & set(cells[40:])
    [(_, far)] = sketch.places(vectors_of(["apple river"], WordVectors()))
    assert far < 0.9 < min(nearness for _, nearness in sketch.places(vectors))


def test_few_or_equal_questions() -> None:
    assert fit_sketch(np.eye(4)[: LEAST - 1]) is None
    assert len(fit_centroids(np.tile([[1.0, 0.0]], (100, 1)))) == 1
    assert np.isfinite(vectors_of([""], WordVectors())).all()
