"""sweep(): every setting of a grid, trained on as many tokens and scored on a development part; the best one named."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError

from domainkit.adapters.folder import WEIGHTS
from domainkit.adapters.methods import parse_method
from domainkit.adapters.tuned_model import load_adapted, release
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import read_documents
from domainkit.corpus.split import split
from domainkit.errors import ConfigError, DomainkitError
from domainkit.messages import JsonObject
from domainkit.models.language_model import rope_boundary
from domainkit.models.load import LoadedBase, load_base
from domainkit.storage import locked_folder, sha256_json, sha256_lines, write_text
from domainkit.training.config import TrainConfig
from domainkit.training.distributed import world_size
from domainkit.training.examples_to_ids import TokenizedExample, Turns, rows_of_examples, with_thinking
from domainkit.training.heldout import bits_per_byte, measure_held_out
from domainkit.training.optimization.progress import Progress
from domainkit.training.sweep.grid import Grid, cells
from domainkit.training.sweep.result import Row, SweepResult, choose, short_value, write_result
from domainkit.training.train import train

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel

ROW = "row.json"
GENERAL_BLOCK = 512
"""Tokens of general text predicted in one row."""


Scorer = Callable[[Path, Sequence[Example], Sequence[Example]], tuple[float, str]]
"""(adapter folder, training part, development part) to (score, metric's name); higher is better."""


def sweep(
    examples: Sequence[Example],
    grid: Grid,
    settings: JsonObject,
    out: str | Path,
    *,
    score: Scorer | None = None,
    on_row: Callable[[Row], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> SweepResult:
    """Train every cell of the grid into `out`, one base in memory for all, and choose the best on the development part.

    Interrupted and run again, finished runs are read and the one that was under way continues. A run that fails is a
    row that says why. `settings` are what all runs share. Raises ConfigError for a grid that cannot work.
    """
    with locked_folder(Path(out)):
        return _sweep(examples, grid, settings, Path(out), score, on_row, on_progress)


def _sweep(
    examples: Sequence[Example],
    grid: Grid,
    settings: JsonObject,
    out: Path,
    score: Scorer | None,
    on_row: Callable[[Row], None] | None,
    on_progress: Callable[[Progress], None] | None,
) -> SweepResult:
    # 1. What is to be run, and the two parts of the examples.
    if world_size() > 1:
        raise ConfigError("a sweep runs in one process", where="accelerate launch", next_step="run it without")
    planned = cells(grid, settings)
    fit, dev = split(examples, grid.dev_share, grid.seed)
    shared = _SharedBase(planned[0][1], list(read_documents(grid.general_text)) if grid.general_text else [])
    # 2. Each run: the same tokens, then its figures.
    rows = []
    for options, config in planned:
        run = _Run(options, config, fit, dev, out)
        row = run.read()
        if row is None or row.general_text != shared.general_hash or (score and row.scored_by != grid.scored_by):
            row = _train(run, shared, grid, score, on_progress, row)
        rows.append(row)
        if on_row:
            on_row(row)
    # 3. The best.
    winner, by = choose(rows, grid.choose_by)
    result = SweepResult(rows, winner, by, dev)
    write_result(out, grid.model_dump(), settings, result)
    return result


# ---- one run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """One cell of the grid and where it is kept: the folder's name holds a hash of all that decides the result."""

    chosen: JsonObject
    config: TrainConfig
    fit: list[Example]
    dev: list[Example]
    out: Path

    @property
    def name(self) -> str:
        rest = [f"{k.removeprefix('method.')}={short_value(v)}" for k, v in self.chosen.items() if k != "method"]
        return " ".join([self.config.method, *rest])

    def folder(self, epochs: float) -> Path:
        data = sha256_lines(e.training_content for e in [*self.fit, *self.dev])
        key = sha256_json([self.config.model_dump(exclude={"report_to"}), data, epochs])[:8]
        return self.out / f"{re.sub(r'[^A-Za-z0-9.=_-]+', '-', self.name)[:80]}-{key}"

    def read(self) -> Row | None:
        """The row of an earlier run of the sweep."""
        for file in self.out.glob(f"*/{ROW}"):
            try:
                row = Row.model_validate_json(file.read_bytes())
            except (OSError, ValidationError):
                continue
            if row.error is None and file.parent == self.folder(row.epochs):
                return row
        return None


def _train(
    run: _Run,
    shared: _SharedBase,
    grid: Grid,
    score: Scorer | None,
    on_progress: Callable[[Progress], None] | None,
    before: Row | None,
) -> Row:
    """The run's row. A finished run that was measured on other text (`before`) is measured again, not trained again."""
    base = shared.take()
    tokens = sum(len(r.ids) for r in shared.tokenize(run.fit, run.config))
    epochs = round(grid.tokens / max(1, tokens), 4)
    folder = run.folder(epochs)
    config = run.config.model_copy(update={"epochs": epochs})
    peak = _Peak(on_progress)
    try:
        began = time.perf_counter()
        adapter = train(run.fit, config, folder / "adapter", resume=True, on_progress=peak, loaded=base)
        seconds = time.perf_counter() - began
        loss, forgetting = shared.measure(adapter.folder, run.dev)
        same = before is not None and before.score is not None and before.scored_by == grid.scored_by
        scored = (before.score, before.metric) if before and same else (None, None)
        if score and scored[0] is None:
            scored = score(adapter.folder, run.fit, run.dev)
    except DomainkitError as e:
        shared.drop()
        figures: JsonObject = {"error": str(e).splitlines()[0]}
    else:
        card = adapter.card
        figures = {
            "dev_loss": round(loss, 5),
            "score": scored[0],
            "metric": scored[1],
            "scored_by": grid.scored_by if score else "",
            "forgetting": None if forgetting is None else round(forgetting, 5),
            "general_text": shared.general_hash,
            "parameters": card.trainable_parameters if card else None,
            "file_bytes": (adapter.folder / WEIGHTS).stat().st_size,
            "peak_bytes": peak.bytes or (before.peak_bytes if before else None),
            "seconds": round(card.seconds if card else seconds, 2),
            "tokens": card.tokens if card else None,
        }
    row = Row(name=run.name, settings=run.chosen, folder=folder.name, epochs=epochs, **figures)
    write_text(folder / ROW, row.model_dump_json(indent=1) + "\n")
    return row


class _Peak:
    """Most memory in use after any step: the GPU's, or this process's."""

    def __init__(self, on_progress: Callable[[Progress], None] | None) -> None:
        self.on_progress, self.bytes = on_progress, 0
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def __call__(self, progress: Progress) -> None:
        if torch.cuda.is_available():
            now = torch.cuda.max_memory_allocated()
        else:
            import psutil

            now = psutil.Process().memory_info().rss
        self.bytes = max(self.bytes, now)
        if self.on_progress:
            self.on_progress(progress)


class _SharedBase:
    """The sweep's one base. It is read again only when a run has changed it."""

    def __init__(self, config: TrainConfig, general: Sequence[Document]) -> None:
        self._config = config
        self._general = general
        self._general_bits: float | None = None
        self.general_hash = sha256_lines(d.text for d in general) if general else None
        self._base: LoadedBase | None = None
        self._sums: list[tuple[str, float]] = []

    def take(self) -> LoadedBase:
        if self._base is not None and _sums(self._base.model) != self._sums:
            self._base = None
        if self._base is None:
            c = self._config
            self._base = load_base(
                c.base,
                revision=c.revision,
                quantization=c.quantization,
                tokens_per_pass=c.max_tokens_per_pass,
                checkpointing=c.gradient_checkpointing,
            )
            self._sums = _sums(self._base.model)
        return self._base

    def drop(self) -> None:
        self._base = None

    def tokenize(self, examples: Sequence[Example], config: TrainConfig | None = None) -> list[TokenizedExample]:
        """The rows that a run of this configuration trains on; without one, the examples' last turns."""
        base = self.take()
        turns: Turns = config.turns if config else "last"
        template = with_thinking(base.chat_template, self._config.switched_options, examples, turns)
        length = self._config.max_length or base.context_length
        packs = config is None or parse_method(config.method, config.method_options).packs
        rows = rows_of_examples(examples, template, length, turns, packs, rope_boundary(base.model.config))
        return [row for of_one in rows for row in of_one]

    def measure(self, adapter: Path, dev: Sequence[Example]) -> tuple[float, float | None]:
        """(nats per target token of the adapter on `dev`, bits per byte of general text that it adds to the base's).

        The targets are the rows' last turns, whatever turns were learnt: so runs with both can be compared.
        """
        base, tokenized = self.take(), self.tokenize(dev)
        if self._general and self._general_bits is None:
            self._general_bits = self._bits(base.model)
        model = load_adapted(base.model, adapter)
        try:
            added = None if self._general_bits is None else self._bits(model) - self._general_bits
            return measure_held_out(model, tokenized, base.tokenizer.pad_token_id).nll, added
        finally:
            release(model)
            base.model.requires_grad_(False)

    def _bits(self, model: PreTrainedModel | AdaptedModel) -> float:
        """Bits per byte of the general text."""
        base = self.take()
        return bits_per_byte(model, self._general, base.chat_template, min(GENERAL_BLOCK, base.context_length))


@torch.no_grad()
def _sums(model: PreTrainedModel) -> list[tuple[str, float]]:
    """Names and sums of the weights: what a run could leave changed."""
    return [(name, float(p.double().sum())) for name, p in model.named_parameters()]
