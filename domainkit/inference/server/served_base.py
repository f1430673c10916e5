"""A base that lies on this machine, and is answered for by a server that has it too.

The base here gives tokenizer, template and identity; the server gives the answers. Before its first answer, the server
is compared with the base here (`handshake.py`): what it would read otherwise is an error, not a bad answer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from domainkit.adapters.folder import split_task
from domainkit.errors import ConfigError, MachineError, PromptTooLongError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.read_answer import words_only
from domainkit.inference.local import local_backend
from domainkit.inference.server.backend import ServerBackend
from domainkit.inference.server.handshake import Handshake, shake_hands
from domainkit.inference.server.listed import refuse_unlisted
from domainkit.messages import JsonObject, Message
from domainkit.models import DEFAULT_BASE
from domainkit.models.templates.traits import THINKING
from domainkit.models.tokenizer import template_sha256

ROOM_IN_PROMPT = ("vLLM", "SGLang")
"""Servers that refuse a prompt whose longest answer would not fit; others end such an answer early, as we do."""


class ServedBase(ServerBackend):
    """A Backend: `base` answered by the server at `url`, which loads adapters of folders here.

    `url` may end in #NAME, the base's name there. Raises, before the first answer: BaseModelError or AdapterError where
    the server reads a conversation as other tokens than the base here, or the adapter's training.
    """

    def __init__(
        self,
        base: str = DEFAULT_BASE,
        *,
        url: str,
        revision: str | None = None,
        api_key: str | None = None,
        timeout: float = 600.0,
        max_retries: int = 4,
        connections: int = 64,
    ) -> None:
        url, _, name = url.partition("#")
        super().__init__(
            name or None,
            url=url,
            api_key=api_key,
            timeout=timeout,
            max_retries=max_retries,
            connections=connections,
        )
        self.here = local_backend(base, revision=revision, quantization="none")
        """The base on this machine; its weights are not loaded."""
        self._is_found = False
        """Whether the server's list has the base's name."""
        self._met: dict[str | None, Handshake] = {}
        self._meeting = threading.Lock()

    def meet(self, adapter: str | None = None) -> Handshake:
        """The handshake for the base, or an adapter's folder; it is made once. Afterwards the server has the
        adapter."""
        if adapter is not None and split_task(adapter)[1] is not None:
            what = "is one task of an adapter that holds several, which servers do not load"
            raise RequestError(what, where=adapter, next_step="leave the server out")
        name = self._name(adapter)
        with self._meeting:
            if name not in self._met:
                self._met[name] = shake_hands(self, adapter)
            return self._met[name]

    def identity(self, adapter: str | None = None) -> JsonObject:
        """The base and adapter here by their hashes, and what the server tells of itself and its weights."""
        source = self.here.source
        facts: JsonObject = {
            "backend": "served",
            "base": source.name,
            "base_fingerprint": source.fingerprint,
            "revision": source.revision,
            "template_sha256": None if source.path.is_file() else template_sha256(source.path),
            "adapter": self._name(adapter),
        }
        told = super().identity(adapter)
        server = {name: value for name, value in told.items() if name not in ("backend", "adapter", "base")}
        if "weights_sha256" in server:  # the same weights at another address give the same answers
            del server["url"]
        return facts | {"server": {**server, "base": told["base"]}}

    def count_tokens(self, messages: Sequence[Message], *, adapter: str | None = None) -> int:
        """By the tokenizer here."""
        return self.here.count_tokens(messages, adapter=adapter)

    def token_ids(self, text: str) -> list[int]:
        """By the tokenizer here."""
        return self.here.token_ids(text)

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        self.meet(adapter)
        return super().score(messages, continuations, adapter=adapter)

    def prompt_tokens(self, request: Request) -> int:
        """Its length here, without asking. Raises PromptTooLongError where the server would not read it."""
        length, context = len(self.here.prompt_ids(request)), self.meet(request.adapter).context
        needed = length + (request.max_tokens if self.flavour().engine in ROOM_IN_PROMPT else 1)
        if context is not None and needed > context:
            raise PromptTooLongError(
                f"the prompt has {length} tokens and its answer up to {request.max_tokens}; the server reads at most "
                f"{context}",
                where=self._root,
                next_step="start it with a longer context (vLLM: --max-model-len, llama-server: -c), or use fewer "
                "passages or examples",
            )
        return length

    def _body(self, request: Request, *, stream: bool = False) -> JsonObject:
        self.prompt_tokens(request)
        return super()._body(self._as_here(request), stream=stream)

    def _as_here(self, request: Request) -> Request:
        """With the template's options that would stand in the prompt here: the server has defaults of its own."""
        template = self.here.template_of(request.adapter)
        options = {**template.options, **request.template_options, **({THINKING: False} if words_only(request) else {})}
        return replace(request, template_options=template.traits.render_options(options))

    def _model(self, adapter: str | None) -> str:
        if not self._is_found:
            self._base = self._find_base() if self._base is None else self._listed_base(self._base)
            self._is_found = True
        return super()._model(adapter)

    def _listed_base(self, name: str) -> str:
        """`name`. Raises ConfigError where the server's list does not have it."""
        names = [] if self._llama_cpp() else self._listed()  # llama-server has one base, and answers to any name
        refuse_unlisted(self._transport, name, names, self._root, f"{self._root}#NAME")
        return name

    def _find_base(self) -> str:
        """The server's name for the base: the same, the one whose root it is, else its only one."""
        lines = self._lines()
        name = self.here.source.name
        if name in lines:
            return name
        bases = [i for i, line in lines.items() if not line.get("parent") and not line.get("embeddings")]
        of_root = [i for i in bases if name in (lines[i].get("root"), Path(str(lines[i].get("root"))).name)]
        found = of_root or bases
        if not found:
            raise MachineError("the server has no model", where=self._root, next_step="look at its log")
        if len(found) > 1:
            what = f"the server has several models, and none is named {name}: {', '.join(found[:8])}"
            raise ConfigError(what, where=self._root, next_step=f"name the base: {self._root}#NAME")
        return found[0]
