"""A text ends at a stop token, a complete schema or its limit, and near ties are recomputed."""

from __future__ import annotations

import pytest
import torch

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion
from domainkit.inference.local import LocalBackend
from tests.inference.engine.sequences.by_hand import Logits, result_of, text_sequence
from tests.inference.tiny_adapters import ask


def test_a_stop_token_ends_the_text_and_is_not_part_of_it(backend: LocalBackend) -> None:
    sequence = text_sequence(backend, ask("", max_tokens=3))
    sequence.take(None, 40, None)
    sequence.take(None, backend._stop_ids[0], None)
    completion = result_of(sequence)
    assert isinstance(completion, Completion)
    assert (completion.finish_reason, completion.completion_tokens) == ("stop", 1)
    assert completion.text == backend.tokenizer.decode([40])


def test_a_near_tie_is_decided_by_the_recomputed_logits(backend: LocalBackend, logits: Logits) -> None:
    sequence = text_sequence(backend, ask("", max_tokens=3))
    asked: list[list[int]] = []

    def alone(tokens: list[int], logits_wanted: int) -> torch.Tensor:
        asked.append(list(tokens))
        return logits({41: 9.0})

    sequence.take(logits({40: 9.0, 41: 9.0 - 1e-6}), None, alone)
    assert asked == [[5, 6, 7]]
    assert sequence.tokens[-1] == 41
    sequence.take(logits({40: 9.0, 41: 8.0}), 40, alone)
    assert (len(asked), sequence.tokens[-1]) == (1, 40), "no near tie"
    sequence.take(logits({40: 9.0, 41: 9.0 - 1e-6}), 40, lambda tokens, logits_wanted: None)
    assert sequence.tokens[-1] == 40, "without memory the batch's logits decide"


def test_a_schema_is_completed_before_the_tokens_run_out(backend: LocalBackend) -> None:
    names = {"type": "array", "items": {"type": "string"}, "maxItems": 50}
    schema = {"type": "object", "properties": {"names": names}, "required": ["names"]}
    [answer] = backend.complete([ask("names", json_schema=schema, max_tokens=40, temperature=2.0, seed=1)])
    assert answer.completion_tokens <= 40
    assert answer.text.endswith("}")


def test_virtual_tokens_shorten_the_answer_but_leave_one_token(backend: LocalBackend) -> None:
    sequence = text_sequence(backend, ask("", max_tokens=50), context=13)
    assert sequence.most_tokens == 13
    sequence.shorten(9)
    assert sequence.most_tokens == 4
    with pytest.raises(RequestError, match="needs 1 positions more than the base reads"):
        sequence.shorten(1)
