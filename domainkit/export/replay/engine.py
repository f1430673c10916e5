"""Engines that an export can be replayed in, and where they are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domainkit.export.replay.forced import Forced
from domainkit.training.examples_to_ids import TokenizedExample


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """The files of a model as an engine loads it."""

    gguf: Path
    adapter: Path | None = None


class Engine(Protocol):
    """Another program that runs a GGUF. Prompts are token ids, so that both sides read the same."""

    build: str
    """Its name and version, known after the first call."""

    def force(self, model: ExportedModel, rows: Sequence[TokenizedExample]) -> Forced:
        """The engine on given answers."""
        ...

    def answer(
        self, model: ExportedModel, prompts: Sequence[Sequence[int]], max_tokens: int, stops: Sequence[int]
    ) -> list[list[int]]:
        """Greedy answers as token ids, without the token that ended them."""
        ...
