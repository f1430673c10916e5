"""Server backend: answers from an OpenAI-compatible server, vLLM above all, or llama.cpp's.

An adapter is the server's `model=` name (vLLM's convention). The chat template and the tokenizer are the server's own:
so a text that spells a control token is encoded as the server decides. Scoring is an extension of vLLM.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import cast

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS
from domainkit.errors import DomainkitError, MachineError, RequestError
from domainkit.export.vllm import adapter_name
from domainkit.inference.backend import Completion, Piece, Request
from domainkit.inference.server import sglang
from domainkit.inference.server.flavour import NEUTRAL, WITH_NEUTRAL, Flavour, about_model, find_flavour
from domainkit.inference.server.llama_cpp import LlamaCpp
from domainkit.inference.server.loading import load_adapter
from domainkit.inference.server.shared_time import SharedTime
from domainkit.inference.server.transport import KEY_VARIABLE, RETRIED, URL_VARIABLE, FailedError, Transport
from domainkit.inference.server.wire import ODD_SHAPE, ServerAnswer, messages_body, request_body
from domainkit.messages import JsonObject, Message, SplitAnswer
from domainkit.registry import suggestion

log = logging.getLogger("domainkit")

INTERNAL_ERROR = 500
"""`transformers serve` answers so to a request for its list on a machine without a hub's cache, and answers chats."""


