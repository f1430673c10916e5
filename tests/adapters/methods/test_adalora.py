"""AdaLoRA moves ranks between layers, keeps to its budget, and says when a run is too short for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from domainkit.adapters.methods import parse_method
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

ROWS = [
    Example(turns=(Turn(role="user", content=f"q{i}"), Turn(role="assistant", content=w)), source=f"r:{i}")
    for i, w in enumerate(("red", "blue", "green", "black"))
]


def run(base: str, out: Path, epochs: int, **options: Any) -> Any:
    config = TrainConfig(
        base=base,
        quantization="none",
        method="adalora",
        method_options=options,
        epochs=epochs,
        batch_size=2,
        learning_rate=2e-2,
    )
    return train(ROWS, config, out, on_progress=lambda _: None)


def test_ranks_differ_between_layers_and_meet_the_budget(tiny_base: str, tmp_path: Path) -> None:
    adapter = run(tiny_base, tmp_path / "a", 6, rank=4, initial_rank=8)
    with safe_open(adapter.folder / "adapter_model.safetensors", framework="pt") as file:
        ranks = {name: file.get_tensor(name).shape[0] for name in file.keys() if "lora_A" in name}  # noqa: SIM118
    assert len(ranks) == 14
    assert sum(ranks.values()) == 4 * 14  # the budget
    assert len(set(ranks.values())) > 1
    assert max(ranks.values()) > 4 > min(ranks.values())
    assert adapter.card.losses[-1][1] < adapter.card.losses[0][1]


def test_a_run_too_short_to_move_ranks_is_refused(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 steps are too few to redistribute ranks"):
        run(tiny_base, tmp_path / "a", 0.5)  # type: ignore[arg-type]


def test_options_without_room_for_ranks_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be more than rank=8"):
        parse_method("adalora", {"rank": 8, "initial_rank": 8})
    with pytest.raises(ConfigError, match="their sum must be under 1"):
        parse_method("adalora", {"warmup": 0.5, "final": 0.5})
