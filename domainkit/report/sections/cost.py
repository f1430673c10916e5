"""Cost for the reader: the table, the break-even in words, and total cost against the number of questions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from domainkit.report.charts.svg import Scale, drawing, line, log_ticks, logarithmic, tag, words
from domainkit.report.wording.numbers import DASH, known, money, volume
from domainkit.report.wording.text import shorten
from domainkit.results.schema import BreakEven, Cost, Estimate, Results, VariantCost

VOLUMES = (1_000.0, 10_000.0, 100_000.0, 1_000_000.0)
DECADES = 7
"""Orders of magnitude of money the chart shows at most; what is cheaper runs along its floor."""


@dataclass(frozen=True)
class Layout:
    """Sizes in drawing units."""

    width: float
    height: float
    left: float
    right: float
    names: int
    fit: str


WIDE = Layout(width=1000, height=420, left=70, right=830, names=22, fit="wide")
NARROW = Layout(width=340, height=320, left=46, right=238, names=13, fit="narrow")
_TOP, _BOTTOM, _LABEL = 16.0, 46.0, 16.0


@dataclass(frozen=True)
class Line:
    """C(V) = fixed + V·each of one variant."""

    name: str
    fixed: float
    each: float
    css: str

    def at(self, questions: float) -> float:
        return self.fixed + questions * self.each


def lines_of(cost: Cost) -> list[Line]:
    """The variants whose whole cost is known, in the ladder's order."""
    main = cost.break_even[0] if cost.break_even else None
    css = {main.variant: "subject", main.rival: "rival"} if main else {}
    return [
        Line(v.name, v.fixed, v.per_thousand.value / 1000, css.get(v.name, "other"))
        for v in cost.variants
        if v.fixed is not None and v.per_thousand.value is not None
    ]


def unknown(cost: Cost) -> list[str]:
    """Sentences on the variants that are not drawn."""
    return [
        f"{v.name}: {v.reason if v.per_thousand.value is not None else v.per_thousand.reason}"
        for v in cost.variants
        if v.fixed is None or v.per_thousand.value is None
    ]


def spread_text(e: Estimate, scale: float = 1.0) -> str:
    """0.0043 to 0.0052; "from 0.0043" where there is no upper end."""
    if e.value is None or not known(e.low):
        return ""
    low = money(scale * (e.low or 0.0))
    return f"from {low}" if e.high is None else f"{low} to {money(scale * e.high)}"


def fixed_text(v: VariantCost) -> str:
    return DASH if v.fixed is None else money(v.fixed)


def break_even_sentence(b: BreakEven) -> str:
    """The break-even in one sentence, and whether the rival is an equal."""
    told = _break_even_told(b)
    return f"{told[:-1]}. {b.rival} is shown to answer worse." if b.rival_worse else told


def _break_even_told(b: BreakEven) -> str:
    if b.state == "never":
        return f"{b.variant} never becomes cheaper than {b.rival}: {b.reason}."
    if b.state == "unknown":
        return f"{b.variant} against {b.rival}: not known, since {b.reason}."
    if b.state == "at once":
        return f"{b.variant} is cheaper than {b.rival} from the first question."
    if b.high is None:
        return (
            f"{b.variant} becomes cheaper than {b.rival} from about {volume(b.questions)} questions (at least {volume(b.low)}, "
            f"no upper end): {b.reason}."
        )
    return (
        f"{b.variant} becomes cheaper than {b.rival} from about {volume(b.questions)} questions "
        f"({volume(b.low)} to {volume(b.high)})."
    )


def price_sentences(cost: Cost) -> list[str]:
    """What was counted with, and which of it nobody gave."""
    p = cost.prices
    found = [
        f"Prices in {p.currency}: a machine-hour {money(p.machine_hour)}"
        + (f" (training {money(p.training_hour)})" if p.training_hour != p.machine_hour else "")
        + (
            f", a million tokens {money(p.input_per_million)} in and {money(p.output_per_million)} out"
            if p.input_per_million is not None
            else ""
        )
        + f", a labelled example {money(p.label)}; from {p.source}."
    ]
    if p.defaults:
        found.append(f"Defaults, not yours: {', '.join(p.defaults)}. Give your own with --prices FILE.")
    return found


def volume_data(cost: Cost) -> dict[str, object]:
    """What the slider computes with."""
    lines = lines_of(cost)
    low, high = _volumes(cost)
    return {
        "low": math.log10(low),
        "high": math.log10(high),
        "start": math.log10(_start(cost)),
        "currency": cost.prices.currency,
        "lines": [{"name": li.name, "fixed": li.fixed, "each": li.each, "css": li.css} for li in lines],
    }


def totals(cost: Cost) -> list[tuple[str, list[str]]]:
    """Total cost of each variant at VOLUMES."""
    return [(li.name, [money(li.at(v)) for v in VOLUMES]) for li in lines_of(cost)]


def volume_chart(results: Results, prefix: str = "") -> Markup:
    """Both drawings, for wide and for narrow screens; nothing with fewer than two known costs."""
    if results.cost is None or len(lines_of(results.cost)) < 2:
        return Markup("")
    return Markup("").join(_draw(results.cost, layout, prefix) for layout in (WIDE, NARROW))


