"""Phrases and figures that several sentences share."""

from __future__ import annotations

from collections.abc import Iterable

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Difference, Forgetting, LeakSet, VariantResult, WithoutLeaks
from domainkit.verdict import numbers

ANSWERS: dict[Family, str] = {
    "trivial": "use no model",
    "classical": "use a classical model",
    "encoder": "fine-tune a small encoder",
    "prompt": "prompt",
    "retrieve": "retrieve",
    "tune": "fine-tune",
    "combine": "fine-tune and retrieve",
    "custom": "custom",
}
"""The verdict's answer by the family of the chosen variant; an oracle is never chosen."""
CANNOT_TELL = "cannot tell yet"
LEAK_SETS: dict[LeakSet, str] = {
    "train": "the training rows",
    "index": "the retrieved documents",
    "dev": "the development questions",
}


def answer_of(variant: VariantResult) -> str:
    """What to do in order to use the variant."""
    if variant.family in ("tune", "combine") and variant.shots:
        return f"fine-tune{', retrieve' if variant.family == 'combine' else ''} and show solved examples{_on(variant)}"
    return ANSWERS[variant.family] + _on(variant)


def _on(variant: VariantResult) -> str:
    """ " with gpt", where the variant runs on a model beside the base."""
    return f" with {variant.runs_on}" if variant.runs_on else ""


def metric_words(name: str) -> str:
    """ "label accuracy", "macro F1", "judge's grade"."""
    if name == "judge":
        return "judge's grade"
    return name.replace("_", " ").replace(" f1", " F1")


def percent(fraction: float) -> str:
    return f"{numbers.percent(fraction)} %"


def points(d: Difference) -> str:
    """+4.0 points (1.1 to 6.9), with a true minus sign."""
    return f"{numbers.points(d.value)} points ({numbers.percent(d.low)} to {numbers.percent(d.high)})"


def rounded(n: int) -> int:
    """Up to two significant digits: a forecast claims no more."""
    step = 10 ** max(0, len(str(n)) - 2)
    return -(-n // step) * step


def listed(names: Iterable[str]) -> str:
    """ "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def forgetting_sentence(f: Forgetting) -> str:
    """The change of general knowledge, and the result of the gate."""
    d = f.difference
    change = f"{'lost' if d.value < 0 else 'gained'} {100 * abs(d.value):.1f} points"
    change = change if abs(d.value) >= 5e-4 else "changed nothing"
    interval = f"{numbers.points(d.low)} to {numbers.points(d.high)}"
    gate = {"passed": "passes", "failed": "fails", "cannot tell yet": "cannot tell yet"}[f.gate]
    needs = f": it needs about {f.needed:,} questions" if f.needed and f.gate == "cannot tell yet" else ""
    loss = " Some loss is shown." if f.gate != "passed" and d.high < 0 else ""
    return (
        f"Fine-tuning {change} on {d.n:,} general questions ({interval}). "
        f"The gate at −{100 * f.margin:g} points {gate}{needs}.{loss}"
    )


def without_leaks_sentence(clean: WithoutLeaks) -> str:
    """Whether the verdict changes without the leaked questions."""
    change = f"changes to '{clean.answer}' ({clean.choice})" if clean.changed else "stays the same"
    return f"Without the leaked questions the verdict {change}."
