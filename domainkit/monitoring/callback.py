"""LangChain's callbacks as observations: what was asked, what was answered, how long it took."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections.abc import Sequence
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompt_values import PromptValue

log = logging.getLogger("domainkit")
CONVERSATION_KEYS = ("thread_id", "conversation_id", "session_id")
"""Where the metadata of a call may name its conversation; LangGraph puts its `thread_id` there."""


class ObservingCallback(BaseCallbackHandler):
    """Observes the outermost runs that it sees: the chain that it was attached to, not the retriever or model in it.

    Attached to a model alone it sees the model's last user message, with whatever a chain put into it.
    """

    def __init__(self) -> None:
        self._runs: dict[UUID, tuple[object, float, str | None] | None] = {}
        """Runs in progress: (input, start, conversation), or None for those inside another."""
        self._runs_lock = threading.Lock()

    @abstractmethod
    def observe(
        self, question: str, answer: AIMessage, seconds: float, *, conversation: str | None = None, turn: int = 1
    ) -> None:
        """As `Observer` has it."""

    @abstractmethod
    def observe_failure(self, reason: str = "") -> None:
        """A call raised an error."""

    # ---- LangChain ---------------------------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, object],
        inputs: object,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        self._begin(inputs, run_id, parent_run_id, metadata)

    def on_chat_model_start(
        self,
        serialized: dict[str, object],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        self._begin(messages[0] if messages else [], run_id, parent_run_id, metadata)

    def on_retriever_start(
        self,
        serialized: dict[str, object],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: object,
    ) -> None:
        """A retriever answers nobody: what runs inside it is not observed."""
        with self._runs_lock:
            self._runs[run_id] = None

    def on_retriever_end(self, documents: object, *, run_id: UUID, **kwargs: object) -> None:
        self._end(run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        self._end(run_id)

    def on_chain_end(self, outputs: object, *, run_id: UUID, inputs: object = None, **kwargs: object) -> None:
        # A chain that streams begins without its input, and names it at the end.
        self._tell(run_id, outputs, inputs)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: object) -> None:
        first = response.generations[0][0] if response.generations and response.generations[0] else None
        self._tell(run_id, first.message if isinstance(first, ChatGeneration) else None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        if self._end(run_id) is not None:
            self.observe_failure(type(error).__name__)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        self.on_chain_error(error, run_id=run_id)

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _begin(self, given: object, run: UUID, parent: UUID | None, metadata: dict[str, object] | None) -> None:
        names = (str(metadata[key]) for key in CONVERSATION_KEYS if metadata and metadata.get(key))
        with self._runs_lock:
            inside = parent is not None and parent in self._runs
            self._runs[run] = None if inside else (given, time.perf_counter(), next(names, None))

    def _end(self, run: UUID) -> tuple[object, float, str | None] | None:
        with self._runs_lock:
            return self._runs.pop(run, None)

    def _tell(self, run: UUID, output: object, late: object = None) -> None:
        begun = self._end(run)
        if begun is None:
            return
        given, start, conversation = begun
        given = given if late is None else late
        asked, answer = question_of(given), answer_of(output)
        if asked is None or answer is None:
            self.observe_failure(f"no question and answer in {type(given).__name__} and {type(output).__name__}")
            return
        question, turn = asked
        self.observe(question, answer, time.perf_counter() - start, conversation=conversation, turn=turn)


def question_of(given: object) -> tuple[str, int] | None:
    """(the user's last message, which turn of its conversation it is) of a Runnable's input; None where it has none."""
    if isinstance(given, PromptValue):
        given = given.to_messages()
    if isinstance(given, str):
        return given, 1
    if isinstance(given, dict):
        for key in ("question", "input", "messages"):
            if given.get(key) is not None:
                return _after(question_of(given[key]), given.get("history"))
        return None
    if isinstance(given, BaseMessage):
        return given.text, 1
    if isinstance(given, Sequence):
        asked = [text for message in given if (text := _user_text(message)) is not None]
        return (asked[-1], len(asked)) if asked else None
    return None


def _after(asked: tuple[str, int] | None, history: object) -> tuple[str, int] | None:
    """The question as a later turn of the conversation whose earlier messages are `history`."""
    before = question_of(history) if asked is not None and isinstance(history, list | tuple) else None
    return asked if asked is None or before is None else (asked[0], asked[1] + before[1])


def _user_text(message: object) -> str | None:
    """The text of a user's message, in any of LangChain's forms; None for another's."""
    if isinstance(message, str):
        return message
    if isinstance(message, BaseMessage):
        return str(message.text) if message.type == "human" else None
    if isinstance(message, dict):
        role, content = message.get("role", message.get("type")), message.get("content")
    elif isinstance(message, tuple | list) and len(message) == 2:
        role, content = message
    else:
        return None
    return content if role in ("user", "human") and isinstance(content, str) else None


def answer_of(output: object) -> AIMessage | None:
    """The answer in a Runnable's output: a message, a text, or the last message of an agent's state."""
    if isinstance(output, AIMessage):
        return output
    if isinstance(output, str):
        return AIMessage(output)
    if isinstance(output, dict):
        for key in ("answer", "output", "result", "text"):
            if output.get(key) is not None:
                return answer_of(output[key])
        messages = output.get("messages")
        return answer_of(messages[-1]) if isinstance(messages, list) and messages else None
    return None