def _volumes(cost: Cost) -> tuple[float, float]:
    """The range of questions: whole powers of ten that hold VOLUMES and the break-even with its interval."""
    main = cost.break_even[0] if cost.break_even else None
    marks = [v for v in (main.questions, main.low, main.high) if v] if main else []
    low, high = min([100.0, *marks]), max([VOLUMES[-1], *(3 * m for m in marks)])
    return 10.0 ** max(0, math.floor(math.log10(low))), 10.0 ** min(12, math.ceil(math.log10(high)))


def _start(cost: Cost) -> float:
    main = cost.break_even[0] if cost.break_even else None
    return min(max(main.questions, 1.0), 1e12) if main and main.questions else 10_000.0


def _draw(cost: Cost, layout: Layout, prefix: str) -> Markup:
    lines, span = lines_of(cost), _volumes(cost)
    top = max(li.at(span[1]) for li in lines) or 1.0
    least = min((v for li in lines if (v := li.at(span[0])) > 0), default=top / 10)
    floor = 10.0 ** math.floor(math.log10(max(least, top / 10**DECADES)))
    top = 10.0 ** math.ceil(math.log10(top * 1.01))
    x = logarithmic(span, (layout.left, layout.right))
    y = logarithmic((floor, top), (layout.height - _BOTTOM, _TOP))
    body = [*_axes(cost, x, y, span, (floor, top), layout), *_break_even(cost, x, span, layout)]
    ends = _apart([y(max(li.at(span[1]), floor)) for li in lines], layout)
    for li, end in zip(lines, ends, strict=True):
        body.append(_curve(li, x, y, span, floor))
        body.append(words(shorten(li.name, layout.names), layout.right + 8, end + 4, f"label cost-name {li.css}"))
    body.append(line(x(_start(cost)), _TOP, x(_start(cost)), layout.height - _BOTTOM, "volume-mark"))
    told = ". ".join(
        f"{shorten(name, 60)}: " + ", ".join(f"{volume(v)} questions {c}" for v, c in zip(VOLUMES, cells, strict=True))
        for name, cells in totals(cost)
    )
    size = (layout.width, layout.height)
    title = f"Total cost in {cost.prices.currency} by number of questions, both axes logarithmic"
    return tag("div", drawing(f"{prefix}volume-{layout.fit}", size, title, told, body, layout.fit), class_=f"volume-chart {layout.fit}",
               data_left=layout.left, data_right=layout.right)  # fmt: skip


def _axes(
    cost: Cost, x: Scale, y: Scale, span: tuple[float, float], money_span: tuple[float, float], layout: Layout
) -> list[Markup]:
    bottom = layout.height - _BOTTOM
    body = []
    amounts = [t for t in log_ticks(*money_span) if math.log10(t) == round(math.log10(t))]
    for t in amounts[:: max(1, math.ceil(len(amounts) / 7))]:
        body.append(line(layout.left, y(t), layout.right, y(t), "grid"))
        body.append(words(_short(t), layout.left - 7, y(t) + 4, "tick", "end"))
    counts = [10.0**k for k in range(round(math.log10(span[0])), round(math.log10(span[1])) + 1)]
    for t in counts[:: 1 if layout.fit == "wide" else max(1, math.ceil(len(counts) / 4))]:
        body.append(words(_short(t), x(t), bottom + 19, "tick", "middle"))
    middle = (layout.left + layout.right) / 2
    body.append(words("questions answered", middle, bottom + 38, "axis", "middle"))
    body.append(words(f"total, {shorten(cost.prices.currency, 12)}", layout.left + 6, _TOP + 15, "axis"))
    return body


def _break_even(cost: Cost, x: Scale, span: tuple[float, float], layout: Layout) -> list[Markup]:
    """The band of the interval and the line of the estimate."""
    main = cost.break_even[0] if cost.break_even else None
    if main is None or main.state != "from" or not main.questions or main.low is None:
        return []
    low, high = x(max(main.low, span[0])), x(min(main.high or span[1], span[1]))
    height = layout.height - _BOTTOM - _TOP
    return [
        tag("rect", x=low, y=_TOP, width=max(high - low, 1.5), height=height, class_="band break-even-band"),
        line(x(main.questions), _TOP, x(main.questions), layout.height - _BOTTOM, "break-even"),
    ]


def _curve(li: Line, x: Scale, y: Scale, span: tuple[float, float], floor: float) -> Markup:
    steps = 72
    across = [span[0] * (span[1] / span[0]) ** (k / steps) for k in range(steps + 1)]
    points = " ".join(f"{x(v):.1f},{y(max(li.at(v), floor)):.1f}" for v in across)
    return tag("polyline", points=points, class_=f"cost-line {li.css}")


def _apart(places: list[float], layout: Layout) -> list[float]:
    """Label heights in the order given, at least _LABEL apart and inside the drawing."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    found = dict.fromkeys(order, 0.0)
    last = _TOP - _LABEL
    for i in order:
        last = found[i] = max(places[i], last + _LABEL)
    limit = layout.height - 8
    for i in reversed(order):
        limit = found[i] = min(found[i], limit)
        limit -= _LABEL
    return [found[i] for i in range(len(places))]


def _short(value: float) -> str:
    """10k, 1M, 0.01."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e−").replace("e-", "e−")
