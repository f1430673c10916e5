"""A measured variant as a served model: a question goes through the very chain that the comparison measured.

What the chain was not measured with is refused: another temperature, tools unless its answers are calls, and earlier
turns unless it was asked with some.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from langchain_core.messages import AIMessage
from langchain_core.messages.tool import InvalidToolCall as LangChainInvalidCall

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, FinishReason, Piece
from domainkit.messages import (
    CALL_OPEN,
    InvalidToolCall,
    JsonObject,
    Message,
    ToolCall,
    new_call_id,
    openai_message,
)
from domainkit.serving.models import model_facts
from domainkit.serving.wire.answers import Answer, Part
from domainkit.serving.wire.bodies import ChatBody
from domainkit.serving.wire.errors import ApiError
from domainkit.serving.wire.messages import read_messages
from domainkit.winner.loaded_variant import LoadedVariant

T = TypeVar("T")
HONOURED = frozenset({"model", "messages", "stream", "stream_options"})
"""Fields that leave the answer as it was measured."""
_FINISHES: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


@dataclass(frozen=True)
class WinnerModel:
    """A variant of a run or pack."""

    id: str
    variant: LoadedVariant
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def fingerprint(self) -> str:
        """The start of the key under which its answers are on disk: it covers all that they depend on."""
        return f"fp_{self.variant.record.variants[self.variant.variant.name].key[:12]}"

    def facts(self) -> JsonObject:
        record, name = self.variant.record, self.variant.variant.name
        measured = {"variant": name, "task": record.task, "created": record.created}
        return {**model_facts(self.id, self.created), "root": self.id, "measured": measured}

    def start(self) -> None:
        """Load everything that a question needs, by asking one."""
        with suppress(RequestError):  # an oracle knows the questions of its comparison only
            self.variant.invoke("?")

    async def understand(self, body: ChatBody) -> WinnerCall:
        self._check_fields(body)
        question = self._question(read_messages(body.messages))
        return WinnerCall(self.variant, {**question, "tools": body.tools} if body.tools else question)

    def _check_fields(self, body: ChatBody) -> None:
        limits = (None, self.variant.record.limit_of(self.variant.variant.model))
        calls = self.variant.record.kind == "calls"
        for name in sorted(body.model_fields_set - HONOURED):
            value = getattr(body, name)
            neutral: tuple[object, ...] = (type(body).model_fields[name].default,)
            if name in ("max_tokens", "max_completion_tokens"):
                neutral = limits
            elif name == "tools" and calls:
                continue
            elif name == "tool_choice" and calls:
                neutral = (None, "auto")
            elif name == "tool_choice" and not body.tools:
                neutral = (None, "auto", "none")
            if value not in neutral and value != []:
                what = f"'{self.id}' answers as it was measured, and takes no {name}; leave it out, or ask the base"
                raise ApiError(400, what, param=name)

    def _question(self, messages: tuple[Message, ...]) -> JsonObject:
        systems = [m.content for m in messages if m.role == "system"]
        other = next((i for i, m in enumerate(messages[:-1]) if m.role != "system"), None)
        if other is not None and not self.variant.record.dialogues:
            what = f"'{self.id}' was measured on single questions, and cannot carry earlier turns; send the last alone"
            raise ApiError(400, what, param=f"messages[{other}]")
        if messages[-1].role != "user" or not messages[-1].content.strip():
            raise ApiError(400, "the last message is not a user's question", param=f"messages[{len(messages) - 1}]")
        if systems and not self.variant.variant.uses_llm:
            raise ApiError(400, f"'{self.id}' reads the question alone, without a system turn", param="messages[0]")
        history = [openai_message(m) for m in messages[:-1] if m.role != "system"]
        more: JsonObject = {"history": history} if history else {}
        return {"question": messages[-1].content, "system": "\n\n".join(systems) or None, **more}


@dataclass(frozen=True, slots=True)
class WinnerCall:
    """One question to a chain."""

    variant: LoadedVariant
    question: JsonObject

    async def answers(self) -> list[Answer]:
        message = await beside(self.variant.ainvoke(self.question))
        found = _Message()
        found.add(message)
        return [Answer(found.completion(), found.passages)]

    async def parts(self) -> AsyncGenerator[Part]:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Part | BaseException | None]()

        async def read() -> None:
            try:
                async with aclosing(self._read()) as parts:
                    async for part in parts:
                        loop.call_soon_threadsafe(queue.put_nowait, part)
            except Exception as e:
                loop.call_soon_threadsafe(queue.put_nowait, e)

        reading = asyncio.ensure_future(beside(read()))
        try:
            while True:
                part = await queue.get()
                if isinstance(part, BaseException):
                    raise part
                if part is None:
                    return
                yield part
                if part.piece.completion is not None:
                    return
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> AsyncGenerator[Part]:
        found = _Message()
        async with aclosing(self.variant.astream(self.question)) as messages:
            async for message in messages:
                passages = found.passages
                text, reasoning = found.add(message)
                new = found.passages if not passages else ()
                if text or reasoning or new:
                    yield Part(0, Piece(text, reasoning=reasoning), new)
        yield Part(0, Piece("", found.completion()))


@dataclass
class _Message:
    """An AIMessage, or the chunks of one, as they come."""

    text: str = ""
    reasoning: str = ""
    metadata: JsonObject = field(default_factory=dict)
    calls: list[ToolCall] = field(default_factory=list)
    invalid: list[InvalidToolCall] = field(default_factory=list)
    tokens: tuple[int, int] = (0, 0)
    """Of the prompt and of the answer; a model without tokens has none."""

    def add(self, message: AIMessage) -> tuple[str, str]:
        """What is new: (text, reasoning)."""
        text = str(message.text)
        reasoning = str(message.additional_kwargs.get("reasoning_content") or "")
        self.text, self.reasoning = self.text + text, self.reasoning + reasoning
        self.calls += [ToolCall(c["name"], c["args"], c["id"] or new_call_id()) for c in message.tool_calls]
        self.invalid += [_invalid(c) for c in message.invalid_tool_calls]
        self.metadata |= message.response_metadata
        if message.usage_metadata is not None:
            self.tokens = (message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"])
        return text, reasoning

    @property
    def passages(self) -> tuple[JsonObject, ...]:
        return tuple(self.metadata.get("passages") or ())

    def completion(self) -> Completion:
        return Completion(
            text=self.text,
            reasoning=self.reasoning,
            finish_reason=_FINISHES.get(
                str(self.metadata.get("finish_reason")), "tool_calls" if self.calls else "stop"
            ),
            tool_calls=tuple(self.calls),
            invalid_tool_calls=tuple(self.invalid),
            prompt_tokens=self.tokens[0],
            completion_tokens=self.tokens[1],
            choice_probabilities=self.metadata.get("choice_probabilities") or {},
        )


def _invalid(call: LangChainInvalidCall) -> InvalidToolCall:
    text = str(call.get("args") or "").removeprefix(CALL_OPEN).strip()
    return InvalidToolCall(str(call.get("error") or ""), text)


# ---- the chains' own loop --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _chains_loop() -> asyncio.AbstractEventLoop:
    """A loop in a thread of its own: a chain may compute where it should wait, and must not hold up the server."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="domainkit-chains", daemon=True).start()
    return loop


async def beside(work: Coroutine[object, object, T]) -> T:
    """What `work` gives, run in the chains' loop. Cancelling cancels it there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _chains_loop()))
