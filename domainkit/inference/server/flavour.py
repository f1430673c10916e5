"""Which server answers at an address, and what it tells of itself.

Each server has a path that the others do not know: /lora-adapters is llama-server's, /version is vLLM's and ours,
/server_info is SGLang's, /api/version is Ollama's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from domainkit.inference.server.llama_cpp import ADAPTERS
from domainkit.inference.server.transport import FailedError, RefusedError, Transport
from domainkit.messages import JsonObject

Engine = Literal["vLLM", "domainkit", "SGLang", "llama-server", "Ollama", "unknown"]
NEUTRAL: JsonObject = {"repetition_penalty": 1, "top_k": -1, "min_p": 0}
"""What vLLM and SGLang else take from the model's generation_config.json, at temperature 0 too."""
WITH_NEUTRAL: frozenset[Engine] = frozenset({"vLLM", "domainkit", "SGLang"})
"""Engines that know these fields. Others refuse a field that they do not know, or have other names for it."""
PATIENCE = 30.0
"""Seconds for each of these questions, which no server computes at."""
ABOUT_WEIGHTS = ("root", "parent", "max_model_len", "weights_sha256", "quantization")
"""What a line of /v1/models may say of a model."""
SGLANG_FACTS = ("model_path", "revision", "quantization", "dtype", "kv_cache_dtype", "context_length", "chat_template")
"""What SGLang's /server_info says that changes an answer; the rest are its ports, paths and keys."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """The engine behind an address."""

    engine: Engine
    version: str = ""
    facts: JsonObject = field(default_factory=dict)
    """What its own path says of the model."""

    @property
    def title(self) -> str:
        """The engine with its version, for people and keys."""
        name = "a server of unknown make" if self.engine == "unknown" else self.engine
        return f"{name} {self.version}".strip()


def find_flavour(transport: Transport, timeout: float | None = None) -> Flavour:
    """Ask the server's own paths, one after the other. Raises MachineError where no server answers."""
    if isinstance(_asked(transport, ADAPTERS, timeout), list):
        return Flavour("llama-server")  # it says more in /props, which its dialect reads
    version = _field(_asked(transport, "/version", timeout), "version")
    if version.startswith("domainkit"):
        return Flavour("domainkit", version.removeprefix("domainkit").strip())
    if version:
        return Flavour("vLLM", version)
    told = _asked(transport, "/server_info", timeout)
    if isinstance(told, dict) and "model_path" in told:
        return Flavour("SGLang", str(told.get("version", "")), {k: told[k] for k in SGLANG_FACTS if k in told})
    if version := _field(_asked(transport, "/api/version", timeout), "version"):
        return Flavour("Ollama", version)
    return Flavour("unknown")


def about_model(listed: JsonObject) -> JsonObject:
    """What a line of /v1/models says of the model's weights."""
    return {name: listed[name] for name in ABOUT_WEIGHTS if listed.get(name) is not None}


def _asked(transport: Transport, path: str, timeout: float | None) -> object:
    """The answer at `path`; None where the server does not know it."""
    try:
        return transport.read("GET", path, timeout=PATIENCE if timeout is None else min(timeout, PATIENCE))
    except RefusedError:
        return None
    except FailedError as e:
        if e.status in (401, 403, 404, 501):  # a gateway may guard, or not have, what it does not know
            return None
        raise


def _field(answer: object, name: str) -> str:
    found = answer.get(name) if isinstance(answer, dict) else None
    return found if isinstance(found, str) else ""
