"""Results to one self-contained HTML page: no request leaves it, and no text in it is trusted.

Static parts pass through Jinja2 with autoescape; the item explorer reads an escaped JSON block and writes text nodes only.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from domainkit.report.charts.curve import curve_chart
from domainkit.report.charts.forest import forest
from domainkit.report.charts.groups import SHOWN as GROUPS_SHOWN
from domainkit.report.charts.groups import group_charts, group_size
from domainkit.report.charts.matrix import wins_matrix
from domainkit.report.charts.scatter import views
from domainkit.report.charts.svg import SHAPES, state_class
from domainkit.report.charts.waterfall import waterfall_charts
from domainkit.report.sections import cost, forgetting, leakage
from domainkit.report.sections.explorer import embed, explorer_data
from domainkit.report.wording import numbers, story
from domainkit.report.wording.text import one_line, shorten, visible
from domainkit.results.schema import Portfolio, Results


@dataclass(frozen=True)
class _Part:
    """One comparison of the page; `prefix` keeps its ids apart from the others'."""

    prefix: str
    results: Results
    body: Markup


def render(results: Results | Portfolio) -> str:
    """The whole page as HTML text: one comparison, or an overview of several and each in full."""
    environment = page_environment()
    if isinstance(results, Portfolio):
        parts = [_part(environment, r, f"task{k}-") for k, r in enumerate(results.comparisons, 1)]
        name = title = results.title
        about = f"{len(parts)} comparisons"
    else:
        parts = [_part(environment, results, "")]
        name, title = results.task.name, f"{results.verdict.answer}: {results.task.name}"
        about = f"{numbers.count(results.task.n)} questions, {len(results.variants)} variants"
        about += f", {results.created.replace('T', ' ').replace('Z', ' UTC')}" if results.created else ""
    return environment.get_template("report.html").render(
        comparisons=parts,
        overview=isinstance(results, Portfolio),
        name=name,
        title=title,
        about=about,
        schema=results.schema_version,
        style=Markup(read_part("report.css")),
        script=Markup(read_part("report.js")),
    )


def _part(environment: Environment, results: Results, prefix: str) -> _Part:
    template = environment.get_template("comparison.html")
    body = template.render(
        p=prefix,
        r=results,
        data=Markup(embed(explorer_data(results))),
        chosen=story.find(results, results.verdict.choice),
        baseline=story.find(results, results.baseline),
        primary_name=story.metric_title(results.task.primary_metric),
        metrics=story.metric_names(results),
        groups=story.group_names(results),
        hits=story.hit_names(results),
        best_in_group=_best_in_group(results),
        groups_shown=GROUPS_SHOWN,
        leaks=leakage.findings(results),
        unchecked=leakage.unchecked(results),
        clean_sentence=leakage.clean_sentence(results),
        looked_through=leakage.looked_through(results),
        matrix=wins_matrix(results),
        waterfalls=waterfall_charts(results, prefix),
        curve=curve_chart(results, prefix),
        recipe_lead=story.RECIPE,
        memory=story.memory(results),
        level=next((e.level for v in results.variants for e in v.metrics.values()), 0.95),
        forest=forest(results, prefix),
        views=views(results, prefix),
        cost=_cost(environment, results, prefix),
        forgetting=_forgetting(environment, results, prefix),
        charts=group_charts(results, prefix),
        receipt=story.receipt(results),
        task_facts=story.task_facts(results),
        model_facts=story.facts(results.model),
        environment_facts=_environment_facts(results),
        command=_command(results),
    )
    return _Part(prefix, results, Markup(body))


def read_part(name: str) -> str:
    """A file that lies beside this one: a template, the style sheet or the script."""
    return files("domainkit.report").joinpath(name).read_text(encoding="utf-8")


def page_environment() -> Environment:
    """Jinja2 with autoescape and the filters that the templates use."""
    environment = Environment(
        loader=FunctionLoader(read_part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=numbers.count, percent=numbers.percent, points=numbers.points, seconds=numbers.seconds, p_value=numbers.p_value,
        money=numbers.money, volume=numbers.volume,
        visible=visible, one_line=one_line, shorten=shorten, metric_title=story.metric_title, state_class=state_class,
    )  # fmt: skip
    environment.globals.update(
        new_notes=story.Notes, known=numbers.known, interval=numbers.interval, difference_interval=numbers.difference_interval,
        primary=story.primary, state_text=story.state_text, marks=story.MARKS, shapes=SHAPES, group_size=group_size,
        no_tokens=story.NO_TOKENS, no_seconds=story.NO_SECONDS, no_latency=story.NO_LATENCY,
    )  # fmt: skip
    # A value that is printed without a filter still has its control characters spelt out.
    environment.finalize = lambda value: visible(value) if type(value) is str else value
    return environment


def _best_in_group(results: Results) -> dict[str, float]:
    """Per group the highest score, to be set in bold."""
    best = {}
    for group in story.group_names(results):
        values = [e.value for v in results.variants if (e := v.groups.get(group)) is not None and e.value is not None]
        if values:
            best[group] = max(values)
    return best


def _cost(environment: Environment, results: Results, prefix: str) -> Markup:
    """The section on cost; nothing where none was counted."""
    found = results.cost
    if found is None:
        return Markup("")
    body = environment.get_template("cost.html").render(
        p=prefix,
        c=found,
        choice=results.verdict.choice,
        binary=results.task.kind == "label",
        chart=cost.volume_chart(results, prefix),
        data=Markup(embed(cost.volume_data(found))),
        volumes=cost.VOLUMES,
        totals=cost.totals(found),
        unknown=cost.unknown(found),
        price_sentences=cost.price_sentences(found),
        break_even=cost.break_even_sentence,
        spread_text=cost.spread_text,
    )
    return Markup(body)


def _forgetting(environment: Environment, results: Results, prefix: str) -> Markup:
    """The section on forgetting; nothing where it was not measured."""
    found = results.forgetting
    if found is None:
        return Markup("")
    body = environment.get_template("forgetting.html").render(
        p=prefix, f=found, sentence=forgetting.sentence(found), bits=forgetting.bits, shown=forgetting.LOST_SHOWN
    )
    return Markup(body)


def _command(results: Results) -> str:
    value: Any = results.environment.get("command", "")
    return value if isinstance(value, str) else " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _environment_facts(results: Results) -> list[tuple[str, str]]:
    rest = {name: value for name, value in results.environment.items() if name != "command"}
    rows = story.facts(rest)
    if results.created:
        rows.append(("made", results.created))
    if results.seconds is not None:
        rows.append(("whole comparison", numbers.seconds(results.seconds)))
    return rows
