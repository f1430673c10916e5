"""Closing: the way to end a constrained answer when its tokens run out, so that it is whole and fits its schema.

A small model fills a string until it is stopped; cut off there, the answer is no JSON. The last tokens are kept for the way
out: strings closed, required properties given their least, lists ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

OUTWARD = '}]"\n01nft, [{-.'
"""Characters that JSON goes on with, those that lead out first."""
WITHIN = '"a0 -'
"""The same inside a string, where brackets are only text."""
ONLY_TEXT = "bcghijkmopqsuvwxyz"
"""Letters that begin no JSON value: where one of them may follow a bracket, both are text."""


def ending(
    matcher: Any, allowed: Callable[[Any], np.ndarray], token_of: Callable[[str], int | None], limit: int
) -> list[int] | None:
    """At most `limit` tokens that take llguidance's `matcher`, amid JSON, to an acceptable end, or None. It goes along.

    `allowed(matcher)` is bool [vocabulary]; `token_of(character)` the token that is this character alone. Greedy, not
    shortest: in JSON what closes is always the shorter way.
    """
    path: list[int] = []
    while not matcher.is_accepting():
        step = matcher.compute_ff_tokens() or _outward(allowed(matcher), token_of)
        if not step or len(path) + len(step) > limit or matcher.is_error():
            return None
        for token in step:
            if not matcher.consume_token(token):
                return None
        path += step
    return path


def _outward(possible: np.ndarray, token_of: Callable[[str], int | None]) -> list[int]:
    def may(character: str) -> bool:
        token = token_of(character)
        return token is not None and bool(possible[token])

    order = WITHIN if may("}") and any(map(may, ONLY_TEXT)) else OUTWARD
    for character in order:
        if may(character):
            return [token_of(character)]  # type: ignore[list-item]
    return np.flatnonzero(possible)[:1].tolist()  # a string of a closed set or a pattern: any way on
