"""What a verdict rests on: the questions, the base model, the training. Each with what is weak about it, as plainly as
the result itself."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from domainkit.report.wording import labels
from domainkit.report.wording.text import one_line
from domainkit.results.schema import Results, VariantResult
from domainkit.verdict import numbers

TOO_FEW = "test questions are few"
"""Of the caution that says the same as the ground, which then leaves it out."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One thing that the verdict rests on."""

    subject: str
    fact: str
    """Sentences."""
    weak: str = ""
    """What is weak about it, in a word or two; "" where nothing is seen."""


def grounds(results: Results) -> tuple[Ground, ...]:
    """Questions, base model, training."""
    return _questions(results), _base(results), _training(results)


def _questions(results: Results) -> Ground:
    from domainkit.verdict.cautions import FEW, smallest_visible  # numpy: not before there are results to show

    t = results.task
    made = t.synthetic
    facts = [f"{t.n:,} questions{f', {made.questions:,} of them written by a model' if made else ''}."]
    if not any(TOO_FEW in caution for caution in results.verdict.cautions):
        visible = f"{100 * smallest_visible(t.n):.0f} points"
        facts.append(f"With so many, a true difference of less than about {visible} is likely to be missed.")
    return Ground("Test questions", " ".join(facts), "few" if t.n < FEW else "written by a model" if made else "")


def _base(results: Results) -> Ground:
    """How the base does without training. The nearest solved examples are left out: they often hold the answer."""
    from domainkit.verdict.evidence import HARDLY, LANGUAGE_MODEL

    alone = [v for v in _scored(results, ("prompt",)) if v.chosen_shots != "nearest" and not v.runs_on]
    if not alone:
        took_part = any(v.family in LANGUAGE_MODEL for v in results.variants)
        if took_part:
            return Ground("Base model", f"{base_name(results)}was not asked without training.", "not measured alone")
        return Ground("Base model", "No language model took part.", "not tried")
    best = max(alone, key=lambda v: _value(results, v))
    chance = results.task.chance
    guess = f"; a guess among the labels brings {numbers.percent(chance)} %" if chance else ""
    score = f"{numbers.percent(_value(results, best))} %"
    fact = f"{base_name(results)}reaches {score} by prompting alone ({one_line(best.name)}){guess}."
    if _value(results, best) >= chance + HARDLY:
        return Ground("Base model", fact)
    return Ground("Base model", f"{fact} A stronger base may change the order.", "weak")


def base_name(results: Results) -> str:
    """The base as it was named, and a space behind it; "It " where the file has no name."""
    named = one_line(results.model.get("base") or "")
    return f"{named.removeprefix('builtin:')} " if named else "It "


def _training(results: Results) -> Ground:
    from domainkit.verdict.evidence import TRAINED, UNTRAINED

    trained = _scored(results, TRAINED)
    if not trained:
        return Ground("Training", "No adapter was trained, so what fine-tuning would bring is not known.", "not tried")
    best = max(trained, key=lambda v: _value(results, v))
    receipt = best.training or results.training
    facts = [f"{one_line(best.name)} reaches {numbers.percent(_value(results, best))} %"]
    if receipt is not None:
        facts[0] += f", from {receipt.examples:,} examples"
        facts[0] += f" in {receipt.epochs:g} epoch{'s' * (receipt.epochs != 1)}" if receipt.epochs is not None else ""
        facts[0] += f" ({numbers.seconds(receipt.seconds)})"
    untrained = _scored(results, UNTRAINED)
    rival = max(untrained, key=lambda v: _value(results, v), default=None)
    weak = rival is not None and _value(results, best) <= _value(results, rival)
    if rival is not None and weak:
        facts.append(f"{one_line(rival.name)} reaches {numbers.percent(_value(results, rival))} % without training")
        facts.append("More examples or a longer training may change that")
    return Ground("Training", ". ".join(facts) + ".", "no gain seen" if weak else "")


def _scored(results: Results, families: Container[str]) -> list[VariantResult]:
    return [v for v in results.variants if v.family in families and labels.primary(results, v).value is not None]


def _value(results: Results, variant: VariantResult) -> float:
    return labels.primary(results, variant).value or 0.0
