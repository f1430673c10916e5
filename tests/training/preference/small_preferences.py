"""Short preference runs on the tiny base, for the tests of preference training and its objectives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.folder import Adapter
from domainkit.corpus.preferences import Marked, Pair
from domainkit.training.config import PreferenceConfig, parse_config
from domainkit.training.objectives import OBJECTIVES, trl_overrides
from domainkit.training.preference.train_preference import train_preference
from tests.training.small_runs import quiet
from tests.training.small_runs import row as example

END = 2  # <|end|>, the tiny tokenizer's control token that closes a turn
PAIRS = [Pair(chosen=example(f"q{i}", "good", i), rejected=example(f"q{i}", "bad", i)) for i in range(6)]
MARKED = [Marked(example=example(f"q{i}", "good" if i % 2 else "bad", i), good=bool(i % 2)) for i in range(8)]
EXAMPLES = [example(f"q{i}", "abc", i) for i in range(6)]
ROWS: dict[str, Any] = {"dpo": PAIRS, "kto": MARKED, "grpo": EXAMPLES, "rloo": EXAMPLES}


def low_bytes(sample: Any, answer: str) -> float:
    """Differs from answer to answer, whatever a random model says."""
    return sum(ord(c) < 96 for c in answer) / 8


def run(base: str, out: Path, objective: str = "grpo", rows: Any = None, **options: Any) -> Adapter:
    own = {name: options.pop(name) for name in ("reward", "start", "resume", "on_progress") if name in options}
    if OBJECTIVES.load(objective).samples:
        own.setdefault("reward", low_bytes)
    values: dict[str, Any] = {
        "base": base,
        "objective": objective,
        "quantization": "none",
        "learning_rate": 1e-2,
        "batch_size": 3,
        "epochs": 1,
        "group": 4,
        "max_new_tokens": 6,
        "score_unfinished": True,
        "probe": 3,
    }
    if "method" not in options:
        values["method.rank"] = 4
    config = parse_config({**values, **options}, PreferenceConfig)
    own.setdefault("on_progress", quiet)
    return train_preference(ROWS[objective] if rows is None else rows, config, out, **own)


def record_of(adapter: Adapter) -> dict[str, Any]:
    assert adapter.card is not None
    assert adapter.card.preference is not None
    return adapter.card.preference


def watch(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each loss was computed from: ids, masks, and the adapters there were."""
    seen: list[dict[str, Any]] = []
    real = trl_overrides.TrlOverrides.compute_loss

    def spy(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append({**inputs, "adapters": sorted(self.model.peft_config), "trainer": self})
        return real(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(trl_overrides.TrlOverrides, "compute_loss", spy)
    return seen


def rewarded_run(
    objective: str, base: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, list[float], list[float]]:
    """(TRL's arguments, the first step's advantages from low to high, its rewards by groups)."""
    seen, rewards = watch(monkeypatch), []

    def reward(sample: Any, answer: str) -> float:
        rewards.append(low_bytes(sample, answer))
        return rewards[-1]

    run(base, out, objective, probe=0, reward=reward, rows_per_pass=12)
    advantages = seen[0]["advantages"].tolist()
    return seen[0]["trainer"].args, sorted(advantages), rewards[: len(advantages)]
