"""Replaying what an export target wrote: the engine at hand, the record on disk, the lines for the terminal."""

from __future__ import annotations

import re
from pathlib import Path

from domainkit.errors import ConfigError
from domainkit.export.replay.engine import Engine, ExportedModel
from domainkit.export.replay.llama_server import LlamaServer
from domainkit.export.replay.node_llama_cpp import NodeLlamaCpp, install_command
from domainkit.export.replay.replay import Trained, replay
from domainkit.export.target import ExportJob
from domainkit.models.source import BaseSource
from domainkit.registry import suggestion
from domainkit.storage import write_text

ENGINES = ("node-llama-cpp", "none")


def replay_lines(
    job: ExportJob,
    trained: Trained,
    source: BaseSource,
    exported: ExportedModel | None,
    notes: tuple[str, ...],
    record: Path,
) -> list[str]:
    """Replay the export where that can be done, and write `record`; else why not, and how."""
    if job.engine == "none":
        return ["Not replayed: --engine none."]
    if exported is None:
        return ["Not replayed: the base is not at hand as a GGUF."]
    if not job.held_out:
        return ["Not replayed: give examples that the adapter was not trained on: --data held_out.jsonl"]
    engine = find_engine(job.engine)
    if isinstance(engine, LlamaServer) and exported.adapter is None:
        raise ConfigError(
            "a server holds one model, and the replay needs the base beside the merged one",
            where="--engine",
            next_step=f"replay it with node-llama-cpp: {install_command()}",
        )
    if engine is None:
        return [f"Not replayed: no llama.cpp was found. Install it, and export again: {install_command()}"]
    found = replay(engine, trained, source.path, exported, job.held_out, task=job.task, notes=notes)
    write_text(record, found.model_dump_json(indent=1) + "\n")
    return [*found.lines(), f"  {record}"]


def find_engine(name: str | None) -> Engine | None:
    """The engine of that name, or at that URL; without a name, one that is installed. Raises ConfigError for one that
    is not there."""
    if name is not None and re.match(r"https?://", name):
        return LlamaServer(name)
    if name not in (None, *ENGINES):
        raise ConfigError(f"unknown engine '{name}'", where="--engine", next_step=suggestion(str(name), ENGINES))
    engine = None if name == "none" else NodeLlamaCpp.find()
    if name == "node-llama-cpp" and engine is None:
        raise ConfigError("is not installed", where="--engine node-llama-cpp", next_step=install_command())
    return engine
