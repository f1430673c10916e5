"""The sketch finds the groups of questions, and makes none where there are too few."""

from __future__ import annotations

import numpy as np

from domainkit.monitoring.sketch import CENTROIDS, LEAST, fit_centroids, places, vectors_of
from tests.monitoring.watched_runs import WordVectors, question


def test_groups_are_found_and_places_tell_them_apart() -> None:
    texts = [question(topic, k) for topic in ("card", "rent") for k in range(40)]
    vectors = vectors_of(texts, WordVectors())
    centroids = fit_centroids(vectors)
    assert centroids.shape[0] <= CENTROIDS
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1)
    cells = [cell for cell, _ in places(vectors, centroids)]
    assert not set(cells[:40]) & set(cells[40:])
    [(_, far)] = places(vectors_of(["apple river"], WordVectors()), centroids)
    assert far < min(cosine for _, cosine in places(vectors, centroids))


def test_few_or_equal_questions() -> None:
    assert fit_centroids(np.eye(4)[: LEAST - 1]).shape[0] == 0
    assert len(fit_centroids(np.tile([[1.0, 0.0]], (100, 1)))) == 1
    assert np.isfinite(vectors_of([""], WordVectors())).all()
