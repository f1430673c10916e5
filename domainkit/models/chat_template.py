"""Conversations to token ids under a base's chat template. Text from outside never becomes a control token."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from domainkit.errors import BaseModelError, RequestError
from domainkit.messages import JsonObject, Message, chosen_tools, openai_call
from domainkit.models.encoder_decoder import Architecture, DecoderOnly
from domainkit.models.tool_template import TemplateTurn, knows_tools, native_turns, text_turns

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNKNOWN = "\U000e0fff"
"""A character outside every vocabulary that is not made of bytes."""


class ChatTemplate:
    """A base's tokenizer with its chat template. Make one for each loaded base: it keeps what it computes.

    The tokenizer's template and vocabulary must not change afterwards.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, architecture: Architecture | None = None) -> None:
        self.tokenizer = tokenizer
        self.architecture = architecture or DecoderOnly()

    # ---- text and conversations to ids ----

    def encode_text(self, text: str) -> list[int]:
        """Ids of plain text: the tokenizer's own, except that the spelling of a control token is encoded as
        characters."""
        guard = _ControlGuard(self.tokenizer, self._controls)
        return guard.encode(guard.hide(text))

    def encode_chat(
        self,
        turns: Sequence[Message | TemplateTurn],
        *,
        add_generation_prompt: bool,
        tools: Sequence[JsonObject] | None = None,
    ) -> list[int]:
        """Ids of a conversation; control tokens come from the template alone.

        Raises RequestError with the template's own words when it refuses the turns.
        """
        guard = _ControlGuard(self.tokenizer, self._controls)
        return guard.encode(self._render(guard, turns, add_generation_prompt, tools))

    def encode_prompt(
        self, messages: Sequence[Message], tools: Sequence[JsonObject] = (), tool_choice: str = "auto"
    ) -> list[int]:
        """Ids of a conversation that the assistant answers next, its tools included."""
        turns, native_tools = self.with_tools(messages, tools, tool_choice)
        return self.encode_chat(turns, add_generation_prompt=True, tools=native_tools)

    def encode_prompt_and_answer(
        self, messages: Sequence[Message], tools: Sequence[JsonObject] = ()
    ) -> tuple[list[int], list[int]]:
        """(ids of the prompt, ids of the answer); the answer is the last of `messages`, and its ids are as generated.

        Raises RequestError when the template refuses the turns, or writes the prompt differently before an answer.
        """
        guard = _ControlGuard(self.tokenizer, self._controls)
        turns, _ = self.with_tools(messages, tools)
        prompt, native_tools = self.with_tools(messages[:-1], tools)
        whole_text = self._render(guard, turns, add_generation_prompt=False, tools=native_tools)
        prompt_text = self._render(guard, prompt, add_generation_prompt=True, tools=native_tools)
        if not whole_text.startswith(prompt_text):
            raise RequestError(
                "the chat template renders the prompt differently once the answer follows, "
                "so the answer cannot be separated from it",
                next_step="use a base whose template keeps earlier turns as they are",
            )
        return guard.encode(prompt_text), guard.encode(whole_text[len(prompt_text) :])

    def _render(
        self,
        guard: _ControlGuard,
        turns: Sequence[Message | TemplateTurn],
        add_generation_prompt: bool,
        tools: Sequence[JsonObject] | None = None,
    ) -> str:
        """The text of a conversation, with nonces in place of control spellings."""
        from jinja2 import TemplateError

        as_dicts = [_as_dict(t) for t in turns]
        try:
            text = self.tokenizer.apply_chat_template(
                guard.hide(as_dicts),
                tools=guard.hide(list(tools)) if tools else None,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
            )
        except (TemplateError, TypeError, ValueError) as e:
            roles = ", ".join(t["role"] for t in as_dicts)
            raise RequestError(
                f"the base's chat template refuses the turns ({roles}): {e}",
                next_step="use the roles and the order that this base was trained with",
            ) from e
        return str(text)

    # ---- tools ----

    @cached_property
    def knows_tools(self) -> bool:
        """Whether the template shows tools and results, and writes calls in the form that `parse_calls` reads."""
        return knows_tools(self.tokenizer)

    def with_tools(
        self, messages: Sequence[Message], tools: Sequence[JsonObject], tool_choice: str = "auto"
    ) -> tuple[list[TemplateTurn], list[JsonObject] | None]:
        """(turns, tools) to render. Tools are None where the template does not know them: then they are text in the
        turns.

        The system turn's own text comes first, or the template's default text where there is no system turn.
        """
        offered = list(chosen_tools(tools, tool_choice)) if tools else []
        if not offered and not any(m.role == "tool" or m.tool_calls for m in messages):
            return [{"role": m.role, "content": m.content} for m in messages], None
        if self.knows_tools:
            return native_turns(messages), offered or None
        return text_turns(messages, offered, self.tokenizer), None

    # ---- what ends an answer ----

    @cached_property
    def closing_token_id(self) -> int | None:
        """The control token that the template puts after an assistant's turn, if there is one."""
        mark = "qzjxkv"
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
        text = self._render(_ControlGuard(self.tokenizer, self._controls), turns, add_generation_prompt=False)
        after = self.tokenizer(text[text.rindex(mark) + len(mark) :], add_special_tokens=False)["input_ids"]
        return next((i for i in after if i in self._controls.ids), None)

    @cached_property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer: the template's closing token first, then the tokenizer's EOS."""
        ends = [self.closing_token_id, self.tokenizer.eos_token_id]
        return tuple(dict.fromkeys(i for i in ends if i is not None))

    @cached_property
    def _controls(self) -> _Controls:
        return _read_controls(self.tokenizer)


def _as_dict(turn: Message | TemplateTurn) -> TemplateTurn:
    if not isinstance(turn, Message):
        return turn
    fields: TemplateTurn = {"role": turn.role, "content": turn.content}
    if turn.tool_calls:
        fields["tool_calls"] = [openai_call(c) for c in turn.tool_calls]
    return fields | {k: v for k in ("tool_call_id", "name") if (v := getattr(turn, k)) is not None}


# ---- text that cannot turn into control tokens -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Controls:
    """The tokens that text must not be able to spell."""

    ids: frozenset[int]
    spelling: re.Pattern[str]
    """Finds the longest spelling first."""


def _read_controls(tokenizer: PreTrainedTokenizerBase) -> _Controls:
    controls = {i: token.content for i, token in tokenizer.added_tokens_decoder.items()}
    controls |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    # Runs of spaces and single characters are ordinary text, in whichever table of the tokenizer they are.
    controls = {i: text for i, text in controls.items() if len(text.strip()) > 1}
    spellings = sorted(set(controls.values()), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, spellings)) if spellings else r"(?!)")
    if tokenizer.unk_token_id in tokenizer(UNKNOWN, add_special_tokens=False)["input_ids"]:
        controls.pop(tokenizer.unk_token_id, None)  # any unknown character becomes this token, so it controls nothing
    return _Controls(frozenset(controls), pattern)


class _ControlGuard:
    """Puts a nonce in place of each control spelling in a text. `encode` puts the spelling back, split so that it is
    text.

    The template then writes its own control tokens around nonces, and only those are tokenized as control tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, controls: _Controls) -> None:
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
