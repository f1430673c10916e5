"""Having a server load an adapter's folder: vLLM, SGLang and domainkit at run time, llama-server only at its start."""

from __future__ import annotations

import shlex
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.errors import AdapterError, RequestError
from domainkit.export.served_forms import check_form
from domainkit.export.vllm import adapter_name
from domainkit.inference.server import sglang
from domainkit.inference.server.flavour import Flavour
from domainkit.inference.server.transport import RETRIED, FailedError, RefusedError, Transport
from domainkit.messages import JsonObject

PATH = "/v1/load_lora_adapter"
LOADED = ("already been loaded", "already loaded", "already exists")
STEPS = {
    "vLLM": "start it with --enable-lora, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment; it reads the "
    "folder from its own disk, at this path. Or serve the adapter from the start: --lora-modules {name}={folder}",
    "SGLang": "start it with --enable-lora, --max-lora-rank and --lora-target-modules all; it reads the folder from "
    "its own disk, at this path. Or serve the adapter from the start: --lora-paths {name}={folder}",
    "domainkit": "start it with --adapters {parent}, or with the adapter: domainkit serve {folder}",
}
FORMS = ("vLLM", "SGLang")
"""Servers that compute only some forms of LoRA."""


def load_adapter(transport: Transport, flavour: Flavour, folder: Path) -> str:
    """The adapter's name at the server, which has it afterwards. The request is made once: a server that fails at it
    fails again.

    Raises AdapterError with the server's reason, RequestError for a server that loads none.
    """
    if flavour.engine == "llama-server":
        what = "llama-server loads its adapters when it starts"
        raise RequestError(what, where=transport.root, next_step=llama_cpp_step(folder))
    if flavour.engine in FORMS:
        check_form(Adapter.load(folder, verify=False, need_card=False), flavour.engine)
    name = adapter_name(folder)
    body: JsonObject = {"lora_name": name, "lora_path": str(folder.resolve())}
    try:
        path = sglang.LOAD if flavour.engine == "SGLang" else PATH
        reply = transport.send("POST", path, body, retried=RETRIED - {500})
    except (RefusedError, FailedError) as e:
        if e.status == 401 or e.status in RETRIED - {500}:
            raise
        if any(words in e.reason for words in LOADED):
            return name
        raise _refused(transport, flavour, folder, name, e.reason or f"HTTP {e.status}") from e
    if reply.get("success") is False:
        raise _refused(transport, flavour, folder, name, str(reply.get("error_message")))
    return name


def llama_cpp_step(folder: Path) -> str:
    """How the adapter comes to a llama-server."""
    file = f"{folder.absolute().name}.gguf"
    export = shlex.join(["domainkit", "export", str(folder), "--to", "gguf", "--out", file])
    return f"{export}, and start llama-server with --lora {file} (several: one --lora each)"


def _refused(transport: Transport, flavour: Flavour, folder: Path, name: str, reason: str) -> AdapterError:
    places = {"name": name, "folder": folder.resolve(), "parent": folder.resolve().parent}
    step = STEPS.get(flavour.engine, "look at its documentation for loading LoRA adapters, or serve it from the start")
    what = f"the server does not load this adapter: {reason[:500]}"
    return AdapterError(what, where=f"{transport.root} ({folder})", next_step=step.format(**places))
