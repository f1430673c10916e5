"""Sequences whose logits are made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from domainkit.inference.backend import Request
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.sequence import Sequence
from domainkit.inference.engine.sequences.text import TextSequence
from domainkit.inference.local import LocalBackend

Logits = Callable[[dict[int, float]], torch.Tensor]


def text_sequence(backend: LocalBackend, request: Request, context: int = 2048) -> TextSequence:
    return TextSequence(request, [5, 6, 7], backend.tokenizer, backend._stop_ids, None, context, ResultStream())


def read(sequence: Sequence) -> list[int]:
    """What the model has to read next; the slot then holds it."""
    chunk = sequence.next_chunk()
    chunk.slot.tokens[chunk.start :] = chunk.tokens
    return chunk.tokens


def result_of(sequence: Sequence) -> Any:
    return sequence.result.future.result(timeout=0)
