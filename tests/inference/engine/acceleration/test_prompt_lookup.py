"""Guessed tokens save passes and change no text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from domainkit.inference.backend import Request
from domainkit.inference.engine.acceleration.prompt_lookup import PromptLookup
from domainkit.inference.engine.sequences.text import TextSequence
from domainkit.inference.local import LocalBackend
from tests.inference.engine.sequences.by_hand import text_sequence
from tests.inference.tiny_adapters import ask


def test_the_tokens_after_the_last_occurrence_are_guessed() -> None:
    lookup = PromptLookup()
    assert lookup.guess([1]) == lookup.guess([1, 2]) == lookup.guess([1, 2, 3]) == []
    assert lookup.guess([1, 2, 3, 1, 2]) == [3, 1]
    assert lookup.guess([1, 2, 3, 1, 2], n_guesses=0) == []
    assert lookup.guess([1, 2, 3, 1, 2, 9, 1, 2]) == [9, 1], "the last one counts"
    assert PromptLookup().guess([7, 7, 7]) == [7]


@pytest.fixture(scope="module")
def engine(tiny_base: str) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    yield backend
    backend.close()


def repeating(backend: LocalBackend, **options: Any) -> Any:
    """A text in which 5, 6 was followed by 7, 8 before."""
    sequence: Any = text_sequence(backend, ask("", max_tokens=20, **options))
    sequence.tokens = [*sequence.prompt, 8, 5, 6]
    slot = backend.engine().runner.allocate(3)
    sequence.slot, slot.tokens = slot, sequence.tokens[:-1]
    sequence.mark_prefilled()
    return sequence


def certain(*tokens: int) -> torch.Tensor:
    """Logits by which these tokens follow, [tokens, vocabulary]."""
    return torch.nn.functional.one_hot(torch.tensor(tokens), 260) * 20.0


@pytest.mark.parametrize(
    ("given", "kept"),
    [((7, 8, 30), [7, 8, 30]), ((7, 9, 30), [7, 9]), ((20, 8, 30), [20])],
)
@pytest.mark.parametrize("temperature", [0.0, 0.01])
def test_guesses_stay_up_to_the_first_wrong_one(
    engine: LocalBackend, given: tuple[int, ...], kept: list[int], temperature: float
) -> None:
    sequence = repeating(engine, temperature=temperature, seed=0)
    chunk = sequence.chunk_with_guesses()
    assert (chunk.tokens, chunk.logits_wanted, sequence.greedy) == ([6, 7, 8], 3, False)
    chunk.slot.tokens[chunk.start :] = chunk.tokens
    sequence.take(certain(*given), None, None)
    assert sequence.tokens[6:] == kept
    following = sequence.next_chunk()
    assert following.tokens == kept[-1:], "what a wrong guess left in the slot is overwritten"
    assert chunk.slot.tokens[: following.start] == sequence.tokens[: following.start]
    engine.engine().runner.free(sequence.slot)


def test_no_guess_outlives_the_limit_of_tokens(engine: LocalBackend) -> None:
    sequence = repeating(engine)
    for limit, expected in ((4, [6]), (5, [6, 7]), (6, [6, 7, 8])):
        sequence._max_new_tokens = limit
        assert sequence.chunk_with_guesses().tokens == expected
    engine.engine().runner.free(sequence.slot)


def texts(engine: LocalBackend, requests: list[Request], guesses: bool) -> tuple[list[Any], int]:
    """Each answer alone and streamed, and the passes that they took."""
    scheduler: Any = engine.engine()
    scheduler._guesses = guesses
    before, found = scheduler.executor.n_passes, []
    for request in requests:
        scheduler.prefixes.clear()
        pieces = list(engine.stream(request))
        completion: Any = pieces[-1].completion
        assert "".join(p.text for p in pieces) == completion.text
        found.append(
            (completion.text, completion.finish_reason, completion.completion_tokens, len(completion.logprobs))
        )
    return found, scheduler.executor.n_passes - before


def test_texts_are_the_same_in_fewer_passes(
    engine: LocalBackend, adapters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: list[dict[str, Any]] = [
        {},
        {"logprobs": True},
        {"temperature": 0.3, "seed": 3},
        {"temperature": 1.0, "top_p": 0.5, "seed": 4},
        {"stop": ("q",)},
        *({"adapter": folder} for folder in adapters.values()),
    ]
    requests = [ask("a question", **way) for way in options]
    written: list[list[int]] = []
    finish = TextSequence._finish
    monkeypatch.setattr(TextSequence, "_finish", lambda self, why: written.append(self.tokens) or finish(self, why))
    wanted, n_without = texts(engine, requests, guesses=False)
    known = list(written)

    def guess(lookup: PromptLookup, tokens: list[int], n_guesses: int) -> list[int]:
        """Right but for every third token: a random model repeats nothing."""
        text = next(text for text in known if text[: len(tokens)] == tokens)
        return [t if i % 3 else 3 for i, t in enumerate(text)][len(tokens) : len(tokens) + n_guesses]

    monkeypatch.setattr(PromptLookup, "guess", guess)
    found, n_with = texts(engine, requests, guesses=True)
    assert found == wanted
    assert n_with < 0.75 * n_without
