"""Wire format: a Request and its answer in OpenAI's chat format, with vLLM's extensions (docs.vllm.ai, v0.12 and
later). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, FinishReason, Request, TokenLogprob
from domainkit.inference.constrained.read_answer import check_json, shown_parts, words_only
from domainkit.messages import (
    InvalidToolCall,
    JsonObject,
    Message,
    ParsedAnswer,
    SplitAnswer,
    ToolCall,
    check_call,
    openai_call,
    parse_calls,
    split_reasoning,
)

ODD_SHAPE = (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError, OverflowError)
"""What reading an answer of another form raises."""
_TAGS = re.compile(r"(?s)<(style|script)\b.*?</\1>|<[^<>]*>")
_FINISHES: dict[str, FinishReason] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


def request_body(request: Request, model: str, *, stream: bool = False) -> JsonObject:
    """The JSON body of POST /v1/chat/completions; `model` is the base's or an adapter's name at the server."""
    body: JsonObject = {
        "model": model,
        "messages": messages_body(request.messages),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.logprobs:
        body["logprobs"] = True
    if request.template_options:
        body["chat_template_kwargs"] = request.template_options
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | _tools_body(request) | _structure_body(request)


def messages_body(messages: Sequence[Message]) -> list[JsonObject]:
    """Messages in OpenAI's form."""
    return [_message_body(m) for m in messages]


