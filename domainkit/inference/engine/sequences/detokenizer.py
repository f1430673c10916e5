"""Detokenizer: generated tokens as text while they come, cut at stop strings. Only whole characters are shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from domainkit.messages import CALL_CLOSE, CALL_OPEN, REASONING_MARKS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BROKEN = "\N{REPLACEMENT CHARACTER}"
LONGEST_CHARACTER = 8
"""An end that so many tokens do not complete is broken text: a character has at most 4 bytes in UTF-8."""


class Detokenizer:
    """The text of one answer."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, stops: Sequence[str] = (), shown: Sequence[str] = ()
    ) -> None:
        """`shown` are control tokens that are text here."""
        self._decode = decoder(tokenizer)
        self._hidden = hidden_ids(tokenizer, shown)
        self._stops = tuple(s for s in stops if s)
        self._ids: list[int] = []
        # Decoding all tokens at every step would take quadratic time. Decoding only the new ones would be wrong: the
        # text of a token depends on those before it (a leading space, a character's other bytes). So each step decodes
        # a window, which starts with the tokens of the last piece.
        self._start = 0
        self._read = 0  # tokens whose text is in `text` or `_waiting`
        self._waiting = ""  # may become a stop string
        self.text = ""
        """The certain text."""
        self.stopped = False
        """A stop string has come."""

    def push(self, token: int) -> str:
        """Add a token. Returns the text that it makes certain, which may be empty."""
        if token in self._hidden or self.stopped:
            return ""
        self._ids.append(token)
        self._waiting += self._new_text(final=False)
        return self._release(final=False)

    def finish(self) -> str:
        """End the text. Returns the rest of it."""
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
        """Length of the longest end of the waiting text with which a stop string starts."""
        longest = max((len(s) for s in self._stops), default=1) - 1
        for n in range(min(longest, len(self._waiting)), 0, -1):
            end = self._waiting[-n:]
            if any(s.startswith(end) for s in self._stops):
                return n
        return 0


def decoder(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[int]], str]:
    """A function from ids to text, which cleans nothing up and leaves nothing out."""
    # Called for every token, so without transformers' wrapper around the Rust tokenizer.
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is not None:
        return lambda ids: str(core.decode(ids, skip_special_tokens=False))
    return lambda ids: str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def hidden_ids(tokenizer: PreTrainedTokenizerBase, shown: Sequence[str] = ()) -> Collection[int]:
    """Control tokens, which are not part of an answer's text. The marks of tool calls and of reasoning are, whatever
    the base says."""
    marks = {CALL_OPEN, CALL_CLOSE, *shown, *(mark for marks in REASONING_MARKS for mark in marks)}
    special = {i: t for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    listed = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return {i for i, t in special.items() if t.content not in marks} | {i for i, t in listed.items() if t not in marks}
