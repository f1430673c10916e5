from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.errors import RequestError
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.choices import (
    MIN_PROBABILITY,
    Branch,
    ChoiceSearch,
    ChoiceSequence,
    choice_trie,
    sample_choice,
)
from domainkit.inference.engine.sequences.sampling import logit_range
from domainkit.inference.local import LocalBackend
from tests.inference.engine.sequences.by_hand import Logits, read, result_of
from tests.inference.tiny_adapters import ask

END = 9


def trie(choices: list[tuple[int, ...]]) -> Branch:
    root = Branch()
    for ids in choices:
        at = root
        for token in ids:
            at = at.children.setdefault(token, Branch())
        at.choice = str(ids)
    return root


def logits_after(path: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(10, generator=torch.Generator().manual_seed(hash((path, seed)) % 2**31)) * 2


def exact(choices: list[tuple[int, ...]], seed: int) -> dict[str, float]:
    """Each choice's probability by walking its own path, with the share of its token among those possible there."""
    found = {}
    for ids in choices:
        mass, at = 1.0, trie(choices)
        for i in range(len(ids) + 1):
            options = [*at.children, *([END] if at.choice is not None else [])]
            token = ids[i] if i < len(ids) else END
            shares = torch.softmax(logits_after(ids[:i], seed)[options], 0)
            mass *= float(shares[options.index(token)])
            at = at.children.get(token, at)
            if i < len(ids) and not at.children:
                break
        found[str(ids)] = mass
    return found


CHOICES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=12, unique=True)


@settings(max_examples=150, deadline=None)
@given(CHOICES, st.integers(0, 99))
def test_the_search_finds_the_most_probable_choice(choices: list[tuple[int, ...]], seed: int) -> None:
    search, asked = ChoiceSearch(trie(choices), [END]), []
    while search.path is not None:
        asked.append(search.path)
        search.observe(logits_after(search.path, seed))
    wanted = exact(choices, seed)
    found = search.probabilities([str(c) for c in choices])
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    best = max(wanted.values())
    assert wanted[str(choices[sample_choice(found, 0, 1, 0, 0.0).index])] == pytest.approx(best, rel=1e-4)
    assert all(abs(found[c] - wanted[c]) <= MIN_PROBABILITY for c in wanted)
    assert len(asked) == len(set(asked))


def test_a_single_choice_needs_no_model() -> None:
    assert ChoiceSearch(trie([(1, 2, 3)]), [END]).path is None


def test_tokens_that_all_choices_share_need_no_model() -> None:
    assert ChoiceSearch(trie([(5, 6, 1), (5, 6, 2)]), [END]).path == (5, 6)


def test_the_same_choice_twice_is_an_error(tiny_base: str) -> None:
    from transformers import AutoTokenizer

    from domainkit.inference.constrained.token_spelling import Spelling

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_base)
    with pytest.raises(RequestError, match=r"'yes' is given twice"):
        choice_trie(("yes", "no", "yes"), Spelling(tokenizer))


@settings(max_examples=60)
@given(
    choices=st.lists(
        st.text(max_size=12) | st.sampled_from(["yes", "ye", "<|end|>", "Zür", "👩‍🚀"]),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_the_trie_holds_every_choice_as_its_own_text_and_no_other(backend: LocalBackend, choices: list[str]) -> None:
    spelling = backend.spelling
    root = choice_trie(tuple(choices), spelling)
    assert sorted(root.choices()) == sorted(choices)
    for choice in choices:
        branch, path = root, spelling.spell(choice)
        for token in path:
            branch = branch.children[token]
        assert branch.choice == choice
        assert spelling.parser.decode_bytes(path) == choice.encode()
        assert not {*path} & {*backend.tokenizer.all_special_ids}, "a control token stays text"


def test_temperature_draws_from_the_distribution() -> None:
    drawn = ["ab"[sample_choice({"a": 0.8, "b": 0.2}, 1.0, 1.0, i, 0.0).index] for i in range(400)]
    assert 40 < drawn.count("b") < 130


def choose(choices: list[tuple[int, ...]], seed: int, temperature: float, move: float) -> tuple[int, bool]:
    """(index of the choice, whether it is certain) when every logit moves at random by up to half of `move` ranges."""
    search, random = ChoiceSearch(trie(choices), [END]), torch.Generator().manual_seed(seed)
    while search.path is not None:
        logits = logits_after(search.path, seed)
        moved = torch.rand(10, generator=random) - 0.5
        search.observe(logits + moved * 0.99 * move * logit_range(logits))
    drawn = sample_choice(search.probabilities([str(c) for c in choices]), temperature, 0.9, seed, search.margin)
    return drawn.index, not (drawn.near_tie or search.near_tie)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rounding_changes_only_choices_that_are_near_ties(temperature: float, monkeypatch: pytest.MonkeyPatch) -> None:
    near = 0.01
    monkeypatch.setattr("domainkit.inference.engine.sequences.sampling.NEAR_TIE", near)
    random, changed, sure = torch.Generator().manual_seed(0), 0, 0
    for seed in range(600):
        choices = list({tuple(torch.randint(0, 4, (1 + i % 4,), generator=random).tolist()) for i in range(9)})
        (first, certain), (other, _) = (choose(choices, seed, temperature, move) for move in (0.0, near))
        changed += first != other
        sure += certain
        assert first == other or not certain
    assert changed
    assert sure > 300


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
