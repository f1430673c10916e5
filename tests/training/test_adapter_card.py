"""The card holds all facts of the run."""

from __future__ import annotations

import json
from pathlib import Path

from tests.training.small_runs import WORDS, run


def test_the_card_holds_all_facts_of_the_run(tiny_base: str, tmp_path: Path) -> None:
    card = run(tiny_base, tmp_path / "a", learning_rate=None).card
    assert card is not None
    assert card.base == tiny_base
    assert card.quantization == "nf4"
    assert card.config["learning_rate"] == 5e-4
    assert "LoRA" in card.learning_rate_source
    assert card.config["method_options"] == {
        "rank": 4,
        "alpha": None,
        "dropout": 0.0,
        "target": "all-linear",
        "rslora": False,
        "dora": False,
        "plus": None,
        "init": "default",
    }
    assert card.config["max_length"] == 2048
    assert card.examples == 6
    assert [step for step, _ in card.losses] == list(range(1, 13))
    assert card.final_loss == card.losses[-1][1]
    assert card.supervised_tokens == 6 * sum(len(w) + 1 for w in WORDS)
    assert card.tokens > card.supervised_tokens
    assert card.trainable_parameters > 0
    assert card.seconds > 0
    assert {"torch", "peft"} <= set(card.versions)
    assert card.prompt_format == "<|start|>user\n{question}<|end|>\n<|start|>assistant\n"
    assert "rows are packed" in card.notes
    written = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == tiny_base
