"""Forced completion: the tokens that close a constrained answer when its token limit is near, so that it fits its
schema.

A small model fills a string until it is stopped. An answer cut off there is not JSON. The last tokens of the limit are
therefore reserved: strings are closed, required properties get their least value, lists are ended.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from llguidance import LLMatcher

CLOSERS = '}]"\n01nft, [{-.'
"""Characters that can follow in JSON. Those that close come first, then the shortest values."""
CLOSERS_IN_STRING = '"a0 -'
"""The same inside a string, where brackets are only text."""
NO_VALUE_STARTS = "bcghijkmopqsuvwxyz"
"""Letters that start no JSON value. Where one of them may follow as well as a bracket, the parser is inside a
string."""


def closing_suffix(
    matcher: LLMatcher, allowed: Callable[[LLMatcher], np.ndarray], token_of: Callable[[str], int | None], limit: int
) -> list[int] | None:
    """At most `limit` tokens that take `matcher`, inside JSON, to an acceptable end; None if there are none. Moves
    `matcher`.

    `allowed(matcher)` is bool [vocabulary]; `token_of(character)` is the token of that character alone. The search is
    greedy: in JSON, closing is always the shorter path.
    """
    suffix: list[int] = []
    while not matcher.is_accepting():
        step = matcher.compute_ff_tokens() or _closing_step(allowed(matcher), token_of)
        if not step or len(suffix) + len(step) > limit or matcher.is_error():
            return None
        if not all(matcher.consume_token(token) for token in step):
            return None
        suffix += step
    return suffix


def _closing_step(possible: np.ndarray, token_of: Callable[[str], int | None]) -> list[int]:
    """The one token that leads out fastest, among `possible` (bool [vocabulary])."""

    def possible_token(character: str) -> int | None:
        token = token_of(character)
        return token if token is not None and possible[token] else None

    in_string = possible_token("}") is not None and any(possible_token(c) is not None for c in NO_VALUE_STARTS)
    for character in CLOSERS_IN_STRING if in_string else CLOSERS:
        if (token := possible_token(character)) is not None:
            return [token]
    return np.flatnonzero(possible)[:1].tolist()  # a string of an enum or a pattern: any token continues it
