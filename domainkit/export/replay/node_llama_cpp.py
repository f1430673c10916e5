"""llama.cpp through node-llama-cpp, whose npm package has it compiled: the easiest way where nothing is installed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

from domainkit.errors import MachineError
from domainkit.export.replay.engine import ExportedModel
from domainkit.export.replay.forced import Forced
from domainkit.machine import hardware
from domainkit.messages import JsonObject
from domainkit.storage import cache_dir
from domainkit.training.examples_to_ids import TokenizedExample

FOLDER_VARIABLE = "DOMAINKIT_NODE"
"""Environment variable: the folder whose node_modules has node-llama-cpp."""
VERSION = "3.21.1"
BINARIES = {
    ("Linux", "x86_64"): "linux-x64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "arm64"): "mac-arm64-metal",
    ("Darwin", "x86_64"): "mac-x64",
    ("Windows", "AMD64"): "win-x64",
    ("Windows", "ARM64"): "win-arm64",
}
"""The packages with llama.cpp compiled for the processor of each machine; those for GPUs are left out."""
LIBRARY = Path("node_modules/node-llama-cpp/dist/index.js")
SECONDS = 3600.0
"""A replay that takes longer has hung."""


class NodeLlamaCpp:
    """An Engine. Each call starts a process of its own, so that nothing of one adapter is left for the next."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / LIBRARY
        self.build = "node-llama-cpp"

    @classmethod
    def find(cls) -> NodeLlamaCpp | None:
        """Where it is installed; None where it is not."""
        folder = node_folder()
        return cls(folder) if shutil.which("node") and (folder / LIBRARY).is_file() else None

    def force(self, model: ExportedModel, rows: Sequence[TokenizedExample]) -> Forced:
        """The engine on given answers."""
        job = [{"prompt": list(row.ids[: row.start]), "answer": list(row.ids[row.start :])} for row in rows]
        longest = max(len(row.ids) for row in rows)
        found = self._run(model, {"forced": job, "contextSize": longest + 8})["forced"]
        return Forced(
            tuple(tuple(float(logprob) for logprob, _ in answer) for answer in found),
            tuple(tuple(int(token) for _, token in answer) for answer in found),
        )

    def answer(
        self, model: ExportedModel, prompts: Sequence[Sequence[int]], max_tokens: int, stops: Sequence[int]
    ) -> list[list[int]]:
        """Greedy answers."""
        longest = max(len(prompt) for prompt in prompts) + max_tokens
        job = {"prompts": [list(p) for p in prompts], "maxTokens": max_tokens, "stops": list(stops)}
        texts: list[list[int]] = self._run(model, {**job, "contextSize": longest + 8})["texts"]
        return texts

    def _run(self, model: ExportedModel, job: JsonObject) -> JsonObject:
        files_of = {"model": str(model.gguf.resolve()), "adapter": model.adapter and str(model.adapter.resolve())}
        asked = json.dumps({**files_of, **job, "threads": hardware()["cores"]})
        with as_file(files("domainkit.export.replay") / "replay.mjs") as script:
            command = ["node", str(script), str(self.library.resolve())]
            try:
                done = subprocess.run(
                    command, input=asked, capture_output=True, text=True, timeout=SECONDS, check=False
                )
            except subprocess.TimeoutExpired as e:
                raise MachineError("node-llama-cpp did not answer within an hour", where=str(model.gguf)) from e
        if done.returncode != 0 or not done.stdout.startswith("{"):
            reason = next((line for line in done.stderr.splitlines() if "rror" in line), done.stderr[-300:])
            raise MachineError(
                f"node-llama-cpp failed: {reason.strip()[:300] or 'no reason given'}",
                where=str(model.adapter or model.gguf),
                next_step="the export is written; replay it elsewhere, or --engine none",
            )
        result: JsonObject = json.loads(done.stdout)
        self.build = f"node-llama-cpp, {result['build']}"
        return result


def node_folder() -> Path:
    """The folder in which it is looked for."""
    return Path(os.environ.get(FOLDER_VARIABLE) or cache_dir() / "node")


def install_command() -> str:
    """How to get it, without the hundreds of megabytes for GPUs."""
    binary = BINARIES.get((platform.system(), platform.machine()))
    packages = f"node-llama-cpp@{VERSION}" + (f" @node-llama-cpp/{binary}@{VERSION}" if binary else "")
    return f"npm install --omit=optional --prefix {node_folder()} {packages}"
