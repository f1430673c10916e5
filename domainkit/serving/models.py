"""The served models by name: the base, its adapters, winners, and the embedding model."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from domainkit.adapters.folder import split_task
from domainkit.errors import AdapterError, ConfigError, DomainkitError
from domainkit.export.vllm import adapter_name
from domainkit.inference.adapters.pool import read_adapter
from domainkit.inference.backend import Request
from domainkit.inference.local import LocalBackend
from domainkit.messages import JsonObject, Message
from domainkit.registry import suggestion
from domainkit.serving.engine import in_thread, merged, pieces, whole_answers
from domainkit.serving.wire.answers import Answer, Part
from domainkit.serving.wire.bodies import ChatBody
from domainkit.serving.wire.errors import ApiError, about, as_api_error
from domainkit.serving.wire.requests import chat_request, seeds
from domainkit.storage import sha256_json

_HASH = re.compile(r"-[0-9a-f]{8}(?=#|\Z)")
"""What `adapter_name` puts at the end of a folder's name."""


class Call(Protocol):
    """A chat request that one model has understood, and not yet answered."""

    async def answers(self) -> list[Answer]:
        """All `n` answers. Cancelling ends the work."""
        ...

    def parts(self) -> AsyncGenerator[Part]:
        """The same as they grow. Closing ends the work."""
        ...


