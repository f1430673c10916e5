"""Limits for a chat template, which comes with a base from anywhere: one that loops or multiplies is refused."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from domainkit.errors import BaseModelError

SECONDS = 3.0
"""Most CPU time for the prompt of a short conversation, which takes a thousandth of that."""
CHARACTERS = 2_000_000
"""Most characters of one value in a template."""
FACTOR = 100_000
"""Largest number that a template may multiply a text by."""


def check_source(source: str) -> None:
    """Raise BaseModelError for a template that multiplies by a large number, which no time limit stops."""
    from jinja2 import Environment, TemplateSyntaxError, nodes

    source = re.sub(r"{%-?\s*(end)?generation\s*-?%}", "", source)  # transformers' own tag
    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(source)
    except (TemplateSyntaxError, RecursionError):
        return  # rendering it says what is wrong
    for kind in (nodes.Mul, nodes.Pow):
        for product in tree.find_all(kind):
            sides = [s for s in (product.left, product.right) if isinstance(s, nodes.Const)]
            numbers = [s.value for s in sides if isinstance(s.value, int)]
            if kind is nodes.Pow or any(n > FACTOR for n in numbers):
                raise _unbounded("multiplies without bound")


@contextmanager
def limited() -> Iterator[None]:
    """Raise BaseModelError once the templates rendered in this block take too long or hold too much."""
    end = time.thread_time() + SECONDS

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        if frame.f_code.co_filename != "<template>":
            return None
        if time.thread_time() > end:
            raise _unbounded("loops without end")
        if any(_size(value) > CHARACTERS for value in frame.f_locals.values()):
            raise _unbounded("multiplies without bound")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def _size(value: object) -> int:
    if isinstance(value, str | list):
        return len(value)
    attributes = getattr(value, "_Namespace__attrs", None)  # of Jinja's namespace()
    return max((len(v) for v in attributes.values() if isinstance(v, str | list)), default=0) if attributes else 0


def _unbounded(what: str) -> BaseModelError:
    return BaseModelError(
        f"the base's chat template {what}", next_step="use a base from a source that you trust, or correct its template"
    )
