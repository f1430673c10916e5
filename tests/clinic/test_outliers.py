"""A row far from all others stands out; rows that are all alike do not."""

from __future__ import annotations

import numpy as np

from domainkit.clinic.outliers import outliers


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_far_row_is_found() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.eye(20)[rng.integers(0, 3, 60)] + rng.normal(0, 0.05, (60, 20)), -np.eye(20)[19:]])
    [one] = outliers(unit(rows), lambda done, of: None)
    assert one.row == 60
    assert one.cosine < 0.5 < one.median


def test_small_differences_and_few_rows_are_no_outliers() -> None:
    rng = np.random.default_rng(0)
    alike = unit(np.ones((60, 20)) + rng.normal(0, 0.02, (60, 20)))
    assert outliers(alike, lambda done, of: None) == []
    assert outliers(alike[:10], lambda done, of: None) == []
