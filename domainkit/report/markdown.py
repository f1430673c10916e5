"""Results as Markdown for a README or a pull request."""

from __future__ import annotations

from domainkit.evaluation.kinds import kind_of
from domainkit.report.charts.waterfall import waterfalls
from domainkit.report.sections import (
    cost_section,
    facts,
    forgetting_section,
    judging_section,
    leakage_section,
    models_section,
    parts_section,
    people_section,
    use_section,
)
from domainkit.report.wording import labels
from domainkit.report.wording.markdown_text import bullets, escape, pairs, table
from domainkit.report.wording.text import shorten
from domainkit.results.lookups import flips, group_names, hit_names, short_question
from domainkit.results.schema import CurvePoint, Estimate, Item, Portfolio, Results, Usage, VariantResult
from domainkit.verdict import numbers
from domainkit.verdict.sentences import forgetting_sentence

EXAMPLES = 3
"""Flipped questions shown in each direction."""


def to_markdown(results: Results | Portfolio, folder: str | None = None) -> str:
    """The verdict, the table of variants, and the details; for several comparisons, one after the other. `folder` is
    the run folder from which the variants can be loaded."""
    if isinstance(results, Portfolio):
        heads = ("Task", "Answer", "Recommended variant")
        rows = [[escape(t) for t in (r.task.name, r.verdict.answer, r.verdict.choice)] for r in results.comparisons]
        top = [f"# {escape(results.title)}", table(heads, rows, right_from=3)]
        return "\n\n".join(
            [*top, *(to_markdown(r).replace("\n## ", "\n### ").replace("# ", "## ", 1) for r in results.comparisons)]
        )
    blocks = [
        f"# {escape(results.task.name)}: {escape(results.verdict.answer)}",
        *_verdict(results),
        *_people(results),
        *_variants(results),
        *_models(results),
        *_judging(results),
        *_groups(results),
        *_parts(results),
        *_wins(results),
        *_flips(results),
        *_curve(results),
        *_recipes(results),
        *_cost(results),
        *_waterfall(results),
        *_retrieval(results),
        *_forgetting(results),
        *_leakage(results),
        *_origin(results),
        *_use(results, folder),
    ]
    return "\n\n".join(blocks) + "\n"


def _verdict(results: Results) -> list[str]:
    v = results.verdict
    blocks = [f"**{escape(v.headline)}**"]
    if by_people := people_section.top_sentence(results):
        blocks.append(f"**{escape(by_people)}**")
    if v.choice:
        blocks.append(f"Recommended variant: **{escape(v.choice)}**.")
    if v.choice and v.tied:
        blocks[-1] += f" Cannot be distinguished from it: {', '.join(escape(t) for t in v.tied)}."
    if v.action:
        evidence = f" ({'; '.join(escape(text) for text in v.action.evidence)})" if v.action.evidence else ""
        blocks.append(f"**Next best action**: {escape(v.action.sentence)}{evidence}")
    steps = ("After that", v.next_steps[1:]) if v.action else ("Do next", v.next_steps)
    for title, lines in (("Why", v.reasons), ("What limits it", v.cautions), steps):
        if lines:
            blocks += [f"**{title}**", bullets(escape(text) for text in lines)]
    return blocks


def _people(results: Results) -> list[str]:
    people = results.people
    if people is None:
        return []
    lines = bullets(escape(line) for line in people_section.people_lines(people))
    return ["## By people's judgement", people_section.LEAD, f"**{escape(people.sentence)}**", lines]


def _name(results: Results, variant: VariantResult) -> str:
    name = escape(variant.name)
    if variant.name == results.verdict.choice:
        name = f"**{name}** (recommended)"
    if results.race and variant.name in results.race.out:
        name = f"{name} (dropped after {results.race.out[variant.name].answered:,})"
    return f"{name} (baseline)" if variant.name == results.baseline else name


def _variants(results: Results) -> list[str]:
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


def _models(results: Results) -> list[str]:
    rows = [[escape(cell) for cell in row] for row in models_section.model_rows(results)]
    lead, heads = models_section.LEAD, models_section.HEADS
    return ["## Models", lead, table(heads, rows, right_from=len(heads))] if rows else []


def _judging(results: Results) -> list[str]:
    blocks = []
    for judge in results.judges:
        title = f"### {escape(labels.metric_title(judge.metric))}: {escape(judge.model)}"
        blocks += [title, bullets(map(escape, judging_section.judge_sentences(results, judge)))]
    pairs = judging_section.pair_sentences(results)
    pairs_block = ["### Pairs", bullets(map(escape, pairs))] if pairs else []
    return ["## Judging", *blocks, *pairs_block] if blocks else []


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
        cell(_estimate(score), score.reason),
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


