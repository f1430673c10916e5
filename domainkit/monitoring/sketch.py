"""A sketch of the run's questions: sentence vectors of some, and a few centroids.

Of a new question two things are found: the nearest centroid, and how near the nearest question is. It is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.embeddings import Embeddings

CENTROIDS = 8
LEAST = 5
"""Questions per centroid, on average; a mean of fewer would be close to a single question."""
ROUNDS = 25
LANDMARKS = 200
"""Questions of the run that new ones are compared with."""

Array = np.ndarray


def vectors_of(questions: Sequence[str], embeddings: Embeddings) -> Array:
    """Rows of length 1, (questions, width)."""
    vectors = np.asarray(embeddings.embed_documents(list(questions)), float)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def fit_centroids(vectors: Array, seed: int = 0) -> Array:
    """Spherical k-means (Dhillon and Modha 2001, Machine Learning 42:143), started by k-means++: (k, width), rows of
    length 1. No row for fewer than LEAST vectors."""
    k = min(CENTROIDS, len(vectors) // LEAST)
    if not k:
        return np.zeros((0, vectors.shape[1] if vectors.ndim == 2 else 0))
    rng = np.random.default_rng(seed)
    centroids = vectors[[int(rng.integers(len(vectors)))]]
    while len(centroids) < k:
        distance = np.maximum(1 - (vectors @ centroids.T).max(1), 0)
        if distance.sum() < 1e-9:  # fewer different questions than centroids
            break
        centroids = np.vstack([centroids, vectors[int(rng.choice(len(vectors), p=distance / distance.sum()))]])
    for _ in range(ROUNDS):
        nearest = (vectors @ centroids.T).argmax(1)
        sums = np.stack([vectors[nearest == c].sum(0) for c in range(len(centroids))])
        sizes = np.linalg.norm(sums, axis=1, keepdims=True)
        centroids = np.where(sizes > 1e-9, sums / np.maximum(sizes, 1e-12), centroids)
    return centroids


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """Sentence vectors of the run's own questions: those of LANDMARKS, and centroids."""

    centroids: Array
    """(k, width), rows of length 1."""
    landmarks: Array
    """(at most LANDMARKS, width)."""

    def places(self, vectors: Array) -> list[tuple[int, float]]:
        """Of each vector the nearest centroid, and the cosine with the nearest landmark."""
        cells = (vectors @ self.centroids.T).argmax(1)
        nearest = (vectors @ self.landmarks.T).max(1)
        return [(int(cell), float(cosine)) for cell, cosine in zip(cells, nearest, strict=True)]


def fit_sketch(vectors: Array, seed: int = 0) -> Sketch | None:
    """Of these vectors; None for fewer than LEAST."""
    centroids = fit_centroids(vectors, seed)
    if not len(centroids):
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:LANDMARKS])
    return Sketch(np.round(centroids, 4), np.round(vectors[chosen], 4))
