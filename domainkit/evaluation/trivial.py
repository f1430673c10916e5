"""The answers that need no model: the commonest one, and for free answers the input itself. Every variant must beat
them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.task import Kind

Likeness = Callable[[str, str], float]
"""(answer, target) to a score."""
COPY = "the input copied"
COMMONEST = "the commonest answer"


def fit_trivial(kind: Kind, train: Sequence[Example], likeness: Likeness) -> tuple[str, Callable[[str], str]]:
    """(what it answers, the function from a question to its answer): the better of the two on `train`.

    Raises ConfigError for labels without solved examples: nothing says which is the commonest.
    """
    about = kind_of(kind)
    if not train:
        if about.trivial_needs_train:
            raise ConfigError(
                f"the commonest {about.noun} is not known: there are no solved examples", next_step="give --train"
            )
        return COPY, lambda question: question
    targets = [about.target(e) for e in train]
    commonest = about.commonest(targets)
    copied = sum(likeness(e.question, target) for e, target in zip(train, targets, strict=True))
    repeated = sum(likeness(commonest, target) for target in targets)
    if not about.trivial_needs_train and copied > repeated:
        return COPY, lambda question: question
    what = f"the commonest {about.noun}, '{commonest}'" if about.trivial_needs_train else COMMONEST
    return what, lambda question: commonest
