"""Conversations to token ids under a chat template. Text from outside can never become a control token."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from domainkit.errors import BaseModelError, RequestError

UNKNOWN = "\U000e0fff"
"""A character outside every vocabulary that is not made of bytes."""


# ---- text that cannot turn into control tokens -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Controls:
    """The tokens that text must not be able to spell: their ids, and a pattern that finds the longest spelling first."""

    ids: frozenset[int]
    spelling: re.Pattern[str]
    size: int


_known: WeakKeyDictionary[Any, _Controls] = WeakKeyDictionary()


def _controls(tokenizer: Any) -> _Controls:
    known = _known.get(tokenizer)
    if known is None or known.size != len(tokenizer):
        added = {i: token.content for i, token in tokenizer.added_tokens_decoder.items()}
        added |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
        # Runs of spaces and single characters are ordinary text, whatever table of the tokenizer they are in.
        added = {i: text for i, text in added.items() if len(text.strip()) > 1}
        spellings = sorted(set(added.values()), key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, spellings)) if spellings else r"(?!)")
        if tokenizer.unk_token_id in tokenizer(UNKNOWN, add_special_tokens=False)["input_ids"]:
            added.pop(tokenizer.unk_token_id, None)  # what any unknown character becomes controls nothing
        known = _known[tokenizer] = _Controls(frozenset(added), pattern, len(tokenizer))
    return known


class _Guard:
    """Stands a nonce in for each control spelling found in text, and puts the spelling back, cut apart, when ids are made."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.controls = _controls(tokenizer)
        self.salt = f"n{secrets.token_hex(12)}x"
        self.spellings: list[str] = []

    def hide(self, value: Any) -> Any:
        """`value` (text, or lists and mappings of it) with nonces for spellings."""
        if isinstance(value, str):
            return self.controls.spelling.sub(self._nonce, value)
        if isinstance(value, Mapping):
            return {self.hide(k): self.hide(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.hide(v) for v in value]
        return value

    def _nonce(self, match: re.Match[str]) -> str:
        # One nonce per spelling, so that equal texts stay equal and a prompt stays a prefix.
        if match.group() not in self.spellings:
            self.spellings.append(match.group())
        return f"{self.salt}{self.spellings.index(match.group())}z"

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, which may hold nonces. Without any, exactly the tokenizer's own ids."""
        parts = re.split(f"{self.salt}([0-9]+)z", text)
        if len(parts) == 1:
            return self._ids(text)
        wanted = self._count(self._ids(" x ".join(parts[::2])))  # as if plain words stood there
        for cut in (_halves, list):
            pieces = [parts[0]]
            for number, after in zip(parts[1::2], parts[2::2], strict=True):
                first, *middle, last = cut(self.spellings[int(number)])
                if cut is _halves:
                    pieces[-1] += first
                    pieces.append(last + after)
                else:
                    pieces += [first, *middle, last, after]
            ids = [i for n, piece in enumerate(pieces) if piece for i in self._ids(piece, inner=n > 0)]
            if self._count(ids) == wanted:
                return ids
        raise BaseModelError(
            f"the tokenizer turns the plain text {self.spellings[0]!r} into a control token, however it is cut",
            next_step="use a base whose tokenizer keeps text and control tokens apart",
        )

    def _count(self, ids: Sequence[int]) -> int:
        return sum(i in self.controls.ids for i in ids)

    def _ids(self, text: str, *, inner: bool = False) -> list[int]:
        """Ids of text as the tokenizer makes them; an `inner` piece gets no word-start mark of its own (SentencePiece)."""
        if inner and self.tokenizer.tokenize("a")[:1] == ["▁a"]:
            head, ids = self._ids("\n"), self._ids("\n" + text)
            if ids[: len(head)] == head:
                return ids[len(head) :]
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def _halves(spelling: str) -> list[str]:
    middle = len(spelling) // 2
    return [spelling[:middle], spelling[middle:]]


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Ids of plain text: the tokenizer's own, except that the spelling of a control token is encoded as characters."""
    guard = _Guard(tokenizer)
    return guard.encode(guard.hide(text))


def encode_chat(
    tokenizer: Any,
    messages: Sequence[Any],
    *,
    add_generation_prompt: bool,
    tools: Sequence[dict[str, Any]] | None = None,
) -> list[int]:
    """Ids of a conversation under the tokenizer's chat template; control tokens come from the template alone.

    `messages` are dicts or have `.role` and `.content` (and maybe `.tool_calls`, `.tool_call_id`, `.name`).
    Raises RequestError with the template's own words when it refuses the messages.
    """
    guard = _Guard(tokenizer)
    return guard.encode(_apply_template(guard, messages, add_generation_prompt, tools))


def _apply_template(
    guard: _Guard, messages: Sequence[Any], add_generation_prompt: bool, tools: Sequence[dict[str, Any]] | None = None
) -> str:
    from jinja2 import TemplateError

    try:
        return guard.tokenizer.apply_chat_template(
            guard.hide([_as_dict(m) for m in messages]),
            tools=guard.hide(list(tools)) if tools else None,
            add_generation_prompt=add_generation_prompt,
            tokenize=False,
        )
    except (TemplateError, TypeError, ValueError) as e:
        roles = ", ".join(_as_dict(m)["role"] for m in messages)
        raise RequestError(
            f"the base's chat template refuses the turns ({roles}): {e}",
            next_step="use the roles and the order that this base was trained with",
        ) from e


def _as_dict(message: Any) -> dict[str, Any]:
    if isinstance(message, Mapping):
        return dict(message)
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if calls := getattr(message, "tool_calls", ()):
        fields["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls
        ]
    for name in ("tool_call_id", "name"):
        if (value := getattr(message, name, None)) is not None:
            fields[name] = value
    return fields


# ---- where an answer begins and ends -----------------------------------------------------------------------------------

_openings: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def open_answers_with(tokenizer: Any, token: int) -> None:
    """The tokenizer is an encoder-decoder's, whose decoder reads `token` before an answer."""
    _openings[tokenizer] = token


def opening_of(tokenizer: Any) -> int | None:
    """The token that an encoder-decoder's decoder reads before an answer; None where one row holds prompt and answer."""
    return _openings.get(tokenizer)


def closing_token_id(tokenizer: Any) -> int | None:
    """The control token the chat template puts after an assistant's turn; None when it puts none."""
    mark = "qzjxkv"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
    text = _apply_template(_Guard(tokenizer), turns, add_generation_prompt=False)
    after = tokenizer(text[text.rindex(mark) + len(mark) :], add_special_tokens=False)["input_ids"]
    control = _controls(tokenizer).ids
    return next((i for i in after if i in control), None)


def stop_token_ids(tokenizer: Any) -> tuple[int, ...]:
    """The tokens that end an answer: the template's closing token first, then the tokenizer's EOS."""
    found = [closing_token_id(tokenizer), tokenizer.eos_token_id]
    return tuple(dict.fromkeys(i for i in found if i is not None))
