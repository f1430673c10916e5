"""Text from outside that cannot turn into control tokens."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domainkit.errors import BaseModelError
from domainkit.messages import CALL_CLOSE, CALL_OPEN, REASONING_MARKS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNKNOWN = "\U000e0fff"
"""A character outside every vocabulary that is not made of bytes."""
WORDS = {mark for marks in REASONING_MARKS for mark in marks}
"""Marks of reasoning: no turn can be forged with them, and data is learnt with the base's own tokens for them."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The tokens that text must not be able to spell."""

    ids: frozenset[int]
    spelling: re.Pattern[str]
    """Finds the longest spelling first."""


def read_controls(tokenizer: PreTrainedTokenizerBase) -> Controls:
    """What could forge a turn: special tokens, added tokens that the chat template names, and the marks of calls.

    Other added tokens are the base's own words: a domain's "[CITE]", and the marks of reasoning.
    """
    structure = str(tokenizer.chat_template or "") + CALL_OPEN + CALL_CLOSE
    controls = {
        i: token.content
        for i, token in tokenizer.added_tokens_decoder.items()
        if token.special or token.content in structure
    }
    controls |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    controls = {i: text for i, text in controls.items() if text not in WORDS}
    # Runs of spaces and single characters are ordinary text, in whichever table of the tokenizer they are.
    controls = {i: text for i, text in controls.items() if len(text.strip()) > 1}
    spellings = sorted(set(controls.values()), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, spellings)) if spellings else r"(?!)")
    if tokenizer.unk_token_id in tokenizer(UNKNOWN, add_special_tokens=False)["input_ids"]:
        controls.pop(tokenizer.unk_token_id, None)  # any unknown character becomes this token, so it controls nothing
    return Controls(frozenset(controls), pattern)


class ControlGuard:
    """Puts a nonce in place of each control spelling in a text. `encode` puts the spelling back, split so that it is
    text.

    The template then writes its own control tokens around nonces, and only those are tokenized as control tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, controls: Controls) -> None:
        self._tokenizer = tokenizer
        self._controls = controls
        self._salt = f"n{secrets.token_hex(12)}x"
        self._spellings: list[str] = []

    def hide(self, value: Any) -> Any:
        """`value`, a JSON value, with nonces for spellings."""
        if isinstance(value, str):
            return self._controls.spelling.sub(self._nonce, value)
        if isinstance(value, Mapping):
            return {self.hide(k): self.hide(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide(v) for v in value]
        return value

    def _nonce(self, match: re.Match[str]) -> str:
        # One nonce per spelling: equal texts stay equal, and a prompt stays a prefix of its conversation.
        if match.group() not in self._spellings:
            self._spellings.append(match.group())
        return f"{self._salt}{self._spellings.index(match.group())}z"

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, which may hold nonces. Without nonces these are exactly the tokenizer's own ids."""
        parts = re.split(f"{self._salt}([0-9]+)z", text)
        if len(parts) == 1:
            return self._ids(text)
        # As many control tokens as if plain words stood in place of the spellings.
        expected = self._count_controls(self._ids(" x ".join(parts[::2])))
        spellings = [self._spellings[int(number)] for number in parts[1::2]]
        # Two halves keep most merges of the text. Single characters are the fallback: halves may form another control.
        for pieces in (_halved(parts[::2], spellings), _by_character(parts[::2], spellings)):
            ids = [i for n, piece in enumerate(pieces) if piece for i in self._ids(piece, inner=n > 0)]
            if self._count_controls(ids) == expected:
                return ids
        raise BaseModelError(
            f"the tokenizer turns the plain text {self._spellings[0]!r} into a control token, however it is split",
            next_step="use a base whose tokenizer keeps text and control tokens apart",
        )

    def _count_controls(self, ids: Sequence[int]) -> int:
        return sum(i in self._controls.ids for i in ids)

    def _ids(self, text: str, *, inner: bool = False) -> list[int]:
        """The tokenizer's ids of a text; an `inner` piece gets no word-start mark of its own (SentencePiece)."""
        if inner and self._tokenizer.tokenize("a")[:1] == ["▁a"]:
            head, ids = self._ids("\n"), self._ids("\n" + text)
            if ids[: len(head)] == head:
                return ids[len(head) :]
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _halved(texts: Sequence[str], spellings: Sequence[str]) -> list[str]:
    """The texts with the spellings between them, split in the middle of each spelling."""
    pieces = [texts[0]]
    for spelling, after in zip(spellings, texts[1:], strict=True):
        middle = len(spelling) // 2
        pieces[-1] += spelling[:middle]
        pieces.append(spelling[middle:] + after)
    return pieces


def _by_character(texts: Sequence[str], spellings: Sequence[str]) -> list[str]:
    """The texts with the spellings between them, each spelling split into characters."""
    pieces = [texts[0]]
    for spelling, after in zip(spellings, texts[1:], strict=True):
        pieces += [*spelling, after]
    return pieces
