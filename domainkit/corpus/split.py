"""Split examples into a training and a development part without a common input."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.text.words import fold


def split(
    examples: Sequence[Example], dev_share: float = 0.1, seed: int = 0, *, group: Callable[[Example], str] | None = None
) -> tuple[list[Example], list[Example]]:
    """(train, dev), each in the given order. Examples with the same folded prompt, or the same `group`, stay together,
    and so do those that are turns of one conversation.

    When targets repeat (labels), the split is stratified by target, and where possible each target of dev is in train
    too. The split depends on the seed and the texts, not on the order of the rows. Raises ConfigError for a share
    outside (0, 1) or fewer than two groups.
    """
    if not 0 < dev_share < 1:
        raise ConfigError(f"dev_share={dev_share} is not between 0 and 1", next_step="0.1 keeps a tenth for dev")
    groups = _groups(examples, group)
    if len(groups) < 2:
        what = f"{len(examples)} examples in {len(groups)} group(s) cannot be split"
        raise ConfigError(what, next_step="at least two different inputs are needed")
    by_target: dict[str, list[list[int]]] = defaultdict(list)
    labels = targets_repeat(examples)
    for members in sorted(groups, key=lambda m: _random_rank(examples, m, seed)):
        by_target[min(fold(examples[i].target) for i in members) if labels else ""].append(members)
    dev = set(_systematic_sample(by_target, dev_share))
    train = [e for i, e in enumerate(examples) if i not in dev]
    return train, [e for i, e in enumerate(examples) if i in dev]


def targets_repeat(examples: Sequence[Example]) -> bool:
    """Whether the targets look like labels: each is used twice or more on average."""
    return 2 * len({fold(e.target) for e in examples}) <= len(examples)


def _groups(examples: Sequence[Example], group: Callable[[Example], str] | None) -> list[list[int]]:
    """Indices joined by a shared prompt or group, also through a third example (union-find)."""
    leader = list(range(len(examples)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    first: dict[tuple[str, str], int] = {}
    asked = {_prompt_key(example) for example in examples}
    for i, example in enumerate(examples):
        # A row whose earlier turns end where another row does is a later turn of the same conversation.
        keys = [("prompt", key) for key in _prompt_keys(example) if key in asked]
        if group is not None:
            keys.append(("group", group(example)))
        for key in keys:
            leader[find(i)] = find(first.setdefault(key, i))
    joined: dict[int, list[int]] = defaultdict(list)
    for i in range(len(examples)):
        joined[find(i)].append(i)
    return list(joined.values())


def _prompt_key(example: Example) -> str:
    return _prompt_keys(example)[-1]


def _prompt_keys(example: Example) -> list[str]:
    """The texts up to each of the user's turns; the last is the whole prompt."""
    # The system turn is left out: the same question under another instruction is still the same question.
    turns = [t for t in example.prompt if t.role != "system"]
    texts = [fold(t.content) for t in turns]
    ends = [i for i, t in enumerate(turns[:-1], 1) if t.role == "user"]
    return ["\n".join(texts[:end]) for end in (*ends, len(texts))]


def _random_rank(examples: Sequence[Example], members: list[int], seed: int) -> str:
    key = min(_prompt_key(examples[i]) for i in members)
    return hashlib.sha256(f"{seed}\n{key}".encode()).hexdigest()


def _systematic_sample(strata: dict[str, list[list[int]]], share: float) -> list[int]:
    """Systematic sampling over the strata in turn: the total and each stratum are within one group of their share."""
    sample: list[int] = []
    quota = 0.5  # the next group is taken when it reaches the group's size; 0.5 rounds to the nearest count
    for name in sorted(strata):
        groups = strata[name]
        for members in groups[:-1]:  # the last stays in train: no target is only in dev
            quota += len(members) * share
            if quota >= len(members):
                sample += members
                quota -= len(members)
        quota += len(groups[-1]) * share
    if not sample:
        largest = max(strata, key=lambda name: (len(strata[name]), name))
        # Every stratum holds a single group: one whole stratum becomes dev.
        sample = list(strata[largest][0])
    return sample
