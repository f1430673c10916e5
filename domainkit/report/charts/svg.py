"""The pieces charts are drawn from; every string passes through markupsafe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from domainkit.verdict.numbers import fixed

Scale = Callable[[float], float]
Fit = Literal["wide", "narrow"]
"""The kind of screen a drawing is for; also its CSS class."""


@dataclass(frozen=True)
class Layout:
    """A drawing's size and the edges of the plot in it, in drawing units."""

    fit: Fit
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    names: int = 18
    """Columns of text that a variant's name may take."""

    @property
    def frame(self) -> Box:
        """The plot."""
        return Box(self.left, self.top, self.right - self.left, self.bottom - self.top)

    def drawing(self, key: str, title: str, description: str, body: Sequence[Markup]) -> Markup:
        """The <svg> of this layout; `key` is the chart's, without the layout."""
        return drawing(f"{key}-{self.fit}", (self.width, self.height), title, description, body, self.fit)

    def axis_title(self, text: str) -> Markup:
        """The name of the horizontal axis, below its ticks."""
        return words(text, (self.left + self.right) / 2, self.bottom + 38, "axis", "middle")


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element; `class_` writes class, `text_anchor` writes text-anchor, floats are written with one decimal."""
    parts = []
    for key, value in attributes.items():
        if value is None:
            continue
        text = f"{value:.1f}" if isinstance(value, float) else value
        parts.append(Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), text))
    head = Markup("").join(parts)
    inner = Markup("").join(escape(c) for c in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), head, inner)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def words(text: object, x: float, y: float, class_: str = "", anchor: str | None = None) -> Markup:
    """Text at a point; `anchor` "middle" or "end" where it is not the start."""
    return tag("text", text, x=float(x), y=float(y), class_=class_ or None, text_anchor=anchor)


def drawing(
    key: str, size: tuple[float, float], title: str, description: str, body: Sequence[Markup], fit: str
) -> Markup:
    """An <svg> named and described for screen readers; `fit` is the class that says on which screens it shows."""
    width, height = size
    return tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", description, id=f"{key}-desc"),
        *body,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        class_=f"chart {fit}",
        style=f"max-width:{width:.0f}px",
    )


def linear(domain: tuple[float, float], span: tuple[float, float]) -> Scale:
    """Map `domain` onto `span`."""
    (d0, d1), (s0, s1) = domain, span
    return lambda value: s0 + (value - d0) / ((d1 - d0) or 1.0) * (s1 - s0)


def logarithmic(domain: tuple[float, float], span: tuple[float, float]) -> Scale:
    inner = linear((math.log10(domain[0]), math.log10(domain[1])), span)
    return lambda value: inner(math.log10(value))


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, in steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; powers only where the range is wide."""
    factors = (1, 2, 5) if high / low < 200 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [f * 10.0**p for p in powers for f in factors if low * 0.999 <= f * 10.0**p <= high * 1.001]


def tick_text(value: float, step: float) -> str:
    """A tick's number with as many decimals as its step needs."""
    return fixed(value, 0 if step >= 1 else max(0, math.ceil(-math.log10(step) - 1e-9)))


SHAPES = {
    "BETTER": "M0,-6.5 L6.2,4.8 L-6.2,4.8 Z",
    "WORSE": "M0,6.5 L6.2,-4.8 L-6.2,-4.8 Z",
    "EQUIVALENT": "M0,-6.2 L6.2,0 L0,6.2 L-6.2,0 Z",
    "CANNOT TELL YET": "M-5,0 A5,5 0 1 1 5,0 A5,5 0 1 1 -5,0 Z",
}


def state_class(state: str) -> str:
    """The CSS class of a state: "CANNOT TELL YET" is cannot-tell-yet."""
    return state.lower().replace(" ", "-")


def marker(state: str, x: float, y: float) -> Markup:
    """The state's shape, centred on a point."""
    return tag("path", d=SHAPES[state], transform=f"translate({x:.1f},{y:.1f})", class_=f"mark {state_class(state)}")


@dataclass(frozen=True)
class Box:
    """A rectangle in drawing units; used to keep labels apart."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: Box) -> float:
        """The shared area."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(across, 0.0) * max(down, 0.0)

    def outside(self, frame: Box) -> float:
        """The area that sticks out of `frame`."""
        return self.width * self.height - self.overlap(frame)
