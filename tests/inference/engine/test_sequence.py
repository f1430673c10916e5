"""A sequence has only new tokens read, and ends its text where the request says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, Request
from domainkit.inference.engine.choices import ChoiceSequence
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequence import ScoreSequence, Sequence, TextSequence
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask

Logits = Callable[[dict[int, float]], torch.Tensor]


@pytest.fixture
def logits(backend: LocalBackend) -> Logits:
    """Logits [1, vocabulary] that are 0 but for the given tokens."""
    width = backend.engine().width

    def build(values: dict[int, float]) -> torch.Tensor:
        row = torch.zeros(1, width)
        for token, value in values.items():
            row[0, token] = value
        return row

    return build


def text_sequence(backend: LocalBackend, request: Request, context: int = 2048) -> TextSequence:
    return TextSequence(request, [5, 6, 7], backend.tokenizer, backend._stop_ids, None, context, ResultStream())


def read(sequence: Sequence) -> list[int]:
    """What the model has to read next; the slot then holds it."""
    chunk = sequence.next_chunk()
    chunk.slot.tokens[chunk.start :] = chunk.tokens
    return chunk.tokens


def result_of(sequence: Sequence) -> Any:
    return sequence.result.future.result(timeout=0)


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

    sequence.take(logits({40: 9.0, 41: 9.0 - 1e-6}), 40, alone)
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


def test_a_choice_reads_on_from_what_two_branches_have_in_common(backend: LocalBackend, logits: Logits) -> None:
    request = ask("", choices=("aab", "aac", "abb", "abc"))
    sequence = ChoiceSequence(
        request, [5, 6, 7], backend.tokenizer, backend.spelling, backend._stop_ids, ResultStream()
    )
    a, b, c = (backend.token_ids(letter)[0] for letter in "abc")
    sequence.slot = CacheSlot(3, 0)
    assert read(sequence) == [5, 6, 7, a], "where only one token can follow, the model is not asked"
    sequence.take(logits({a: 1.1, b: 1.0}), 0, None)
    assert read(sequence) == [a]
    sequence.take(logits({b: 1.0, c: 1.01}), 0, None)
    assert read(sequence) == [b], "the prompt and the first letter stay in the slot"
    sequence.take(logits({b: 0.0, c: 0.0}), 0, None)
    assert result_of(sequence).text == "aac"
    assert sum(result_of(sequence).choice_probabilities.values()) == pytest.approx(1)


def test_a_choice_with_logprobs_is_read_once_more(backend: LocalBackend, logits: Logits) -> None:
    request = ask("", choices=("ab", "ba"), logprobs=True)
    sequence = ChoiceSequence(
        request, [5, 6, 7], backend.tokenizer, backend.spelling, backend._stop_ids, ResultStream()
    )
    a, b = (backend.token_ids(letter)[0] for letter in "ab")
    sequence.slot = CacheSlot(3, 0)
    read(sequence)
    sequence.take(logits({a: 2.0, b: 1.0}), 0, None)
    assert sequence.logits_wanted == 2
    assert read(sequence) == [7, a], "the last prompt token again, for its logits"
    sequence.take(torch.cat([logits({a: 2.0}), logits({b: 3.0})]), 0, None)
    assert [t.token for t in result_of(sequence).logprobs] == ["a", "b"]


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


def test_virtual_tokens_shorten_the_answer_but_leave_one_token(backend: LocalBackend) -> None:
    sequence = text_sequence(backend, ask("", max_tokens=50), context=13)
    assert sequence.most_tokens == 13
    sequence.shorten(9)
    assert sequence.most_tokens == 4
    with pytest.raises(RequestError, match="needs 1 positions more than the base reads"):
        sequence.shorten(1)
