"""Names, marks and short sentences that the page, the Markdown and the terminal share."""

from __future__ import annotations

from dataclasses import dataclass, field

from domainkit.evaluation.metrics import metric_title
from domainkit.report.wording.text import one_line
from domainkit.results.schema import Estimate, Results, State, VariantResult
from domainkit.verdict import numbers

# A shape beside every colour: states differ in print and without colour vision, too.
MARKS: dict[State, str] = {"BETTER": "▲", "WORSE": "▼", "EQUIVALENT": "≈", "CANNOT TELL YET": "?"}
NO_TOKENS = "the variant reports no token counts"
NO_SECONDS = "the variant reports no compute time"
NO_LATENCY = "latency was not timed"
NO_VALUE = "no value in the results file"
RECIPE = (
    "Adapters that differ in their training seed alone answered the same questions. The interval is over questions and "
    "seeds: it is about the recipe, while every other figure is about one adapter."
)


def primary(results: Results, variant: VariantResult) -> Estimate:
    """The variant's estimate of the primary metric; an empty one, with its reason, where the file has none."""
    missing = Estimate(value=None, reason=f"no {metric_title(results.task.primary_metric)} in the results file")
    return variant.metrics.get(results.task.primary_metric, missing)


def metric_heading(results: Results, name: str) -> str:
    """A metric's title; with a judge's stands its agreement with people."""
    title = metric_title(name)
    if name not in {judge.metric for judge in results.judges}:
        return title
    return f"{title} (agreement with people: {agreement_text(results, name)})"


def primary_heading(results: Results) -> str:
    return metric_heading(results, results.task.primary_metric)


def agreement_text(results: Results, metric: str) -> str:
    """A judge's agreement with people: κ, sensitivity and specificity, or "not measured"."""
    found = results.people.judge if results.people is not None else None
    if found is None or found.metric != metric or not found.n:
        return "not measured"
    kappa = numbers.DASH if found.kappa is None else f"{found.kappa:.2f}"
    shares = f"sensitivity {numbers.percent(found.sensitivity.value)} %, specificity "
    return f"κ {kappa}, {shares}{numbers.percent(found.specificity.value)} %, on {found.n:,} answers"


def state_text(state: State, needed: int | None) -> str:
    """The state in words: "CANNOT TELL YET" says how many questions would be enough."""
    return f"{state}, needs about {needed:,} questions" if needed and state == "CANNOT TELL YET" else state


def memory(results: Results) -> str:
    """Memory of the process while each variant answered, largest first; "" where it is not known."""
    sizes = [(v.usage.memory_bytes, v.name) for v in results.variants if v.usage.memory_bytes is not None]
    if not sizes:
        return ""
    each = ", ".join(f"{one_line(name)} {numbers.count(size / 2**20)}" for size, name in sorted(sizes, reverse=True))
    return (
        f"Memory of the process while answering, MiB: {each}. "
        "This counts the base once, and whatever earlier variants loaded."
    )


def failures(variant: VariantResult) -> str:
    """How many questions failed; "" where none did."""
    scored = any(score.value is not None for score in variant.metrics.values())
    return f"{variant.failures:,} questions failed{' and score 0' if scored else ''}" if variant.failures else ""


@dataclass
class Notes:
    """Reasons for missing values, numbered in the order of first use."""

    reasons: list[str] = field(default_factory=list)

    def number(self, reason: str) -> int:
        reason = reason or NO_VALUE
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1
