"""A sequence has only new tokens read, and ends its text where the request says."""

from __future__ import annotations

import pytest
import torch

from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.sequence import ScoreSequence
from domainkit.inference.local import LocalBackend
from tests.inference.engine.sequences.by_hand import Logits, read, result_of, text_sequence
from tests.inference.tiny_adapters import ask


def test_each_token_is_read_once(backend: LocalBackend, logits: Logits) -> None:
    sequence = text_sequence(backend, ask("", max_tokens=3))
    sequence.slot = CacheSlot(3, 0)
    assert read(sequence) == [5, 6, 7]
    for token in (40, 41):
        sequence.take(None, token, None)
        assert read(sequence) == [token]
    sequence.take(None, 42, None)
    assert sequence.done
    assert result_of(sequence).finish_reason == "length"
    assert result_of(sequence).completion_tokens == 3


def test_a_score_wants_the_logits_before_each_token(backend: LocalBackend, logits: Logits) -> None:
    sequence = ScoreSequence([5, 6, 7], [40, 41], None, ResultStream())
    sequence.slot = CacheSlot(3, 0)
    assert sequence.logits_wanted == 2
    assert read(sequence) == [5, 6, 7, 40]
    rows = torch.cat([logits({40: 3.0}), logits({41: 4.0})])
    sequence.take(torch.cat([logits({1: 9.0}), rows]), 0, None)
    expected = rows.log_softmax(-1)[[0, 1], [40, 41]].sum()
    assert result_of(sequence) == pytest.approx(float(expected))
    empty = ScoreSequence([5], [], None, ResultStream())
    assert empty.done
    assert result_of(empty) == 0.0


def test_the_last_prompt_token_is_never_shared(backend: LocalBackend) -> None:
    sequence = text_sequence(backend, ask(""))
    sequence.slot = CacheSlot(3, 0, tokens=[5, 6, 7, 40])
    assert (sequence.n_shareable, sequence.n_cacheable) == (2, 4)
    sequence.n_unshareable = 2
    assert (sequence.n_shareable, sequence.n_cacheable) == (1, 1)
