"""What judged: a chat model by a rubric, what its replies were worth and took, and its word on pairs of answers."""

from __future__ import annotations

from domainkit.results.answers import Difference, Record


class JudgeFacts(Record):
    """A judge of a comparison. How far it agrees with people stands in `Results.people`, where it was measured."""

    metric: str
    """judge, or judge_pairs."""
    model: str
    rubric: str
    local: bool = False
    """Whether it ran on the machine that answered: it is then paid in machine time."""
    requests: int
    """Different requests, those of earlier runs on the same folder included."""
    asked: int
    """Those sent by this run."""
    unreadable: int = 0
    """Replies that were no grade, and give no score."""
    failed: int = 0
    """Requests without a reply."""
    prompt_tokens: int | None = None
    """None where the model reports none."""
    completion_tokens: int | None = None
    seconds: float | None = None
    """From sending to reply, summed."""
    own_answers: tuple[str, ...] = ()
    """Variants that the same model answers for."""


class JudgedPairs(Record):
    """The recommended variant's answers beside the baseline's, by the judge of pairs."""

    variant: str
    baseline: str
    difference: Difference | None = None
    """Share of wins less share of losses; None: `reason` says why."""
    reason: str = ""
    identical: int = 0
    """Pairs with the same words, which are ties without asking."""
    unreadable: int = 0
    """Pairs without a verdict in one of the orders, which are left out."""
    inconsistent: int = 0
    """Pairs whose verdict changed with the order of the answers: they count as ties."""
    first: int = 0
    """Of these, the ones where the answer shown first was preferred both times; `last` likewise."""
    last: int = 0
    decided: int = 0
    """Wins and losses between answers of different length."""
    longer: int = 0
    """Of these, the ones that the longer answer won."""

    @property
    def asked(self) -> int:
        """Pairs with a verdict in both orders."""
        return (self.difference.n if self.difference else 0) - self.identical


__all__ = ["JudgeFacts", "JudgedPairs"]
