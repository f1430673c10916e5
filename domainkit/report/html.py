"""Results to one self-contained HTML page: it loads nothing from the network, and no text in it is trusted.

Static parts pass through Jinja2 with autoescape; the item explorer reads an escaped JSON block and writes text nodes
only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from domainkit.report.charts import groups, total_cost
from domainkit.report.charts.curve import curve_chart
from domainkit.report.charts.forest import forest
from domainkit.report.charts.matrix import wins_matrix
from domainkit.report.charts.scatter import views
from domainkit.report.charts.svg import SHAPES, state_class
from domainkit.report.charts.waterfall import waterfall_charts
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
from domainkit.report.sections.first_screen import answers, sheet_rows, sheet_words, what_it_is
from domainkit.report.sections.grounds import grounds
from domainkit.report.sections.item_explorer import embed, explorer_data
from domainkit.report.wording import labels
from domainkit.report.wording.terms import Terms
from domainkit.report.wording.text import one_line, shorten
from domainkit.results.lookups import confidence_level, find_variant, group_names, hit_names, metric_names
from domainkit.results.schema import JsonObject, Portfolio, Results
from domainkit.verdict import numbers
from domainkit.verdict.sentences import CANNOT_TELL, forgetting_sentence
from domainkit.visible import visible

if TYPE_CHECKING:
    from domainkit.report.since_last import SinceLast


@dataclass(frozen=True)
class _Part:
    """One comparison of the page."""

    prefix: str
    """Makes its ids different from those of the other comparisons."""
    results: Results
    body: Markup


def render(results: Results | Portfolio, folder: str | None = None, since: SinceLast | None = None) -> str:
    """The whole page as HTML text: one comparison, or an overview of several and each in full. `folder` is the run
    folder from which the variants of a comparison can be loaded; `since` an earlier run to set beside it."""
    environment, terms = page_environment(), Terms()
    if isinstance(results, Portfolio):
        parts = [_part(environment, terms, r, f"task{k}-") for k, r in enumerate(results.comparisons, 1)]
        name = title = results.title
        about = f"{len(parts)} comparisons"
    else:
        parts = [_part(environment, terms, results, "", folder, since)]
        name, title = results.task.name, f"{results.verdict.answer}: {results.task.name}"
        about = f"{numbers.count(results.task.n)} questions, {len(results.variants)} variants"
        about += f", {when(results)}" if results.created else ""
    return environment.get_template("report.html").render(
        terms=terms,
        comparisons=parts,
        overview=isinstance(results, Portfolio),
        name=name,
        title=title,
        about=about,
        schema=results.schema_version,
        style=Markup(style_sheet()),
        script=Markup(read_template("report.js")),
    )


def _part(
    environment: Environment,
    terms: Terms,
    results: Results,
    prefix: str,
    folder: str | None = None,
    since: SinceLast | None = None,
) -> _Part:
    body = environment.get_template("comparison.html").render(
        **_first_screen(results),
        terms=terms,
        since=since,
        p=prefix,
        r=results,
        data=Markup(embed(explorer_data(results))),
        primary_name=labels.primary_heading(results),
        metrics={name: labels.metric_heading(results, name) for name in metric_names(results)},
        groups=group_names(results),
        hits=hit_names(results),
        best_in_group=_best_in_group(results),
        groups_shown=groups.SHOWN,
        leaks=leakage_section.matches(results),
        unchecked=leakage_section.unchecked(results),
        clean_sentence=leakage_section.clean_sentence(results),
        checked_sets=leakage_section.checked_sets(results),
        model_rows=models_section.model_rows(results),
        model_heads=models_section.HEADS,
        models_lead=models_section.LEAD,
        judges=[(j, judging_section.judge_sentences(results, j)) for j in results.judges],
        judged_pairs=judging_section.pair_sentences(results),
        matrix=wins_matrix(results),
        waterfalls=waterfall_charts(results, prefix),
        curve=curve_chart(results, prefix),
        recipe_lead=labels.RECIPE,
        memory=labels.memory(results),
        level=confidence_level(results),
        forest=forest(results, prefix),
        views=views(results, prefix),
        cost=_cost(environment, terms, results, prefix),
        forgetting=_forgetting(environment, results, prefix),
        people=_people(environment, results, prefix),
        by_people=people_section.top_sentence(results),
        charts=groups.group_charts(results, prefix),
        part_title=parts_section.title(results),
        part_rows=(part_rows := parts_section.part_rows(results)),
        parts_left_out=parts_section.left_out(results, len(part_rows)),
        parts_empty=parts_section.empty_note(results),
        training_facts=facts.training_facts(results),
        task_facts=facts.task_facts(results),
        model_facts=facts.model_facts(results),
        environment_facts=facts.environment_facts(results),
        command=facts.command(results),
        use=use_section.use_of(results, folder) if folder is not None else None,
        seen_from=use_section.SEEN_FROM,
    )
    return _Part(prefix, results, Markup(body))


def _first_screen(results: Results) -> JsonObject:
    """What the template of the first screen reads beside the results."""
    chosen, verdict = find_variant(results, results.verdict.choice), results.verdict
    rows, left_out = sheet_rows(results)
    return {
        "chosen_is": what_it_is(chosen) if chosen else "",
        "chosen_interval": numbers.interval(labels.primary(results, chosen)) if chosen else "",
        "answers_first": answers(results),
        "grounds": grounds(results),
        "later_steps": verdict.next_steps[1:] if verdict.action else verdict.next_steps,
        "sheet_rows": rows,
        "sheet_left_out": left_out,
        "sheet_words": sheet_words(results),
    }


def read_template(name: str) -> str:
    """A template, the style sheet or the script."""
    return files("domainkit.report").joinpath("templates", name).read_text(encoding="utf-8")


def when(results: Results) -> str:
    """2026-11-29 04:07 UTC; text of another form as it is."""
    return re.sub(r"T(\d\d:\d\d):[\d.]+(Z|\+00:00)$", r" \1 UTC", results.created)


def style_sheet() -> str:
    """The rules for the screen, then those for paper."""
    return read_template("report.css") + read_template("print.css")


@cache
def page_environment() -> Environment:
    """Jinja2 with autoescape and the filters that the templates use. One for the process: compiling a page's templates
    takes most of a report's time."""
    environment = Environment(
        loader=FunctionLoader(read_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=numbers.count,
        percent=numbers.percent,
        points=numbers.points,
        seconds=numbers.seconds,
        p_value=numbers.p_value,
        money=numbers.money,
        volume=numbers.volume,
        visible=visible,
        one_line=one_line,
        shorten=shorten,
        metric_title=labels.metric_title,
        state_class=state_class,
    )
    environment.globals.update(
        new_notes=labels.Notes,
        is_finite=numbers.is_finite,
        interval=numbers.interval,
        difference_interval=numbers.difference_interval,
        primary=labels.primary,
        marks=labels.MARKS,
        shapes=SHAPES,
        group_size=groups.group_size,
        no_tokens=labels.NO_TOKENS,
        no_seconds=labels.NO_SECONDS,
        no_latency=labels.NO_LATENCY,
        cannot_tell=CANNOT_TELL,
    )
    # A text that is printed without a filter also gets its control characters spelt out.
    environment.finalize = lambda value: visible(value) if type(value) is str else value
    return environment


def _best_in_group(results: Results) -> dict[str, float]:
    """Per group the highest score, which is set in bold."""
    best = {}
    for group in group_names(results):
        values = [e.value for v in results.variants if (e := v.groups.get(group)) is not None and e.value is not None]
        if values:
            best[group] = max(values)
    return best


def _cost(environment: Environment, terms: Terms, results: Results, prefix: str) -> Markup:
    """The section on cost; nothing where none was counted."""
    cost = results.cost
    if cost is None:
        return Markup("")
    body = environment.get_template("cost.html").render(
        terms=terms,
        p=prefix,
        c=cost,
        choice=results.verdict.choice,
        binary=results.task.kind == "label",
        chart=total_cost.volume_chart(results, prefix),
        data=Markup(embed(total_cost.volume_data(cost))),
        volumes=total_cost.VOLUMES,
        totals=total_cost.totals(cost),
        unknown=cost_section.unknown(cost),
        price_sentences=cost_section.price_sentences(cost),
        break_even=cost_section.break_even_sentence,
        spread_text=cost_section.spread_text,
    )
    return Markup(body)


def _people(environment: Environment, results: Results, prefix: str) -> Markup:
    """The section on people's judgement; nothing where nobody reviewed answers."""
    people = results.people
    if people is None:
        return Markup("")
    body = environment.get_template("people.html").render(
        p=prefix, people=people, lines=people_section.people_lines(people), lead=people_section.LEAD
    )
    return Markup(body)


def _forgetting(environment: Environment, results: Results, prefix: str) -> Markup:
    """The section on forgetting; nothing where it was not measured."""
    forgetting = results.forgetting
    if forgetting is None:
        return Markup("")
    body = environment.get_template("forgetting.html").render(
        p=prefix,
        f=forgetting,
        sentence=forgetting_sentence(forgetting),
        bits=forgetting_section.bits,
        shown=forgetting_section.LOST_SHOWN,
    )
    return Markup(body)
