"""Reasoning ends at the mark that closes it or at its limit; the answer's sequence goes on with all tokens so far."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.reasoning import Answering, ReasoningSequence
from domainkit.inference.engine.sequences.sequence import Sequence
from domainkit.inference.engine.sequences.text import TextSequence
from domainkit.inference.local import LocalBackend
from domainkit.models.templates.chat_template import ReasoningPrompt
from tests.inference.engine.sequences.by_hand import result_of
from tests.inference.tiny_adapters import ask

CLOSE, BLANK, LINE_END = 200, 201, 202
PROMPT = ReasoningPrompt((5, 6, 7), (CLOSE, BLANK), (LINE_END,))


def started(backend: LocalBackend, **options: Any) -> tuple[ReasoningSequence | None, list[Sequence]]:
    """(the reasoning, what it has submitted)"""
    submitted: list[Sequence] = []
    answering = Answering(backend.tokenizer, None, (2,), None, 2048, submitted.extend, ResultStream(stream=True))
    sequence = answering.after_reasoning(ask("", regex=".*", **options), PROMPT)
    assert sequence is None or isinstance(sequence, ReasoningSequence)
    return sequence, submitted


@pytest.mark.parametrize("by_limit", [False, True])
def test_the_answer_goes_on_behind_the_closed_reasoning(backend: LocalBackend, by_limit: bool) -> None:
    sequence, submitted = started(backend, max_tokens=32 + 3 + 2, timeout=9.0)
    assert sequence is not None
    assert sequence.tokens == [5, 6, 7]
    for token in (40, 41) if by_limit else (40, CLOSE):
        assert not sequence.done
        sequence.take(None, token, None)
    assert sequence.done
    [answer] = submitted
    thought = [40, 41] if by_limit else [40]
    assert answer.prompt == [5, 6, 7, *thought, LINE_END, CLOSE, BLANK]
    assert isinstance(answer, TextSequence)
    assert answer.deadline == sequence.deadline
    answer.take(None, 50, None)
    answer.take(None, 2, None)
    completion = result_of(answer)
    decode = backend.tokenizer.decode
    assert (completion.text, completion.reasoning) == (decode([50]), decode(thought).strip())
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, len(thought) + 3 + 1)
    pieces = [sequence.result.receive() for _ in range(3)]
    assert "".join(p.reasoning for p in pieces if p) == completion.reasoning
    assert "".join(p.text for p in pieces if p) == completion.text


def test_without_room_for_both_there_is_no_reasoning(backend: LocalBackend) -> None:
    assert started(backend, max_tokens=32 + 3)[0] is None
    assert started(backend, max_tokens=32 + 4)[0] is not None