def _estimate(estimate: Estimate) -> str:
    spread = numbers.interval(estimate)
    return numbers.percent(estimate.value) + (f" ({spread})" if spread else "")


def _groups(results: Results) -> list[str]:
    names = group_names(results)
    if not names:
        return []
    heads = ["Group, %", *(escape(v.name) for v in results.variants)]
    empty = Estimate(value=None)
    rows = [[escape(g), *(numbers.percent(v.groups.get(g, empty).value) for v in results.variants)] for g in names]
    return ["## Groups", table(heads, rows)]


def _parts(results: Results) -> list[str]:
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


def _wins(results: Results) -> list[str]:
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


def _flips(results: Results) -> list[str]:
    blocks: list[str] = []
    for gains, word in ((True, "better"), (False, "worse")):
        flipped = list(flips(results, gains=gains))
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


def _retrieval(results: Results) -> list[str]:
    hits = hit_names(results)
    if not hits:
        return []
    empty = Estimate(value=None)
    rows = [
        [escape(v.name), *(_estimate(v.retrieval.get(h, empty)) for h in hits)] for v in results.variants if v.retrieval
    ]
    return ["## Retrieval", table(["Gold document among the passages, %", *(escape(h) for h in hits)], rows)]


def _curve(results: Results) -> list[str]:
    rows = [
        [escape(c.variant), numbers.count(p.n), _share(p), "forecast" if ahead else "measured"]
        for c in results.curves
        for ahead, points in ((False, c.points), (True, c.forecast))
        for p in points
    ]
    title = escape(labels.primary_heading(results))
    return ["## Learning curve", table(("Variant", "Training examples", f"{title}, %", ""), rows)] if rows else []


def _recipes(results: Results) -> list[str]:
    if not results.recipes:
        return []
    title = escape(labels.primary_heading(results))
    heads = ("Variant", "Training seeds", f"{title} by seed, %", "Over items and seeds", "Difference, points", "")
    rows = [
        [
            escape(r.variant),
            ", ".join(str(s) for s in r.seeds),
            ", ".join(numbers.percent(s) for s in r.by_seed),
            _estimate(r.score),
            f"{numbers.points(r.difference.value)} ({numbers.difference_interval(r.difference)})"
            if r.difference
            else "",
            f"{labels.MARKS[r.state]} {r.state}" if r.state else "baseline",
        ]
        for r in results.recipes
    ]
    return ["## The training recipe", labels.RECIPE, table(heads, rows)]


def _share(point: CurvePoint) -> str:
    band = f" ({numbers.percent(point.low)} to {numbers.percent(point.high)})" if numbers.is_finite(point.low) else ""
    return numbers.percent(point.value) + band


def _cost(results: Results) -> list[str]:
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


def _forgetting(results: Results) -> list[str]:
    f = results.forgetting
    if f is None:
        return []
    heads = ("General questions", "Base, %", "With the adapter, %", "Difference, points")
    rows = [[escape(name), *cells] for name, *cells in forgetting_section.group_rows(f)]
    blocks = ["## Forgetting", f"**{escape(forgetting_sentence(f))}**", table(heads, rows)]
    if f.text:
        blocks.append(
            f"Bits per byte of general text: base {f.text.base:.3f}, with the adapter {f.text.tuned:.3f}; "
            f"{forgetting_section.bits(f.text)}."
        )
    if f.lost:
        lost_heads = ("No longer right", "Right", "Now")
        lost = [[escape(shorten(t, 100)) for t in (q.question, q.right, q.now)] for q in f.lost[:EXAMPLES]]
        blocks.append(table(lost_heads, lost, right_from=3))
    return blocks


def _waterfall(results: Results) -> list[str]:
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


def _leakage(results: Results) -> list[str]:
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


def _origin(results: Results) -> list[str]:
    sections = (
        ("Task", facts.task_facts(results)),
        ("Training", facts.training_facts(results)),
        ("Model", facts.model_facts(results)),
        ("Environment", facts.json_facts({**results.environment, "made": results.created or None})),
    )
    blocks = [block for title, rows in sections if rows for block in (f"**{title}**", pairs(rows))]
    return ["## How it was made", *blocks]


def _use(results: Results, folder: str | None) -> list[str]:
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
