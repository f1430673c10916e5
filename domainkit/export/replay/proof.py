"""The proof that a replay gives: whether another engine computes the adapter as it was trained."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domainkit.export.replay.forced import Forced, agreement, mean_difference
from domainkit.results.answers import Difference, Estimate

SMALL = 0.02
"""Nats per token by which the adapter's error may pass twice the base's."""
EFFECT = 4.0
"""How many times larger than every error the adapter's own effect must be."""

State = Literal["SAME", "DIFFERENT", "CANNOT TELL"]


class TaskReplay(BaseModel):
    """A task answered greedily on both sides, from the same prompts and without constraint."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    task: str
    metric: str
    ours: Estimate
    theirs: Estimate
    difference: Difference
    """Theirs minus ours, paired by question."""
    same_text: float
    """Share of questions with the same answer, character for character."""

    def __str__(self) -> str:
        d = self.difference
        needed = f"; about {d.needed:,} questions would tell" if d.needed else ""
        return (
            f"Task {self.task}: {self.metric} {self.theirs.value:.1%} in the engine, {self.ours.value:.1%} here; "
            f"difference {d.value:+.1%} [{d.low:+.1%}, {d.high:+.1%}] on {d.n} questions: {d.state} "
            f"(margin {d.margin:.0%}{needed}); the same text on {self.same_text:.1%}"
        )


class Replay(BaseModel):
    """Held-out answers forced through another engine and through ours, token by token."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    engine: str
    gguf_sha256: str
    """Of the GGUF that was run: the base's, or the merged model's."""
    adapter_sha256: str | None
    """Of the adapter's GGUF; None for a merged model."""
    answers: int
    tokens: int
    base_error: float
    """Mean absolute difference between the engine and us, of a token's log-probability under the base; in nats."""
    adapter_error: float
    """The same under the tuned model."""
    effect: float
    """The same between the tuned model and the base, both here: what the adapter does."""
    effect_there: float
    """The same in the engine."""
    first_token_agreement: float
    """Share of answers whose first token is the likeliest one on both sides, with the adapter."""
    token_agreement: float
    """Share of all answer tokens at which both sides find the same token likeliest, with the adapter."""
    base_token_agreement: float
    """The same without the adapter: what the engine's own arithmetic leaves."""
    state: State
    why: str
    notes: tuple[str, ...] = ()
    task: TaskReplay | None = None

    def lines(self) -> list[str]:
        """What the terminal shows."""
        shown = [
            f"Replay in {self.engine}: {self.answers} held-out answers, {self.tokens:,} tokens, equal prompts.",
            f"  error of the base {self.base_error:.3f}, with the adapter {self.adapter_error:.3f}, "
            f"the adapter's effect {self.effect:.3f} nats a token (there {self.effect_there:.3f})",
            f"  the same likeliest first token on {self.first_token_agreement:.1%} of the answers, "
            f"the same token at {self.token_agreement:.1%} (base alone {self.base_token_agreement:.1%})",
            f"  {self.state}: {self.why}",
        ]
        return shown + ([f"  {self.task}"] if self.task else [])


def judge_replay(base: Forced, tuned: Forced, base_there: Forced, tuned_there: Forced) -> tuple[State, str]:
    """(whether the engine computes what we compute, why), from the four measurements of the same answers.

    The engine's own rounding shows on the base, so the tuned model may differ twice as much and a little more. An
    adapter that is not applied, or at a wrong scale, differs by as much as its effect is.
    """
    e0, e1 = mean_difference(base, base_there), mean_difference(tuned, tuned_there)
    effect, there = mean_difference(tuned, base), mean_difference(tuned_there, base_there)
    if there < effect / 10 and e1 > effect / 2:
        return "DIFFERENT", "the engine's answers are those of the base: it did not apply the adapter"
    if e1 > 2 * e0 + SMALL and e1 > effect / EFFECT:
        return "DIFFERENT", (
            "with the adapter the engine differs by far more than on the base alone, and the adapter's own effect is "
            "not much larger: its scale, its rows or its base are not those of the training"
        )
    if effect < EFFECT * max(e0, SMALL):
        return "CANNOT TELL", (
            f"the adapter changes these answers by no more than {EFFECT:g} times what the engines differ by anyway"
        )
    if e1 > 2 * e0 + SMALL:
        return "DIFFERENT", (
            "the adapter acts, but with it the engine differs by more than twice the base's error: the GGUF's base is "
            "rounded in another way than the one of the training"
        )
    return "SAME", "the adapter's error is no more than the engine's own rounding, and far below the adapter's effect"


def make_replay(
    engine: str,
    gguf_sha256: str,
    adapter_sha256: str | None,
    sides: tuple[Forced, Forced, Forced, Forced],
    notes: tuple[str, ...],
    task: TaskReplay | None,
) -> Replay:
    """The replay of four measurements: base and tuned here, base and tuned there."""
    base, tuned, base_there, tuned_there = sides
    state, why = judge_replay(*sides)
    return Replay(
        engine=engine,
        gguf_sha256=gguf_sha256,
        adapter_sha256=adapter_sha256,
        answers=len(base.logprobs),
        tokens=sum(map(len, base.logprobs)),
        base_error=round(mean_difference(base, base_there), 5),
        adapter_error=round(mean_difference(tuned, tuned_there), 5),
        effect=round(mean_difference(tuned, base), 5),
        effect_there=round(mean_difference(tuned_there, base_there), 5),
        first_token_agreement=agreement(tuned, tuned_there, first_only=True),
        token_agreement=agreement(tuned, tuned_there),
        base_token_agreement=agreement(base, base_there),
        state=state,
        why=why,
        notes=notes,
        task=task,
    )
