"""The arguments of a forward pass in training."""

from __future__ import annotations

import torch

from domainkit.adapters.micro_batch import MicroBatch, Segments

ROW = torch.tensor([[1, 2, 3]])
AT = torch.tensor([0])
SEGMENTS = Segments(1, (torch.tensor([[1, 2]]),), torch.tensor([0, 1]))


def batch(**more: torch.Tensor | Segments) -> MicroBatch:
    return MicroBatch(ROW, ROW - 1, None, AT, AT, AT, **more)  # type: ignore[arg-type]


def test_a_decoder_reads_positions_and_an_encoder_decoder_its_answer() -> None:
    assert batch().inputs.keys() == {"input_ids", "attention_mask", "use_cache", "position_ids"}
    assert batch(segments=SEGMENTS).inputs["segments"] is SEGMENTS
    pair = batch(decoder_ids=ROW).inputs
    assert "position_ids" not in pair
    assert pair["decoder_input_ids"] is ROW


def test_every_tensor_moves_and_absent_ones_stay_absent() -> None:
    moved = batch(segments=SEGMENTS, tasks=AT).to(torch.device("meta"))
    tensors = [t for name in moved.__slots__ if isinstance(t := getattr(moved, name), torch.Tensor)]
    assert len(tensors) == 6
    assert moved.segments is not None
    assert {t.device.type for t in (*tensors, moved.segments.order, *moved.segments.buckets)} == {"meta"}
    assert (moved.attention_mask, moved.decoder_ids, moved.segments.prefix) == (None, None, 1)
