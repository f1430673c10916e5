"""When nothing is recommended: no evidence, evidence of one side only, or evidence that rests on errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domainkit.results.schema import Action, TaskFacts, Verdict
from domainkit.verdict.evidence import LANGUAGE_MODEL, Evidence, ScoredVariants, evidence_of
from domainkit.verdict.next_action import MANY_ERRORS
from domainkit.verdict.sentences import CANNOT_TELL, listed, percent


def failed_variants(scored: ScoredVariants, facts: TaskFacts) -> dict[str, str]:
    """Variants without a score, and what happened."""
    scores = {v.name: v.metrics.get(facts.primary_metric) for v in scored.variants}
    reasons = {name: s.reason if s else "" for name, s in scores.items() if s is None or s.value is None}
    return {name: reason or "it has no score" for name, reason in reasons.items()}


def why_no_verdict(e: Evidence | None, scored: ScoredVariants, failed: Mapping[str, str]) -> str:
    """The headline of a comparison that decides nothing; "" where it decides."""
    if e is None:
        return "Cannot tell: no variant gave an answer that could be scored."
    lost = f"{listed(failed)} gave no answer that could be scored" if failed else ""
    if failed and len(e.variants) == 1:
        return f"Cannot tell: {lost}, so {e.best} ({percent(e.means[e.best])}) was compared with no other variant."
    if failed and not any(e.family(name) in LANGUAGE_MODEL for name in e.variants):
        return f"Cannot tell: {lost}, so no language model was compared with {e.best} ({percent(e.means[e.best])})."
    return _rests_on_errors(e, scored)


def _rests_on_errors(e: Evidence, scored: ScoredVariants) -> str:
    """An error scores 0. Where that decides, which the questions without errors show, nothing is decided."""
    often = [name for name in e.variants if fails_often(scored, name)]
    if not often or e.answer == CANNOT_TELL:
        return ""
    sound = [not any(column) for column in zip(*(scored.errors[name] for name in often), strict=True)]
    other = evidence_of(scored.subset(sound)) if any(sound) else None
    if other is not None and other.answer == e.answer:
        return ""
    counts = listed(f"{name} failed on {sum(scored.errors[name])} of {len(sound)} questions" for name in often)
    without = f"without these the verdict would be '{other.answer}'" if other else "no question is left without these"
    return f"Cannot tell: {counts}, and {without}."


def fails_often(scored: ScoredVariants, name: str) -> bool:
    errors = scored.errors.get(name, ())
    return sum(errors) > MANY_ERRORS * len(errors)


def undecided(headline: str, choice: str, cautions: Sequence[str], broken: Sequence[str]) -> Verdict:
    """A verdict that recommends nothing. `broken` are the variants to correct first."""
    action = None
    if broken:
        sentence = (
            f"Fix {listed(broken)} first, then run the same command again: only the failed questions are asked again."
        )
        action = Action(kind="mend-errors", sentence=sentence, evidence=tuple(cautions))
    return Verdict(
        answer=CANNOT_TELL,
        choice=choice,
        headline=headline,
        cautions=tuple(cautions),
        next_steps=(action.sentence,) if action else (),
        action=action,
    )
