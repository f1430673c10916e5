"""Text: generated tokens as readable text while they come, cut at stop strings. No character is ever shown half."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from domainkit.messages import CALL_CLOSE, CALL_OPEN

BROKEN = "\N{REPLACEMENT CHARACTER}"
LONGEST_CHARACTER = 8
"""Tokens after which an undecodable end is no unfinished character (UTF-8 has at most 4 bytes) but broken text."""


class Detokenizer:
    """The text of one answer. `push` returns what a token makes certain; what may still become a stop string waits."""

    def __init__(self, tokenizer: Any, stops: Sequence[str] = ()) -> None:
        self._decode = decoder(tokenizer)
        self._hidden = hidden_ids(tokenizer)
        self._stops = tuple(s for s in stops if s)
        self._ids: list[int] = []
        self._start = 0  # the window decoded anew: tokens may look different at the start of a text
        self._read = 0  # tokens whose text was given out
        self._waiting = ""
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add a token; return the new certain text, perhaps ""."""
        if token in self._hidden or self.stopped:
            return ""
        self._ids.append(token)
        self._waiting += self._new_text(final=False)
        return self._release(final=False)

    def finish(self) -> str:
        """No more tokens: return the rest."""
        if self.stopped:
            return ""
        self._waiting += self._new_text(final=True)
        return self._release(final=True)

    def _new_text(self, *, final: bool) -> str:
        before = self._decode(self._ids[self._start : self._read])
        after = self._decode(self._ids[self._start :])
        pending = len(self._ids) - self._read
        if not final and (len(after) <= len(before) or (after.endswith(BROKEN) and pending < LONGEST_CHARACTER)):
            return ""
        self._start, self._read = self._read, len(self._ids)
        return after[len(before) :]

    def _release(self, *, final: bool) -> str:
        at = min((i for s in self._stops if (i := self._waiting.find(s)) >= 0), default=-1)
        if at >= 0:
            self.stopped = True
            certain, self._waiting = self._waiting[:at], ""
        else:
            keep = 0 if final else self._possible_stop()
            cut = len(self._waiting) - keep
            certain, self._waiting = self._waiting[:cut], self._waiting[cut:]
        self.text += certain
        return certain

    def _possible_stop(self) -> int:
        """Length of the longest end of the waiting text that begins a stop string."""
        longest = max((len(s) for s in self._stops), default=1) - 1
        for n in range(min(longest, len(self._waiting)), 0, -1):
            end = self._waiting[-n:]
            if any(s.startswith(end) for s in self._stops):
                return n
        return 0


def decoder(tokenizer: Any) -> Callable[[list[int]], str]:
    """Ids to text, nothing cleaned up or left out."""
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is not None:
        return lambda ids: core.decode(ids, skip_special_tokens=False)
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def hidden_ids(tokenizer: Any) -> Collection[int]:
    """Control tokens, which are no part of an answer's text; the markers of tool calls are, whatever the base declares."""
    marks = {CALL_OPEN, CALL_CLOSE}
    special = {i: t for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    listed = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return {i for i, t in special.items() if t.content not in marks} | {i for i, t in listed.items() if t not in marks}
