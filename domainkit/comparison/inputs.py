"""Stage 1 of a comparison: everything is read, and what does not fit together is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domainkit.comparison.config import CompareConfig
from domainkit.comparison.plan import Material
from domainkit.corpus.chunk import chunk
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.corpus.examples import refuse_tools
from domainkit.corpus.read import read_documents, read_examples
from domainkit.errors import DataError, Problem
from domainkit.evaluation.task import Task, read_task


def parse_options(options: dict[str, Any]) -> CompareConfig:
    """CompareConfig from plain values; every wrong option in one ConfigError."""
    from pydantic import ValidationError

    from domainkit.errors import ConfigError, describe

    try:
        return CompareConfig(**options)
    except ValidationError as e:
        clauses = "; ".join(describe(error, CompareConfig) for error in e.errors())
        raise ConfigError(clauses, next_step="domainkit compare --help lists every option") from e


def gather_material(
    task: Task | Path | str,
    train: Path | str | Sequence[Example] | None,
    corpus: Path | str | Sequence[Document] | None,
    adapter: Path | str | None,
    config: CompareConfig,
    dev: Path | str | Sequence[Example] | None = None,
    context_adapter: Path | str | None = None,
) -> Material:
    """Stage 1: read everything, and refuse what does not fit together."""
    train_path, examples = None, []
    if isinstance(train, str | Path):
        train_path = Path(train)
        examples = read_examples(train_path)
    elif train is not None:
        examples = list(train)
    if isinstance(task, str | Path):
        task = read_task(Path(task), train=train_path, kind=config.kind)
    if not task.samples:
        raise DataError([Problem(task.source or task.name, None, "has no questions", "give at least one row")])
    documents = list(read_documents(Path(corpus))) if isinstance(corpus, str | Path) else list(corpus or ())
    adapters = [Path(folder) if folder else None for folder in (adapter, context_adapter)]
    chosen_on = read_examples(Path(dev)) if isinstance(dev, str | Path) else list(dev or ())
    refuse_tools([*examples, *chosen_on], "a comparison")
    return Material(
        task,
        tuple(examples),
        tuple(chunk(documents, config.passage_words)),
        adapters[0],
        config,
        tuple(chosen_on),
        adapters[1],
    )


__all__ = ["gather_material", "parse_options"]
