"""Conversations to token ids under a base's chat template. Text from outside never becomes a control token.

A prompt ends where the answer's words begin. Whatever the template writes before them (an empty block of reasoning, a
channel's name) is prompt, for training and for serving alike; only with the option `enable_thinking` does the answer
begin with reasoning of the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from domainkit.errors import BaseModelError, RequestError
from domainkit.messages import (
    CHANNEL,
    CHANNEL_MARKS,
    REASONING_MARKS,
    JsonObject,
    Message,
    Thinking,
    chosen_tools,
    openai_call,
    split_reasoning,
)
from domainkit.models.encoder_decoder import Architecture, DecoderOnly
from domainkit.models.templates.control_guard import ControlGuard, Controls, read_controls
from domainkit.models.templates.tools import TemplateTurn, fold_system, native_turns, text_turns
from domainkit.models.templates.traits import ANSWER, MARK, THINKING, THOUGHT, TemplateTraits, open_marks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class ReasoningPrompt(NamedTuple):
    """Token ids of a prompt that opens the reasoning, and what closes it."""

    ids: tuple[int, ...]
    closing: tuple[int, ...]
    """From the token that closes the reasoning to the answer's words."""
    line_end: tuple[int, ...]
    """What stands before that token where the reasoning did not end its line."""


class ChatTemplate:
    """A base's tokenizer with its chat template. Make one for each loaded base: it keeps what it computes.

    `options` are the template's own (enable_thinking, reasoning_effort, …); a call may override them. The tokenizer's
    template and vocabulary must not change afterwards.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        architecture: Architecture | None = None,
        options: Mapping[str, object] | None = None,
        traits: TemplateTraits | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.architecture = architecture or DecoderOnly()
        self.options = dict(options or {})
        self.traits = traits or TemplateTraits(tokenizer)
        if options:
            self.traits.render_options(self.options)  # refuse unknown ones now

    def with_options(self, options: Mapping[str, object]) -> ChatTemplate:
        """The same template with other options. Raises RequestError for one that the template does not have."""
        return ChatTemplate(self.tokenizer, self.architecture, {**self.options, **options}, self.traits)

    # ---- text and conversations to ids ----

    def encode_text(self, text: str) -> list[int]:
        """Ids of plain text: the tokenizer's own, except that the spelling of a control token is encoded as
        characters."""
        guard = ControlGuard(self.tokenizer, self._controls)
        return guard.encode(guard.hide(text))

    def encode_chat(
        self,
        turns: Sequence[Message | TemplateTurn],
        *,
        add_generation_prompt: bool,
        tools: Sequence[JsonObject] | None = None,
    ) -> list[int]:
        """Ids of a conversation as the template writes it; control tokens come from the template alone.

        Raises RequestError with the template's own words when it refuses the turns.
        """
        guard = ControlGuard(self.tokenizer, self._controls)
        return guard.encode(self._render(guard, turns, add_generation_prompt, tools))

    def encode_prompt(
        self,
        messages: Sequence[Message],
        tools: Sequence[JsonObject] = (),
        tool_choice: str = "auto",
        options: Mapping[str, object] | None = None,
        *,
        words_only: bool = False,
    ) -> list[int]:
        """Ids of a conversation that the assistant answers next, its tools included; with `words_only`, without
        thinking first."""
        guard = ControlGuard(self.tokenizer, self._controls)
        options = {**self.options, **(options or {}), **({THINKING: False} if words_only else {})}
        return guard.encode(self._prompt_text(guard, messages, tools, tool_choice, options))

    def encode_reasoning_prompt(
        self,
        messages: Sequence[Message],
        tools: Sequence[JsonObject] = (),
        tool_choice: str = "auto",
        options: Mapping[str, object] | None = None,
    ) -> ReasoningPrompt | None:
        """The prompt of a model that thinks first and whose words come after; None where it does not think with these
        options, or no single token closes its reasoning."""
        template = self.with_options(options or {})
        if not self.traits.wants_thinking(template.options) or self.architecture.has_encoder:
            return None
        guard = ControlGuard(self.tokenizer, self._controls)
        prompt = template._prompt_text(guard, messages, tools, tool_choice, template.options)
        answer = [*messages, Message("assistant", ANSWER, reasoning=THOUGHT)]
        head, _, rest = template._answer_text(guard, answer, tools, prompt).partition(THOUGHT)
        tail = rest.partition(ANSWER)[0]
        closing = guard.encode(tail.lstrip("\n"))
        token = self.tokenizer.added_tokens_decoder.get(closing[0]) if closing else None
        if token is None or not tail.lstrip("\n").startswith(token.content):
            return None
        line_end = guard.encode("\n") if tail.startswith("\n") else []
        return ReasoningPrompt(tuple(guard.encode(prompt + head)), tuple(closing), tuple(line_end))

    def encode_prompt_and_answer(
        self, messages: Sequence[Message], tools: Sequence[JsonObject] = ()
    ) -> tuple[list[int], list[int]]:
        """(ids of the prompt, ids of the answer); the answer is the last of `messages`, and its ids are as generated.

        Raises RequestError when the template refuses the turns, or does not write the answer.
        """
        guard = ControlGuard(self.tokenizer, self._controls)
        prompt = self._prompt_text(guard, messages[:-1], tools, "auto", self.options)
        answer = guard.encode(self._answer_text(guard, messages, tools, prompt))
        closing = self.closing_token_id
        if closing is not None and not set(answer) & set(self.stop_token_ids):
            answer.append(closing)  # some templates end a turn only by starting the next
        return guard.encode(prompt), answer

    def _prompt_text(
        self,
        guard: ControlGuard,
        messages: Sequence[Message],
        tools: Sequence[JsonObject],
        tool_choice: str,
        options: Mapping[str, object],
    ) -> str:
        turns, native_tools = self.with_tools(messages, tools, tool_choice)
        text = self._render(guard, turns, True, native_tools, options)
        return text if self.traits.wants_thinking(options) else text + self.traits.opening

    def _answer_text(
        self, guard: ControlGuard, messages: Sequence[Message], tools: Sequence[JsonObject], prompt: str
    ) -> str:
        """What follows `prompt` when the model answers with the last of `messages`."""
        thinking, last = self.traits.wants_thinking(self.options), messages[-1]
        reasoning, words = (last.reasoning, last.content) if last.reasoning else split_reasoning(last.content)
        if reasoning and not thinking and (self.traits.thinks or last.reasoning):
            raise RequestError(
                "the answer has reasoning, but the template's thinking is off"
                if self.traits.thinks
                else "the answer has reasoning, which this base's chat template does not write",
                next_step=f"set template_options.{THINKING}=true, or take the reasoning out of the answer",
            )
        whole = self._conversation(guard, messages, tools)
        rest = whole[len(prompt) :] if whole.startswith(prompt) else ""
        hidden = str(guard.hide(reasoning.strip())) if thinking else ""
        opened = open_marks(prompt) is not None
        if rest and (not hidden or split_reasoning(rest, opened=opened).reasoning == hidden):
            return rest
        # The template writes the turns before an answer differently once it follows, or drops its reasoning.
        plain = Message(last.role, words if self.traits.thinks else last.content, last.tool_calls, name=last.name)
        whole = self._conversation(guard, [*messages[:-1], plain], tools)
        other = self._conversation(guard, [*messages[:-1], Message(last.role, MARK)], tools)
        if whole == other:
            raise RequestError(
                "the chat template does not write the assistant's words",
                next_step="use a base whose chat template keeps the assistant's turns",
            )
        lead = self._reasoning_block(hidden, prompt) if thinking else ""
        start = next((i for i, (a, b) in enumerate(zip(whole, other, strict=False)) if a != b), len(whole))
        return lead + whole[start:]

    def _conversation(self, guard: ControlGuard, messages: Sequence[Message], tools: Sequence[JsonObject]) -> str:
        turns, native_tools = self.with_tools(messages, tools)
        return self._render(guard, turns, False, native_tools, self.options)

    def _render(
        self,
        guard: ControlGuard,
        turns: Sequence[Message | TemplateTurn],
        add_generation_prompt: bool,
        tools: Sequence[JsonObject] | None = None,
        options: Mapping[str, object] | None = None,
    ) -> str:
        """The text of a conversation, with nonces in place of control spellings."""
        as_dicts = [_as_dict(t) for t in turns]
        given = self.traits.render_options(self.options if options is None else options)
        try:
            return self.traits.apply(
                guard.hide(as_dicts), guard.hide(list(tools)) if tools else None, add_generation_prompt, given
            )
        except BaseModelError:
            raise
        except Exception as e:  # a template refuses by raising, and Jinja puts no limit on the types
            roles = ", ".join(t["role"] for t in as_dicts)
            raise RequestError(
                f"the base's chat template refuses the turns ({roles}): {e}",
                next_step="use the roles and the order that this base was trained with",
            ) from e

    # ---- options and thinking ----

    def thinking(self, options: Mapping[str, object]) -> Thinking:
        """How an answer to a prompt with these options begins."""
        options = {**self.options, **options}
        if not self.traits.wants_thinking(options):
            return "off"
        asked = self.traits.apply([{"role": "user", "content": "?"}], None, True, self.traits.render_options(options))
        return "on" if open_marks(asked) is None else "opened"

    def _reasoning_block(self, reasoning: str, prompt: str) -> str:
        """Reasoning as the model would write it after `prompt`, up to the words of its answer."""
        traits = self.traits
        if CHANNEL in traits.opening:
            channel, text, start, end = CHANNEL_MARKS
            return f"{channel}analysis{text}{reasoning}{end}{start}assistant{traits.opening}"
        opened = open_marks(prompt)
        marks = opened or next((m for m in REASONING_MARKS if m[1] in traits.source), REASONING_MARKS[0])
        # Between the last mark and the words stands what the template puts there itself.
        without = (traits.probe([{"role": "user", "content": "?"}]) or "") + traits.opening
        gap = without.rpartition(marks[1])[2] if marks[1] in without else "\n\n"
        head = "" if opened else f"{marks[0]}\n"
        return f"{head}{reasoning}\n{marks[1]}{gap}" if reasoning else f"{head}{marks[1]}{gap}"

    # ---- tools and system turns ----

    def with_tools(
        self, messages: Sequence[Message], tools: Sequence[JsonObject], tool_choice: str = "auto"
    ) -> tuple[list[TemplateTurn], list[JsonObject] | None]:
        """(turns, tools) to render. Tools are None where the template does not know them: then they are text in the
        turns.

        The system turn's own text comes first, or the template's default text where there is no system turn. Where the
        template takes no system turn, its text stands at the head of the first user turn.
        """
        offered = list(chosen_tools(tools, tool_choice)) if tools else []
        native = None
        if not offered and not any(m.role == "tool" or m.tool_calls for m in messages):
            turns = [_plain(m) for m in messages]
        elif self.traits.knows_tools:
            turns, native = native_turns(messages), offered or None
        else:
            turns = text_turns(messages, offered, self.traits.default_system)
        has_system = bool(turns) and turns[0]["role"] == "system"
        return (fold_system(turns) if has_system and self.traits.default_system is None else turns), native

    # ---- what ends an answer ----

    @cached_property
    def closing_token_id(self) -> int | None:
        """The control token that the template puts after an assistant's turn; where it puts none there, the one that
        starts the next turn."""
        turns: list[TemplateTurn] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": MARK}]
        text = self._render(ControlGuard(self.tokenizer, self._controls), turns, False)
        if MARK not in text:
            raise BaseModelError(
                "the chat template does not write the assistant's words",
                next_step="use a base whose chat template keeps the assistant's turns",
            )
        longer = self.traits.probe([*turns, turns[0]], None, False) or ""
        for whole in (text, longer):
            after = self.tokenizer(whole[whole.rfind(MARK) + len(MARK) :], add_special_tokens=False)["input_ids"]
            found = next((i for i in after if i in self._controls.ids), None)
            if MARK in whole and found is not None:
                return int(found)
        return None

    @cached_property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer: the template's closing token first, then the tokenizer's EOS."""
        ends = [self.closing_token_id, self.tokenizer.eos_token_id]
        return tuple(dict.fromkeys(i for i in ends if i is not None))

    @property
    def control_ids(self) -> frozenset[int]:
        """Tokens that no text can spell."""
        return self._controls.ids

    @cached_property
    def _controls(self) -> Controls:
        return read_controls(self.tokenizer)


def _plain(message: Message) -> TemplateTurn:
    turn: TemplateTurn = {"role": message.role, "content": message.content}
    return turn if not message.reasoning else {**turn, "reasoning_content": message.reasoning}


def _as_dict(turn: Message | TemplateTurn) -> TemplateTurn:
    if not isinstance(turn, Message):
        return turn
    fields = _plain(turn)
    if turn.tool_calls:
        fields["tool_calls"] = [openai_call(c) for c in turn.tool_calls]
    return fields | {k: v for k in ("tool_call_id", "name") if (v := getattr(turn, k)) is not None}
