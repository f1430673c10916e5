"""Indices of rows of a forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch

RowIndex = slice | torch.Tensor


def row_index(rows: Sequence[int], device: torch.device) -> RowIndex:
    """An index of these rows (ascending): a slice where they are adjacent, which reads and writes without a copy."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return slice(rows[0], rows[-1] + 1)
    return torch.tensor(rows, device=device)