class ServedModel(Protocol):
    """A line of /v1/models that answers chats."""

    @property
    def id(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """Changes with what determines the answers."""
        ...

    def facts(self) -> JsonObject:
        """Its line in /v1/models."""
        ...

    def start(self) -> None:
        """Load what it needs. Raises a DomainkitError where it cannot be served."""
        ...

    async def understand(self, body: ChatBody) -> Call:
        """Raises ApiError 400 for a body that this model cannot answer as it is meant."""
        ...


@dataclass(frozen=True)
class EngineModel:
    """The base, or one of its adapters, in this process's engine."""

    id: str
    backend: LocalBackend
    adapter: str | None = None
    """Its folder, or folder#task."""
    parent: str | None = None
    """The base's id, of an adapter."""
    prompt_limit: int | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    @cached_property
    def fingerprint(self) -> str:
        return f"fp_{sha256_json(self.backend.identity(self.adapter))[:12]}"

    @property
    def most_prompt_tokens(self) -> int:
        """Longest prompt: one position is left for the answer."""
        context = self.backend.engine().context - 1
        return context if self.prompt_limit is None else min(context, self.prompt_limit)

    def facts(self) -> JsonObject:
        identity = self.backend.identity(self.adapter)
        weights = identity["base_fingerprint"] if self.adapter is None else identity["adapter_sha256"]
        return {
            **model_facts(self.id, self.created),
            "parent": self.parent,
            "root": self.id,
            "max_model_len": self.backend.engine().context,
            "weights_sha256": weights,
            "quantization": identity["quantization"],
        }

    def start(self) -> None:
        """Load the base; try an adapter with one token."""
        if self.adapter is None:
            self.backend.engine()
            return
        adapter, _ = read_adapter(self.adapter)
        adapter.check_base(self.backend.source.fingerprint, self.id)
        try:
            self.backend.complete([Request((Message("user", "?"),), adapter=self.adapter, max_tokens=1)])
        except AdapterError:
            raise
        except DomainkitError as e:
            raise AdapterError(e.what, where=self.adapter, next_step=e.next_step) from e

    async def understand(self, body: ChatBody) -> EngineCall:
        request = chat_request(body, self.adapter)
        options_from = "chat_template_kwargs" if body.reasoning_effort is None else "reasoning_effort"
        await in_thread(partial(self._check, request, options_from))
        return EngineCall(self.backend, tuple(replace(request, seed=seed) for seed in seeds(body)))

    def _check(self, request: Request, options_from: str) -> None:
        """Raise what is wrong with the prompt before anything is computed."""
        if request.template_options:
            with about(options_from):
                self.backend.template_of(self.adapter).traits.render_options(request.template_options)
        with about("messages"):
            prompt = self.backend.prompt_ids(request)
        self.check_length(len(prompt), "messages")

    def check_length(self, tokens: int, param: str) -> None:
        if tokens > self.most_prompt_tokens:
            what = f"the prompt has {tokens} tokens; {self.id} reads at most {self.most_prompt_tokens} here"
            raise ApiError(400, what, param=param, code="context_length_exceeded")


@dataclass(frozen=True, slots=True)
class EngineCall:
    """Requests that differ in their seeds only."""

    backend: LocalBackend
    requests: tuple[Request, ...]

    async def answers(self) -> list[Answer]:
        return [Answer(c) for c in await whole_answers(self.backend, self.requests)]

    def parts(self) -> AsyncGenerator[Part]:
        return merged([pieces(self.backend, r) for r in self.requests])


class Models:
    """All of them, in the order of /v1/models. Adapters may come and go; running answers keep theirs."""

    def __init__(
        self,
        engine: EngineModel | None,
        adapters: Mapping[str, str] | None = None,
        winners: Sequence[ServedModel] = (),
        *,
        loadable: Path | None = None,
    ) -> None:
        """`engine` is the base alone, `adapters` are folders by name; from `loadable`, a folder, more can be loaded."""
        self.base = engine
        self.loadable = None if loadable is None else loadable.resolve()
        self._served: dict[str, ServedModel] = {}
        if engine is not None:
            self._served[engine.id] = engine
        for winner in winners:
            self._add(winner)
        for name, folder in (adapters or {}).items():
            self._add(self._adapter(name, folder))

    def all(self) -> list[ServedModel]:
        return list(self._served.values())

    def find(self, name: str) -> ServedModel:
        """The model of that name; an adapter's also without the hash at its end. Raises ApiError 404."""
        found = self._served.get(name) or self._short(name)
        if found is None:
            step = suggestion(name, self._served)
            raise ApiError(404, f"no model is named '{name}' here; {step}", param="model", code="model_not_found")
        return found

    def find_engine(self, name: str | None) -> EngineModel:
        """The base or an adapter of that name; None is the base. Raises ApiError 400 for a winner."""
        model = self.base if name is None else self.find(name)
        if not isinstance(model, EngineModel):
            what = "this model takes questions only: POST /v1/chat/completions" if name else "no base is served here"
            raise ApiError(400, what, param="model")
        return model

    def start(self) -> None:
        """Load the base, and try each adapter once: what cannot be served is an error now."""
        for model in self._served.values():
            model.start()

    # ---- adapters at run time ----------------------------------------------------------------------------------------

    async def load(self, name: str, path: str) -> EngineModel:
        """Serve an adapter's folder below `loadable`. Raises ApiError."""
        self._check_free(name)
        model = self._adapter(name, str(self._below_loadable(path)))
        try:
            await in_thread(model.start)
        except DomainkitError as e:
            reply = as_api_error(e)
            raise ApiError(400, f"the adapter cannot be served: {reply.message}", param="lora_path") from e
        self._check_free(name)  # another client may have been faster
        self._served[name] = model
        return model

    def _check_free(self, name: str) -> None:
        if name in self._served:
            what = f"the model '{name}' has already been loaded; unload it first"
            raise ApiError(400, what, param="lora_name", code="already_loaded")

    def unload(self, name: str) -> None:
        """Serve it no more. Raises ApiError 404 for an unknown name."""
        model = self.find(name)
        if not isinstance(model, EngineModel) or model.adapter is None:
            raise ApiError(400, f"'{model.id}' is not an adapter", param="lora_name")
        del self._served[model.id]

    def _below_loadable(self, path: str) -> Path:
        if self.loadable is None:
            what = "adapters can be loaded where the server was started with --adapters FOLDER"
            raise ApiError(403, what, param="lora_path", code="not_loadable")
        folder = (self.loadable / split_task(path)[0]).resolve()
        if not folder.is_relative_to(self.loadable) or not folder.is_dir():
            what = "no such folder below the one that the server was started with (--adapters)"
            raise ApiError(403, what, param="lora_path", code="not_loadable")
        return folder

    def _adapter(self, name: str, folder: str) -> EngineModel:
        if self.base is None:
            raise ApiError(400, "no base is served here, so no adapter can be", param="lora_name")
        return replace(self.base, id=name, adapter=folder, parent=self.base.id, created=int(time.time()))

    def _add(self, model: ServedModel) -> None:
        if model.id in self._served:
            raise ConfigError(f"two models are named '{model.id}'", next_step="rename one of the folders")
        self._served[model.id] = model

    def _short(self, name: str) -> ServedModel | None:
        """An adapter by its folder's name, where only one has it."""
        found = [
            m
            for m in self._served.values()
            if isinstance(m, EngineModel) and m.adapter is not None and _HASH.sub("", m.id) == name
        ]
        return found[0] if len(found) == 1 else None


def model_facts(name: str, created: int) -> JsonObject:
    """What every line of /v1/models has."""
    return {"id": name, "object": "model", "created": created, "owned_by": "domainkit"}


def names_of(adapters: list[Path]) -> dict[str, str]:
    """Adapter folders by their names at a server."""
    names: dict[str, str] = {}
    for adapter in adapters:
        folder, task = split_task(str(adapter))
        name = adapter_name(folder) + (f"#{task}" if task else "")
        if name in names:
            raise ConfigError(f"the adapter '{name}' is given twice", next_step="give each adapter once")
        names[name] = str(adapter)
    return names
