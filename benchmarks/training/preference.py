"""Reward training with and without a bound on the KL: python -m benchmarks.training.preference

SmolLM2 is rewarded for short answers, by GRPO, from the same seed with four values of β. Writes
benchmarks/results/preference.json and the tables of docs/preference.md; some minutes on two cores.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.runs import RESULTS, save

PAGE = Path(__file__).parents[2] / "docs" / "preference.md"
BETAS = (0.0, 0.04, 0.3, 1.0)
QUESTIONS = (
    "Name a colour.",
    "Name a fruit.",
    "Name a bird.",
    "What is tea?",
    "What is rain?",
    "Name a river.",
    "What is bread?",
    "Say hello.",
    "Name a tree.",
    "What is snow?",
    "Name a metal.",
    "What is a boat?",
)
SETTINGS = {
    "objective": "grpo",
    "base": "builtin:smollm2-135m",
    "quantization": "none",
    "learning_rate": 1e-2,
    "schedule": "constant",
    "warmup_ratio": 0.0,
    "batch_size": 1,
    "epochs": 1,
    "group": 8,
    "max_new_tokens": 8,
    "score_unfinished": True,
    "probe": 12,
    # The last layers alone: the gradient goes no further down, which is half the time.
    "method.rank": 8,
    "method.target": ["27.mlp.down_proj", "28.mlp.down_proj", "29.mlp.down_proj"],
}
BARS = "▁▂▃▄▅▆▇█"


def brevity(sample: Any, answer: str) -> float:
    """Characters less: −1 for 50 of them."""
    return -len(answer) / 50


def measure() -> list[dict[str, Any]]:
    """One run for each β."""
    from domainkit.corpus.example import Example, Turn
    from domainkit.training.config import PreferenceConfig, parse_config
    from domainkit.training.preference.train_preference import train_preference

    rows = [
        Example(
            turns=tuple(Turn(role=r, content=c) for r, c in (("system", "Be brief."), ("user", q), ("assistant", "x")))
        )
        for q in QUESTIONS
    ]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for beta in BETAS:
            config = parse_config({**SETTINGS, "beta": beta}, PreferenceConfig)
            card = train_preference(rows, config, Path(folder) / str(beta), reward=brevity).card
            assert card is not None
            assert card.preference is not None
            kept = {k: card.preference[k] for k in ("beta", "reference", "kl_unit", "curve", "before", "after")}
            runs.append({**kept, "seconds": card.seconds})
    return runs


def drift(runs: list[dict[str, Any]]) -> str:
    head = ["β", "reward before", "after", "KL, nats per token", "tokens per answer before", "after", "an answer after"]
    rows = [
        [
            f"{r['beta']:g}",
            f"{r['before']['reward']:.2f}",
            f"{r['after']['reward']:.2f}",
            f"{r['after']['kl']:.3f}",
            f"{r['before']['length']:.1f}",
            f"{r['after']['length']:.1f}",
            f"“{' '.join(r['after']['answers'][1].split())}”",
        ]
        for r in runs
    ]
    return table(head, [[cell.replace("|", "\\|") for cell in row] for row in rows])


def curves(runs: list[dict[str, Any]]) -> str:
    """Reward and KL step by step, as bars of one scale over all runs."""
    lines = []
    for name in ("reward", "kl"):
        values = [step[name] for r in runs for step in r["curve"]]
        low, high = min(values), max(values)
        for r in runs:
            found = [step[name] for step in r["curve"]]
            drawn = "".join(BARS[round((v - low) / (high - low or 1) * (len(BARS) - 1))] for v in found)
            lines.append(f"{name:<6}  β {r['beta']:<4g}  {drawn}  {found[0]:.3f} to {found[-1]:.3f}")
    return "```text\n" + "\n".join(lines) + "\n```"


TABLES = {"drift": drift, "curves": curves}


def filled(page: str) -> str:
    """The page with its marked tables made from the results."""
    runs = json.loads((RESULTS / "preference.json").read_text(encoding="utf-8"))["runs"]
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- table:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        body = make(runs)
        page = pattern.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", page)
    return page


def main() -> None:
    save("preference", {"settings": SETTINGS, "questions": QUESTIONS, "reward": brevity.__doc__, "runs": measure()})
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
