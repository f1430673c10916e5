"""Cost, retrieval, leakage, how the run was made, and how to use its winner."""

from __future__ import annotations

from domainkit.evaluation.kinds import kind_of
from domainkit.report.charts.waterfall import waterfalls
from domainkit.report.sections import cost_section, facts, leakage_section, use_section
from domainkit.report.wording.markdown_text import EXAMPLES, bullets, escape, estimate_text, pairs, table
from domainkit.report.wording.text import shorten
from domainkit.results.lookups import hit_names
from domainkit.results.schema import Estimate, Results
from domainkit.verdict import numbers


def cost(results: Results) -> list[str]:
    c = results.cost
    if c is None:
        return []
    right = kind_of(results.task.kind).full_marks
    heads = (
        "Variant",
        f"1,000 questions, {escape(c.prices.currency)}",
        f"1,000 {right}",
        "Before the first",
        "By the token",
    )
    rows = [
        [
            escape(v.name),
            _amount(v.per_thousand),
            _amount(v.per_correct, 1000),
            cost_section.fixed_text(v),
            numbers.money(v.tokens_per_thousand).replace("<", "&lt;"),
        ]
        for v in c.variants
    ]
    lines = [cost_section.break_even_sentence(b) for b in c.break_even]
    if not lines and c.reason:
        lines.append(f"No break-even: {c.reason}.")
    lines += [f"{name}." for name in cost_section.unknown(c)] + cost_section.price_sentences(c)
    return ["## Cost", table(heads, rows), bullets(escape(line) for line in lines)]


def _amount(e: Estimate, scale: float = 1.0) -> str:
    if e.value is None:
        return f"{numbers.DASH} {escape(e.reason)}"
    spread = cost_section.spread_text(e, scale)
    return (numbers.money(scale * e.value) + (f" ({spread})" if spread else "")).replace("<", "&lt;")


def waterfall(results: Results) -> list[str]:
    falls = waterfalls(results)
    if not falls:
        return []
    steps = list(dict.fromkeys(step.name for fall in falls for step in fall.steps))
    rows = []
    for fall in falls:
        shares = {step.name: numbers.percent(step.share) for step in fall.steps}
        bound = numbers.percent(fall.oracle[1]) if fall.oracle else numbers.DASH
        rows.append(
            [
                escape(fall.variant),
                *(shares.get(s, numbers.DASH) for s in steps),
                numbers.percent(fall.otherwise),
                bound,
            ]
        )
    heads = ["Questions left, %", *steps, "right otherwise", "right with the gold document"]
    return ["## Where retrieval loses questions", table(heads, rows)]


def retrieval(results: Results) -> list[str]:
    hits = hit_names(results)
    if not hits:
        return []
    empty = Estimate(value=None)
    rows = [
        [escape(v.name), *(estimate_text(v.retrieval.get(h, empty)) for h in hits)]
        for v in results.variants
        if v.retrieval
    ]
    return ["## Retrieval", table(["Gold document among the passages, %", *(escape(h) for h in hits)], rows)]


def leakage(results: Results) -> list[str]:
    notes = [leakage_section.clean_sentence(results), *leakage_section.unchecked(results)]
    use = results.test_use
    if use is not None and not use.unknown:
        notes.append(
            f"Different comparisons on these questions so far: {use.comparisons:,}; "
            f"for choosing settings: {use.for_choosing:,}."
        )
    return ["## Leakage", *_leaks(results), *(escape(note) for note in notes if note)]


def _leaks(results: Results) -> list[str]:
    if not results.leaks:
        return ["No check for leakage is in the results file."]
    levels = leakage_section.matches(results)
    if not levels:
        return [f"No test question was found in {leakage_section.checked_sets(results)}."]
    questions = f"of {results.task.n:,} test questions in"
    blocks = [bullets(f"{level.leak.count:,} {questions} {escape(level.set)} {escape(level.how)}" for level in levels)]
    pairs = [(level, pair) for level in levels for pair in level.pairs[:EXAMPLES] if pair.text]
    if pairs:
        heads = ("Level", "Test question", "Found in", "Its text")
        rows = [
            [level.leak.level, *(escape(shorten(t, 100)) for t in (pair.question, pair.source, pair.text))]
            for level, pair in pairs
        ]
        blocks.append(table(heads, rows, right_from=4))
    return blocks


def origin(results: Results) -> list[str]:
    sections = (
        ("Task", facts.task_facts(results)),
        ("Training", facts.training_facts(results)),
        ("Model", facts.model_facts(results)),
        ("Environment", facts.json_facts({**results.environment, "made": results.created or None})),
    )
    blocks = [block for title, rows in sections if rows for block in (f"**{title}**", pairs(rows))]
    return ["## How it was made", *blocks]


def use(results: Results, folder: str | None) -> list[str]:
    use = use_section.use_of(results, folder) if folder is not None else None
    if use is None:
        return []
    blocks = [_code("python", use.python), _code("sh", "\n".join(use.commands))]
    return ["## Use it", f"{escape(use.lead)} {use_section.SEEN_FROM}", *blocks]


def _code(language: str, text: str) -> str:
    """A fenced block; the fence is longer than any in the text, which holds the folder's name."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
