"""What the page, the Markdown and the terminal say alike: names, marks and the rows of the table of variants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from domainkit.evaluation.metrics import metric_title
from domainkit.report.wording import numbers
from domainkit.report.wording.text import one_line
from domainkit.results.schema import Estimate, Item, Results, State, VariantResult

# A shape beside every colour, so that the states are told apart in print and without colour vision.
MARKS: dict[State, str] = {"BETTER": "▲", "WORSE": "▼", "EQUIVALENT": "≈", "CANNOT TELL YET": "?"}
NO_TOKENS = "the variant reports no token counts"
NO_SECONDS = "the variant reports no compute time"
RECIPE = (
    "Adapters trained alike but for the seed answered the same questions. The interval is over questions and seeds: it speaks of "
    "the recipe, where every other figure speaks of one adapter."
)
NO_LATENCY = "latency was not timed"
NO_VALUE = "no value in the results file"


def memory(results: Results) -> str:
    """What the process held while each variant answered, largest first; "" where it is not known."""
    known = [(v.usage.memory_bytes, v.name) for v in results.variants if v.usage.memory_bytes is not None]
    if not known:
        return ""
    each = ", ".join(f"{one_line(name)} {numbers.count(held / 2**20)}" for held, name in sorted(known, reverse=True))
    return f"Memory of the process while answering, MiB: {each}. The base is in it once, with what earlier variants loaded."


def find(results: Results, name: str) -> VariantResult | None:
    return next((v for v in results.variants if v.name == name), None)


def primary(results: Results, variant: VariantResult) -> Estimate:
    """The variant's estimate of the primary metric; an empty one, with its reason, where the file has none."""
    missing = Estimate(value=None, reason=f"no {metric_title(results.task.primary_metric)} in the results file")
    return variant.metrics.get(results.task.primary_metric, missing)


def metric_names(results: Results) -> list[str]:
    """All metrics of the file, the primary one first."""
    names = dict.fromkeys([results.task.primary_metric])
    for variant in results.variants:
        names.update(dict.fromkeys(variant.metrics))
    return list(names)


def group_names(results: Results) -> list[str]:
    return list(dict.fromkeys(name for v in results.variants for name in v.groups))


def hit_names(results: Results) -> list[str]:
    return list(dict.fromkeys(name for v in results.variants for name in v.retrieval))


def state_text(state: State, needed: int | None) -> str:
    """The state in words: "CANNOT TELL YET" says how many questions would settle it."""
    return f"{state}, needs about {needed:,} questions" if needed and state == "CANNOT TELL YET" else state


@dataclass
class Notes:
    """Reasons for missing values, numbered in the order of first use."""

    reasons: list[str] = field(default_factory=list)

    def number(self, reason: str) -> int:
        reason = reason or NO_VALUE
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1


def score_of(item: Item, variant: str, metric: str) -> float | None:
    """The answer's score; a failed answer without one scores 0, as in the variant's mean."""
    answer = item.answers.get(variant)
    if answer is None:
        return None
    score = answer.scores.get(metric)
    return 0.0 if score is None and answer.error is not None else score


def flips(results: Results, *, gains: bool) -> Iterator[Item]:
    """Items the choice answers better (`gains`) or worse than the baseline."""
    for item in results.items:
        before = score_of(item, results.baseline, results.task.primary_metric)
        after = score_of(item, results.verdict.choice, results.task.primary_metric)
        if before is not None and after is not None and (after > before if gains else after < before):
            yield item


def receipt(results: Results) -> list[tuple[str, str]]:
    """The training receipt as label and value; empty without one."""
    t = results.training
    if t is None:
        return []
    rows = [
        ("Method", t.method),
        ("Training examples", numbers.count(t.examples)),
        ("Tokens seen", numbers.count(t.tokens)),
        ("Time", numbers.seconds(t.seconds)),
        ("Trained parameters", numbers.count(t.trainable_parameters)),
        ("Adapter size", numbers.size(t.adapter_bytes)),
        ("Final loss", numbers.DASH if t.final_loss is None else f"{t.final_loss:.3f}"),
        ("Hardware", t.hardware),
    ]
    return [(label, value) for label, value in rows if value]


def task_facts(results: Results) -> list[tuple[str, str]]:
    t = results.task
    kind = {
        "label": f"choose one of {t.labels:,} labels" if t.labels else "choose a label",
        "answer": "free short answer",
    }
    rows = [
        ("Questions", numbers.count(t.n)),
        ("Kind", f"{kind[t.kind]} ({t.why_kind})" if t.why_kind else kind[t.kind]),
        ("Primary metric", metric_title(t.primary_metric)),
        ("Source", t.source),
        ("Training rows", numbers.count(t.train_rows)),
        ("Corpus documents", numbers.count(t.corpus_documents)),
        ("Fingerprint", t.fingerprint),
    ]
    return [(label, value) for label, value in rows if value]


def facts(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A JSON object as label and value; nested objects as "outer inner"."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        label = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            rows += facts(value, label)
        elif isinstance(value, str):
            rows.append((label, value))
        elif isinstance(value, list | tuple):
            rows.append((label, ", ".join(v if isinstance(v, str) else json.dumps(v, default=str) for v in value)))
        elif value is not None:
            rows.append((label, json.dumps(value, default=str)))
    return rows