@dataclass
class ServerAnswer:
    """An answer, put together from its parts, whole or streamed."""

    request: Request
    text: str = ""
    reasoning: str = ""
    """What the server has separated from the text."""
    finish: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    """id, name and arguments of the calls that the server has separated from the text, by index."""

    def add(self, payload: JsonObject) -> None:
        """Read one response object or one streamed chunk."""
        try:
            self._add(payload)
        except ODD_SHAPE as e:
            raise _odd_answer(payload) from e

    def _add(self, payload: JsonObject) -> None:
        if payload.get("error"):
            raise RequestError(
                f"the server ended the answer too early: {error_text(payload)}", next_step="call it again"
            )
        usage = payload["usage"] if isinstance(payload.get("usage"), Mapping) else {}
        counts = {name: usage.get(name) for name in ("prompt_tokens", "completion_tokens")}
        # What is no count is not believed, and no reason to lose the answer.
        self.usage |= {name: n for name, n in counts.items() if type(n) is int and n > 0}
        if "choices" not in payload and not usage:
            raise ValueError("neither choices nor usage")
        for choice in payload.get("choices") or ():
            if choice.get("index"):
                raise RequestError(
                    "the server gave several answers where one was asked for",
                    next_step="check the server's default for n, the number of answers",
                )
            part = choice.get("message") or choice.get("delta") or {}
            self.text += part.get("content") or ""
            self.reasoning += part.get("reasoning_content") or part.get("reasoning") or ""
            self.finish = choice.get("finish_reason") or self.finish
            for token in (choice.get("logprobs") or {}).get("content") or ():
                self.logprobs.append(TokenLogprob(str(token["token"]), float(token["logprob"])))
            for position, call in enumerate(part.get("tool_calls") or ()):
                self._add_call(int(call.get("index", position)), call)

    @property
    def shown(self) -> SplitAnswer:
        """What may be shown before the answer is whole."""
        parts = shown_parts(self.text, self.request)
        return parts if not self.reasoning else SplitAnswer(self.reasoning, parts.text)

    def completion(self, seconds: float) -> Completion:
        """The whole answer. Raises RequestError when the server ignored what the request demands."""
        finish = _FINISHES.get(str(self.finish or ""))
        if finish is None:
            raise RequestError(
                f"the server ended the answer with finish_reason {self.finish!r}",
                next_step="look at the server's log; call it again if it was restarting",
            )
        if self.reasoning and not self.text and not self.calls and finish == "stop":
            raise RequestError(
                f"the server gave reasoning and no answer: {self.reasoning[:80]!r}",
                next_step="if it has taken the answer for reasoning, start it without a parser (vLLM, SGLang: no "
                "--reasoning-parser; llama-server: --reasoning-format none)",
            )
        split = SplitAnswer("", self.text) if words_only(self.request) else split_reasoning(self.text)
        text, calls, invalid = self._parse_calls(split.text)
        completion = Completion(
            text=text,
            reasoning=self.reasoning or split.reasoning,
            finish_reason="tool_calls" if calls else ("stop" if finish == "tool_calls" else finish),
            prompt_tokens=self.usage.get("prompt_tokens", 0),
            completion_tokens=self.usage.get("completion_tokens", 0),
            decode_seconds=seconds,
            tool_calls=calls,
            invalid_tool_calls=invalid,
            logprobs=tuple(self.logprobs),
        )
        _check_obeyed(self.request, completion)
        return completion

    def _add_call(self, index: int, call: JsonObject) -> None:
        whole = self.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        function = call.get("function") or {}
        whole["id"] = whole["id"] or str(call.get("id") or "")
        whole["name"] += function.get("name") or ""
        arguments = function.get("arguments") or ""
        whole["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)

    def _parse_calls(self, text: str) -> ParsedAnswer:
        """The calls that stand in the text, then those that the server has separated from it."""
        if not self.request.tools:
            return ParsedAnswer(text, (), ())
        parsed = parse_calls(text, self.request.tools)
        separated = [_check_server_call(call, self.request.tools) for _, call in sorted(self.calls.items())]
        calls = tuple(c for c in separated if isinstance(c, ToolCall))
        invalid = tuple(c for c in separated if isinstance(c, InvalidToolCall))
        return ParsedAnswer(parsed.text, parsed.calls + calls, parsed.invalid + invalid)


def _odd_answer(payload: object) -> RequestError:
    try:
        shown = str(payload)[:200]
    except RecursionError:
        shown = "a deeply nested value"
    return RequestError(
        f"the server's answer is not in OpenAI's chat format: {shown}",
        next_step="check that the URL is an OpenAI-compatible server's",
    )


def error_text(payload: object) -> str:
    """The message in a server's error body, in any of the usual forms."""
    if isinstance(payload, Mapping):
        for key in ("error", "detail", "message"):
            if payload.get(key):
                return error_text(payload[key])
    if isinstance(payload, list) and payload:
        return "; ".join(error_text(p.get("msg", p) if isinstance(p, Mapping) else p) for p in payload)
    return str(payload)[:500]


def page_text(page: str) -> str:
    """A page for people, such as a gateway's, as one line without its tags."""
    return " ".join(_TAGS.sub(" ", page).split())[:300]


def _message_body(message: Message) -> JsonObject:
    body: JsonObject = {"role": message.role, "content": message.content}
    if message.reasoning:
        body["reasoning_content"] = message.reasoning
    if message.tool_calls:
        body["tool_calls"] = [_call_body(c) for c in message.tool_calls]
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        body["name"] = message.name
    return body


def _call_body(call: ToolCall) -> JsonObject:
    """As `openai_call`, with the arguments as JSON text: the API's form, where templates take an object."""
    body = openai_call(call)
    body["function"]["arguments"] = json.dumps(call.arguments, ensure_ascii=False)
    return body


def _tools_body(request: Request) -> JsonObject:
    if not request.tools:
        return {}
    tools = [t if "function" in t else {"type": "function", "function": t} for t in request.tools]
    choices: JsonObject = {"auto": "auto", "any": "required"}
    named = {"type": "function", "function": {"name": request.tool_choice}}
    one = {} if request.parallel_tool_calls else {"parallel_tool_calls": False}
    return {"tools": tools, "tool_choice": choices.get(request.tool_choice, named), **one}


def _structure_body(request: Request) -> JsonObject:
    if request.choices:
        return {"structured_outputs": {"choice": list(request.choices)}}
    if request.regex is not None:
        return {"structured_outputs": {"regex": request.regex}}
    # A forced call has a grammar of its own, and vLLM takes only one grammar.
    if request.json_schema is not None and not (request.tools and request.tool_choice != "auto"):
        # OpenAI's own field, which vLLM, SGLang and llama.cpp all take.
        schema = {"name": "answer", "schema": request.json_schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {}


def _check_server_call(call: Mapping[str, str], tools: Sequence[JsonObject]) -> ToolCall | InvalidToolCall:
    text = json.dumps(call, ensure_ascii=False)
    try:
        arguments = json.loads(call["arguments"] or "{}")
    except (ValueError, RecursionError) as e:
        return InvalidToolCall(f"not JSON ({e})", text)
    return check_call({"name": call["name"], "arguments": arguments}, tools, text=text, call_id=call["id"] or None)


def _fits_regex(request: Request, completion: Completion) -> bool:
    """False only for a text that has ended by itself, and Python's `re` reads the expression otherwise."""
    if request.regex is None or request.stop or completion.tool_calls or completion.finish_reason != "stop":
        return True
    try:
        return re.fullmatch(request.regex, completion.text) is not None
    except re.error:  # Rust's own syntax
        return True


def _check_obeyed(request: Request, completion: Completion) -> None:
    """A server without vLLM's extensions ignores them silently. Its answer must not count as a constrained one."""
    ignored = None
    if request.choices and completion.text not in request.choices and completion.finish_reason != "length":
        ignored = f"the choices: it answered {completion.text[:80]!r}"
    elif not _fits_regex(request, completion):
        ignored = f"the regular expression: it answered {completion.text[:80]!r}"
    elif request.tools and request.tool_choice != "auto" and not completion.tool_calls:
        ignored = None if completion.finish_reason == "length" else f"tool_choice '{request.tool_choice}'"
    elif len(completion.tool_calls) > 1 and not request.parallel_tool_calls:
        ignored = f"parallel_tool_calls=False: it made {len(completion.tool_calls)} calls"
    elif request.logprobs and not completion.logprobs and completion.completion_tokens:
        ignored = "logprobs"
    elif request.json_schema is not None and not completion.tool_calls and completion.finish_reason == "stop":
        try:
            json.loads(completion.text)
        except (ValueError, RecursionError):
            ignored = f"the JSON schema: it answered {completion.text[:80]!r}"
        else:
            if request.check_schema:
                check_json(completion.text, request)
    if ignored:
        raise RequestError(
            f"the server ignored {ignored}",
            next_step="use a server that enforces it: vLLM 0.12 or later, started as serve_command() prints",
        )
