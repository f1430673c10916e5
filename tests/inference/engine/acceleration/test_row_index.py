"""Indices of rows of a forward pass."""

from __future__ import annotations

import torch

from domainkit.inference.engine.acceleration.row_index import row_index

CPU = torch.device("cpu")


def test_adjacent_rows_are_a_slice() -> None:
    assert row_index([2, 3, 4], CPU) == slice(2, 5)
    assert row_index([7], CPU) == slice(7, 8)


def test_other_rows_are_a_tensor() -> None:
    rows = row_index([0, 3], CPU)
    assert isinstance(rows, torch.Tensor)
    assert rows.tolist() == [0, 3]
