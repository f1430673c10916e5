"""The table of variants, the models they ran on, the judges, groups, parts, wins and flips."""

from __future__ import annotations

from domainkit.report.sections import judging_section, models_section, parts_section
from domainkit.report.wording import labels
from domainkit.report.wording.markdown_text import EXAMPLES, bullets, escape, estimate_text, table
from domainkit.report.wording.text import shorten
from domainkit.results import lookups
from domainkit.results.lookups import group_names, short_question
from domainkit.results.schema import Estimate, Item, Results, Usage, VariantResult
from domainkit.verdict import numbers


def variants(results: Results) -> list[str]:
    title = escape(labels.primary_heading(results))
    heads = (
        "Variant",
        f"{title}, %",
        "Difference, points",
        "State",
        "Tokens in",
        "Tokens out",
        "Per question",
        "Latency",
    )
    notes = labels.Notes()
    blocks = ["## Variants", table(heads, [_variant_row(results, v, notes) for v in results.variants])]
    lines = [f"[{k}] {escape(reason)}" for k, reason in enumerate(notes.reasons, 1)]
    lines += [f"{escape(v.name)}: {labels.failures(v)}" for v in results.variants if v.failures]
    if results.race:
        race = results.race
        lines.append(
            f"a race: {race.questions:,} of {race.of:,} questions asked, {race.answers:,} of {race.of_answers:,} "
            "answers made; "
            "the intervals of the differences allow for a look after every block"
        )
    if labels.memory(results):
        lines.append(escape(labels.memory(results)))
    lines += [f"{escape(name)} was left out: {escape(reason)}" for name, reason in results.left_out.items()]
    return [*blocks, bullets(lines)] if lines else blocks


def _name(results: Results, variant: VariantResult) -> str:
    name = escape(variant.name)
    if variant.name == results.verdict.choice:
        name = f"**{name}** (recommended)"
    if results.race and variant.name in results.race.out:
        name = f"{name} (dropped after {results.race.out[variant.name].answered:,})"
    return f"{name} (baseline)" if variant.name == results.baseline else name


def _variant_row(results: Results, v: VariantResult, notes: labels.Notes) -> list[str]:
    def cell(text: str, reason: str) -> str:
        return f"{text} [{notes.number(reason)}]" if text == numbers.DASH else text

    score, usage, d = labels.primary(results, v), v.usage, v.difference
    difference, state = "", "baseline" if v.name == results.baseline else ""
    if d is not None:
        difference = f"{numbers.points(d.value)} ({numbers.difference_interval(d)})"
        state = f"{labels.MARKS[d.state]} {labels.state_text(d.state, d.needed)}"
    return [
        _name(results, v),
        cell(estimate_text(score), score.reason),
        difference,
        state,
        cell(numbers.count(usage.prompt_tokens), labels.NO_TOKENS),
        cell(numbers.count(usage.completion_tokens), labels.NO_TOKENS),
        cell(_time(usage), labels.NO_SECONDS),
        cell(numbers.seconds(v.latency.median), v.latency.reason or labels.NO_LATENCY),
    ]


def _time(usage: Usage) -> str:
    """Seconds a question, and what of it read the prompt."""
    whole, reading = numbers.seconds(usage.seconds_per_item), usage.prefill_seconds_per_item
    return whole if reading is None else f"{whole} (reading {numbers.seconds(reading)})"


def models(results: Results) -> list[str]:
    rows = [[escape(cell) for cell in row] for row in models_section.model_rows(results)]
    lead, heads = models_section.LEAD, models_section.HEADS
    return ["## Models", lead, table(heads, rows, right_from=len(heads))] if rows else []


def judging(results: Results) -> list[str]:
    blocks = []
    for judge in results.judges:
        title = f"### {escape(labels.metric_title(judge.metric))}: {escape(judge.model)}"
        blocks += [title, bullets(map(escape, judging_section.judge_sentences(results, judge)))]
    pairs = judging_section.pair_sentences(results)
    pairs_block = ["### Pairs", bullets(map(escape, pairs))] if pairs else []
    return ["## Judging", *blocks, *pairs_block] if blocks else []


def groups(results: Results) -> list[str]:
    names = group_names(results)
    if not names:
        return []
    heads = ["Group, %", *(escape(v.name) for v in results.variants)]
    empty = Estimate(value=None)
    rows = [[escape(g), *(numbers.percent(v.groups.get(g, empty).value) for v in results.variants)] for g in names]
    return ["## Groups", table(heads, rows)]


def parts(results: Results) -> list[str]:
    rows = parts_section.part_rows(results)
    if not rows:
        return []
    heads = [f"{parts_section.title(results)}: F1, %", "Values", *(escape(v.name) for v in results.variants)]
    cells = [
        [escape(row.name), f"{row.values:,}", *(numbers.percent(c.f1) + _precision_and_recall(c) for c in row.cells)]
        for row in rows
    ]
    blocks = [f"## {parts_section.title(results)}", "With precision / recall.", table(heads, cells)]
    if left := parts_section.left_out(results, len(rows)):
        blocks.append(f"{left:,} rarer {'one is' if left == 1 else 'ones are'} in results.json.")
    return [*blocks, *(escape(note) for note in [parts_section.empty_note(results)] if note)]


def _precision_and_recall(cell: parts_section.Counted) -> str:
    return "" if cell.f1 is None else f" ({numbers.percent(cell.precision)} / {numbers.percent(cell.recall)})"


def wins(results: Results) -> list[str]:
    rows = [
        [
            escape(v.name),
            *(f"{n:,}" for n in (d.wins, d.ties, d.losses)),
            numbers.p_value(d.p),
            numbers.p_value(d.p_adjusted),
        ]
        for v in results.variants
        if (d := v.difference) is not None
    ]
    heads = (f"Against {escape(results.baseline)}", "Wins", "Ties", "Losses", "p", "p, Holm")
    return ["## Wins and losses", table(heads, rows)] if rows else []


def flips(results: Results) -> list[str]:
    blocks: list[str] = []
    for gains, word in ((True, "better"), (False, "worse")):
        flipped = list(lookups.flips(results, gains=gains))
        if not flipped:
            continue
        choice, baseline = escape(results.verdict.choice), escape(results.baseline)
        blocks.append(f"{choice} answers {len(flipped):,} of {len(results.items):,} questions {word} than {baseline}:")
        heads = ("Question", "Expected", baseline, choice)
        blocks.append(table(heads, [_flip_row(results, item) for item in flipped[:EXAMPLES]], right_from=4))
    return ["## Flips", *blocks] if blocks else []


def _flip_row(results: Results, item: Item) -> list[str]:
    given = [item.answers[name].text for name in (results.baseline, results.verdict.choice)]
    texts = [short_question(item), item.target, *given]
    return [escape(shorten(text, 100)) for text in texts]
