"""Rows on both sides of a RoPE boundary, and rows that cross it, answer as the plain model does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.inference.backend import Request
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.model_runner import make_runner
from domainkit.inference.engine.rope_boundary import is_beyond, whole_if_crossing
from domainkit.inference.engine.sequential_runner import SequentialRunner
from domainkit.inference.engine.trial import allocated
from domainkit.inference.local import LocalBackend
from domainkit.models.language_model import rope_boundary
from tests.conftest import TEMPLATE, build_tokenizer
from tests.inference.engine.tiny_models import BOUNDARY, PROBE, build, build_longrope, some_tokens
from tests.inference.tiny_adapters import ask


def plain(model: Any, tokens: list[int]) -> torch.Tensor:
    return model(torch.tensor([tokens]), use_cache=False).logits[0, -1]


def test_the_boundary_is_read_from_the_configuration() -> None:
    assert rope_boundary(build_longrope().config) == BOUNDARY
    assert rope_boundary(build("llama").config) is None
    assert rope_boundary(build("gemma3").config) is None


def test_a_chunk_that_crosses_is_read_from_its_start() -> None:
    slot = CacheSlot(5, 0, tokens=[1, 2, 3])
    inside, across = Chunk(slot, [4], 3), Chunk(slot, [4, 5], 3)
    assert whole_if_crossing(inside, 4) is inside
    assert (whole_if_crossing(across, 4).tokens, whole_if_crossing(across, 4).start) == ([1, 2, 3, 4, 5], 0)
    slot.beyond_boundary = True
    assert whole_if_crossing(across, 4) is across
    assert whole_if_crossing(inside, 4).start == 0, "and back, as a choice may go"
    assert not is_beyond(across, None)


@pytest.mark.parametrize("one_by_one", [False, True])
@torch.inference_mode()
def test_rows_of_both_sides_and_those_that_cross(one_by_one: bool) -> None:
    model = build_longrope()
    runner, why = (SequentialRunner(model), None) if one_by_one else make_runner(model, PROBE)
    assert why is None
    texts = [some_tokens(1, 5), some_tokens(2, 62), some_tokens(3, 100)]
    with allocated(runner, [len(text) for text in texts]) as slots:
        for step in range(6):
            chunks = [
                Chunk(slot, (text + some_tokens(9, step))[slot.length :], slot.length)
                for slot, text in zip(slots, texts, strict=True)
            ]
            keys = [runner.batch_key(chunk) for chunk in chunks]
            logits: dict[int, torch.Tensor] = {}
            for key in dict.fromkeys(keys):
                group = [i for i, k in enumerate(keys) if k == key]
                logits |= dict(zip(group, runner.forward([chunks[i] for i in group])[:, -1], strict=True))
            for i, text in enumerate(texts):
                expected = plain(model, text + some_tokens(9, step))
                torch.testing.assert_close(logits[i], expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def longrope(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    folder: Path = tmp_path_factory.mktemp("longrope")
    tokenizer = build_tokenizer()
    tokenizer.chat_template = TEMPLATE
    build_longrope().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    backend = LocalBackend(str(folder), None, "none", "cpu")
    yield backend
    backend.close()


def greedy(backend: LocalBackend, request: Request, count: int) -> list[int]:
    """By the plain model's logits of the whole sequence at each token."""
    model, tokens = backend.engine().model, backend.prompt_ids(request)
    new: list[int] = []
    with torch.inference_mode():
        for _ in range(count):
            new.append(int(plain(model, tokens + new).argmax()))
    return new


def test_texts_beside_others_are_those_of_the_plain_model(longrope: LocalBackend) -> None:
    long = "a sentence that many prompts begin with, " * 3
    asked = [
        ask("hi", max_tokens=6),
        ask("x" * 20, max_tokens=6),
        ask("x" * 22, choices=("ab", "ac"), max_tokens=6),
        *(ask(long + end, max_tokens=6) for end in "abc"),
        *(ask("x" * (18 + i), max_tokens=40) for i in range(4)),
    ]
    answers = [longrope.complete(asked), longrope.complete(asked[::-1])[::-1]]
    for i, request in enumerate(asked):
        both = {answer[i].text for answer in answers}
        assert both == {longrope.complete([request])[0].text}
        if not request.choices:
            new = greedy(longrope, request, answers[0][i].completion_tokens)
            assert both == {longrope.tokenizer.decode(new, skip_special_tokens=True)}
