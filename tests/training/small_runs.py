"""Short training runs on the tiny base, for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domainkit.adapters.folder import Adapter
from domainkit.corpus.example import Example, Turn
from domainkit.training.config import TrainConfig
from domainkit.training.optimization.progress import Progress
from domainkit.training.train import train

WORDS = ("red", "blue", "green", "black", "white", "pink")


def row(question: str, answer: str, line: int = 1) -> Example:
    turns = (Turn(role="user", content=question), Turn(role="assistant", content=answer))
    return Example(turns=turns, source=f"rows.jsonl:{line}")


ROWS = [row(f"q{i}", word, i) for i, word in enumerate(WORDS, 1)]


def config(base: str, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "base": base,
        "quantization": "nf4",
        "epochs": 6,
        "batch_size": 3,
        "learning_rate": 2e-2,
        "warmup_ratio": 0.1,
        "method_options": {"rank": 4},
        "save_every": 4,
    }
    return TrainConfig(**{**values, **changes})


def quiet(_: Progress) -> None:
    pass


def run(base: str, out: Path, rows: Any = ROWS, **options: Any) -> Adapter:
    resume, documents = options.pop("resume", False), options.pop("documents", None)
    on_progress = options.pop("on_progress", quiet)
    return train(rows, config(base, **options), out, resume=resume, documents=documents, on_progress=on_progress)


def stop_at(step: int) -> Any:
    def on_progress(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return on_progress


def losses(adapter: Adapter) -> list[float]:
    assert adapter.card is not None
    return [loss for _, loss in adapter.card.losses]
