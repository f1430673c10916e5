"""split: no input in both parts, targets in proportion, the same choice every time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.corpus.example import Example, Turn
from domainkit.corpus.split import split
from domainkit.errors import ConfigError
from domainkit.text.words import fold


def solved(question: str, target: str) -> Example:
    return Example(turns=(Turn(role="user", content=question), Turn(role="assistant", content=target)))


examples_of = st.lists(
    st.builds(solved, st.sampled_from([f"q{i}" for i in range(12)] + ["Q1!", " q2"]), st.sampled_from(["a", "b", "c"])),
    min_size=2,
    max_size=40,
).filter(lambda es: len({fold(e.question) for e in es}) > 1)


@given(examples=examples_of, share=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_parts_are_whole_ordered_and_share_no_input(examples: list[Example], share: float, seed: int) -> None:
    train, dev = split(examples, share, seed)
    assert train
    assert dev
    assert not {fold(e.question) for e in train} & {fold(e.question) for e in dev}
    assert Counter(map(id, train + dev)) == Counter(map(id, examples))
    for part in (train, dev):
        places = [next(i for i, e in enumerate(examples) if e is p) for p in part]
        assert places == sorted(places)


@given(examples=examples_of, seed=st.integers(0, 5), data=st.data())
def test_the_choice_does_not_depend_on_the_order_of_rows(
    examples: list[Example], seed: int, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(examples))
    asked = [{fold(e.question) for e in split(order, 0.3, seed)[1]} for order in (examples, shuffled)]
    assert asked[0] == asked[1]


def test_the_turns_of_one_conversation_stay_together() -> None:
    def dialogue(*turns: str) -> Example:
        roles = ("user", "assistant")
        return Example(turns=tuple(Turn(role=roles[i % 2], content=t) for i, t in enumerate(turns)))

    for seed in range(8):
        asked = [("hi", "hello", f"q{i}", f"a{i}", f"then {i}", f"so {i}") for i in range(12)]
        rows = [dialogue(*turns[:end]) for turns in asked for end in (4, 6)]
        train, dev = split(rows, 0.3, seed)
        assert train
        assert dev, "conversations that begin alike are not one"
        assert not {e.turns[2].content for e in train} & {e.turns[2].content for e in dev}


def test_labels_keep_their_shares() -> None:
    examples = [solved(f"common {i}", "common") for i in range(80)] + [solved(f"rare {i}", "rare") for i in range(20)]
    examples.append(solved("only one", "single"))
    train, dev = split(examples, 0.25)
    assert Counter(e.target for e in dev) == {"common": 20, "rare": 5}
    assert "single" in {e.target for e in train}


def test_seeds_choose_differently_and_repeatably() -> None:
    examples = [solved(f"question {i}", f"answer {i}") for i in range(50)]
    assert split(examples, 0.2, 1) == split(examples, 0.2, 1)
    assert split(examples, 0.2, 1)[1] != split(examples, 0.2, 2)[1]
    assert len(split(examples, 0.2, 1)[1]) == 10


def test_a_group_of_the_callers_stays_together_also_through_a_shared_input() -> None:
    examples = [solved(f"q{i // 2}", f"t{i}") for i in range(12)]
    group = {id(e): str((i + 1) // 2 % 3) for i, e in enumerate(examples)}
    # Shared inputs chain the groups: everything hangs together, so nothing can be split.
    with pytest.raises(ConfigError, match=r"12 examples in 1 group\(s\) cannot be split"):
        split(examples, 0.5, group=lambda e: group[id(e)])
    train, dev = split(examples, 0.5, group=lambda e: "low" if e.question < "q3" else "high")
    assert {e.question < "q3" for e in dev} != {e.question < "q3" for e in train}


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_a_share_outside_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=r"is not between 0 and 1\n  next: 0\.1 keeps a tenth"):
        split([solved("a", "b"), solved("c", "d")], share)


def test_one_input_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="at least two different inputs are needed"):
        split([solved("a", "b"), solved("A", "d")])