class ServerBackend:
    """A Backend over HTTP. One instance pools its connections and may be used from many threads."""

    def __init__(
        self,
        base: str | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = 600.0,
        max_retries: int = 4,
        connections: int = 64,
    ) -> None:
        """No request is sent yet.

        `base` is the base's name at the server (default: its first model), `url` ends before /v1 or with it (default:
        $DOMAINKIT_SERVER_URL, else http://127.0.0.1:8000), `api_key` defaults to $DOMAINKIT_SERVER_KEY. `timeout` is in
        seconds for an answer; a refused or overloaded attempt is repeated `max_retries` times. `connections` bounds
        what is asked at once: the server batches it.
        """
        self._transport = Transport(
            url or os.environ.get(URL_VARIABLE) or "http://127.0.0.1:8000",
            api_key or os.environ.get(KEY_VARIABLE) or None,
            timeout=timeout,
            max_retries=max_retries,
            connections=connections,
        )
        self._root = self._transport.root
        self._base = base
        self._connections = connections
        self._models: dict[str, JsonObject] | None = None
        """The lines of /v1/models by id, as they were last read."""
        self._flavour: Flavour | None = None
        """None until the server was asked."""
        self._time = SharedTime()
        self._told_no_budget = False
        self._names: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ServerBackend({self._base!r}, url={self._root!r})"

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    # --- answers --------------------------------------------------------------

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        """All answers in order, asked at once; `choice_probabilities` stay empty (use `score`)."""
        if not requests:
            return []
        with suppress(DomainkitError):  # once, before all ask for it; where it fails, each request says so
            self.flavour(min((r.timeout for r in requests if r.timeout), default=None))
        with ThreadPoolExecutor(min(len(requests), self._connections), "domainkit-server") as pool:
            answers = list(pool.map(self._complete_one, requests))
        failed = next((a for a in answers if isinstance(a, Exception)), None)
        if failed is not None and not return_errors:
            raise failed
        return cast(list[Completion], answers)  # with return_errors, exceptions are among them

    def stream(self, request: Request) -> Iterator[Piece]:
        """The answer as it grows; closing the iterator ends the generation at the server."""
        begin = time.monotonic()
        answer, sent = ServerAnswer(request), SplitAnswer("", "")
        body = self._body(request, stream=True)
        with self._time.part() as seconds:
            for payload in self._transport.events(body, begin, request.timeout):
                answer.add(payload)
                shown = answer.shown
                if shown != sent:
                    yield Piece(shown.text[len(sent.text) :], reasoning=shown.reasoning[len(sent.reasoning) :])
                    sent = shown
            completion = answer.completion(seconds())
        yield Piece(completion.text[len(sent.text) :], completion, completion.reasoning[len(sent.reasoning) :])

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        """Natural-log likelihood of each continuation after `messages` (vLLM: /tokenize and prompt_logprobs)."""
        if self._llama_cpp():
            raise self._missing_extension("prompt_logprobs", "score continuations")
        model = self._model(adapter)
        prompt = self._tokens({"model": model, "messages": messages_body(messages), "add_generation_prompt": True})
        scores = []
        for text in continuations:
            ids = self._tokens({"model": model, "prompt": text, "add_special_tokens": False})
            body = {"model": model, "prompt": prompt + ids, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
            reply = self._transport.send("POST", "/v1/completions", body)
            steps = (reply.get("choices") or [{}])[0].get("prompt_logprobs")
            if not isinstance(steps, list) or len(steps) != len(prompt) + len(ids):
                raise self._missing_extension("prompt_logprobs", "score continuations")
            pairs = zip(steps[len(prompt) :], ids, strict=True)
            try:
                scores.append(sum((float(step[str(token)]["logprob"]) for step, token in pairs), 0.0))
            except ODD_SHAPE as e:
                raise self._missing_extension("prompt_logprobs in vLLM's form", "score continuations") from e
        return scores

    def count_tokens(self, messages: Sequence[Message], *, adapter: str | None = None) -> int:
        """Prompt length in tokens, template included (vLLM, llama.cpp: /tokenize)."""
        if llama_cpp := self._llama_cpp():
            return llama_cpp.count_tokens(messages_body(messages))
        body = {"model": self._model(None), "messages": messages_body(messages), "add_generation_prompt": True}
        return len(self._tokens(body))

    def token_ids(self, text: str) -> list[int]:
        """The ids of `text` by the server's tokenizer (vLLM, llama.cpp: /tokenize)."""
        if llama_cpp := self._llama_cpp():
            return llama_cpp.token_ids(text)
        return self._tokens({"model": self._model(None), "prompt": text, "add_special_tokens": False})

    def identity(self, adapter: str | None = None) -> JsonObject:
        """The server's address, what it tells of itself and its base, and the adapter's name there: for a folder that
        name holds its weights' hash."""
        facts: JsonObject = {"backend": "server", "url": self._root, "engine": self.flavour().title}
        facts |= {"base": self._model(None), "adapter": self._name(adapter)}
        return facts | self.own_facts(adapter)

    def flavour(self, timeout: float | None = None) -> Flavour:
        """Which server this is. It is asked once."""
        if self._flavour is None:
            self._flavour = find_flavour(self._transport, timeout)
        return self._flavour

    def own_facts(self, adapter: str | None = None) -> JsonObject:
        """What the server tells of the weights that answer, read anew."""
        if llama_cpp := self._llama_cpp():
            return llama_cpp.facts()
        try:
            listed = self._lines(fresh=True)
        except FailedError as e:
            if e.status != INTERNAL_ERROR or adapter is not None:
                raise
            log.warning(
                "%s cannot list its models (HTTP %d): its weights are known by their name alone", self._root, e.status
            )
            listed = {}
        facts = about_model(listed.get(self._model(None), {})) | self.flavour().facts
        served = listed.get(self._name(adapter) or "")
        return facts | ({"served_adapter": about_model(served)} if served else {})

    # --- adapters -------------------------------------------------------------

    def models(self, *, fresh: bool = False) -> list[str]:
        """The names of the server's models: its base and its adapters."""
        if llama_cpp := self._llama_cpp():
            return [self._model(None), *llama_cpp.adapters()]
        return self._listed(fresh=fresh)

    def _listed(self, *, fresh: bool = False) -> list[str]:
        return list(self._lines(fresh=fresh))

    def _lines(self, *, fresh: bool = False) -> dict[str, JsonObject]:
        """The lines of /v1/models by id."""
        with self._lock:
            if self._models is None or fresh:
                reply = self._transport.send("GET", "/v1/models", retried=RETRIED - {INTERNAL_ERROR})
                try:
                    self._models = {str(m["id"]): dict(m) for m in reply.get("data") or []}
                except ODD_SHAPE as e:
                    raise MachineError(
                        f"the server's list of models is not in OpenAI's format: {str(reply)[:200]}",
                        where=self._root,
                        next_step="check that the URL is an OpenAI-compatible server's",
                    ) from e
            return dict(self._models)

    def load_adapter(self, folder: str | Path) -> str:
        """Have the server load an adapter folder, by the same path on its machine. Returns the adapter's name there.

        Raises AdapterError with the server's reason, or for a form of LoRA that the server does not compute.
        """
        name = load_adapter(self._transport, self.flavour(), Path(folder))
        self.models(fresh=True)
        return name

    def _name(self, adapter: str | None) -> str | None:
        """A folder's name at the server, or the name as given."""
        if adapter is None or not _is_folder(adapter):
            return adapter
        key = (adapter, (Path(adapter) / WEIGHTS).stat().st_mtime_ns)
        if key not in self._names:
            self._names[key] = adapter_name(adapter)
        return self._names[key]

    def _llama_cpp(self, timeout: float | None = None) -> LlamaCpp | None:
        """llama-server's dialect, if this is one. It must be known before anything is asked of it: to a request that
        names no scales it applies all its adapters."""
        return LlamaCpp(self._transport, timeout) if self.flavour(timeout).engine == "llama-server" else None

    def _body(self, request: Request, *, stream: bool = False) -> JsonObject:
        llama_cpp, adapter = self._llama_cpp(request.timeout), request.adapter
        if llama_cpp is None:
            return self._plain_body(request, stream=stream)
        folder = Path(adapter) if adapter is not None and _is_folder(adapter) else None
        if request.thinking_budget is not None:
            self._tell_no_budget(request.thinking_budget)
        body = request_body(request, self._model(None), stream=stream)
        return llama_cpp.body(request, body, llama_cpp.fields(self._name(adapter), folder))

    def _plain_body(self, request: Request, *, stream: bool) -> JsonObject:
        engine, model = self.flavour().engine, self._model(request.adapter)
        if engine == "SGLang" and request.adapter is not None:
            model = sglang.adapter_model(self._model(None), model)
        body = request_body(request, model, stream=stream)
        if engine in WITH_NEUTRAL:
            body |= NEUTRAL
        if request.thinking_budget is not None and engine == "domainkit":
            body["thinking_budget"] = request.thinking_budget
        elif request.thinking_budget is not None:
            self._tell_no_budget(request.thinking_budget)
        return sglang.own_body(body) if engine == "SGLang" else body

    def _tell_no_budget(self, budget: int) -> None:
        """Once: the server thinks as long as it likes."""
        if not self._told_no_budget:
            self._told_no_budget = True
            why = f"{self.flavour().title} takes no budget of reasoning in a request, so only max_tokens ends it"
            log.warning("%s: thinking=%d is not used: %s", self._root, budget, why)

    def _model(self, adapter: str | None) -> str:
        """The `model=` for a request. An adapter folder that the server does not have yet is loaded."""
        name = self._name(adapter)
        if name is None:
            if self._base is None:
                self._base = next(iter(self._listed()), None)
            if self._base is None:
                raise MachineError("the server has no model", where=self._root, next_step="look at its log")
            return self._base
        if name in self.models() or name in self.models(fresh=True):
            return name
        if adapter is not None and _is_folder(adapter):
            return self.load_adapter(adapter)
        raise RequestError(
            f"the server has no adapter '{name}'", where=self._root, next_step=suggestion(name, self.models())
        )

    def _complete_one(self, request: Request) -> Completion | Exception:
        answer = ServerAnswer(request)
        try:
            body = self._body(request)
            with self._time.part() as seconds:
                answer.add(self._transport.send("POST", "/v1/chat/completions", body, timeout=request.timeout))
                return answer.completion(seconds())
        except DomainkitError as e:
            return e
        except ODD_SHAPE as e:  # one odd answer must not end the others
            return RequestError(f"the server's answer cannot be read: {e}", where=self._root, next_step="call it again")

    def _tokens(self, body: JsonObject) -> list[int]:
        try:
            return list(self._transport.send("POST", "/tokenize", body)["tokens"])
        except (RequestError, *ODD_SHAPE) as e:
            raise self._missing_extension("/tokenize", "count or score tokens") from e

    def _missing_extension(self, what: str, purpose: str) -> RequestError:
        return RequestError(
            f"this server does not offer {what}, which is needed to {purpose}",
            where=self._root,
            next_step="use vLLM, or backend='local' for this step",
        )


def _is_folder(adapter: str) -> bool:
    return (Path(adapter) / PEFT_CONFIG).is_file() and (Path(adapter) / WEIGHTS).is_file()
