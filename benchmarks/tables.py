"""The README's measured tables, made from benchmarks/results/*.json.

python -m benchmarks.tables          writes them into README.md between their marks
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"


def percent(estimate: dict[str, Any] | None) -> str:
    if not estimate or estimate["value"] is None:
        return "—"
    interval = f" ({100 * estimate['low']:.1f}–{100 * estimate['high']:.1f})" if estimate["low"] is not None else ""
    return f"{100 * estimate['value']:.1f} %{interval}"


def number(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def banking77(facts: dict[str, Any]) -> str:
    rows = [
        [v["name"], percent(v["metrics"]["label_accuracy"]), percent(v["metrics"]["macro_f1"]),
         number(v["usage"]["prompt_tokens"]), number(v["usage"]["seconds_per_item"], 2), number(v["latency"]["median"], 2)]
        for v in facts["variants"]
    ]  # fmt: skip
    head = ["variant", "accuracy (95 %)", "macro-F1", "tokens in", "s per question, batched", "s, one at a time"]
    parts = [table(head, rows), *([beside(facts)] if facts.get("stock_script") else []), verdict(facts)]
    return "\n\n".join(parts)


def beside(facts: dict[str, Any]) -> str:
    """The plain script beside domainkit. Its accuracy is told only when it trained its four epochs."""
    stock, [free] = facts["stock_script"], facts["free_decoding"]
    tuned = next(v for v in facts["variants"] if v["name"] == "tuned")
    speed, n = facts["training_tokens_per_second"], tuned["metrics"]["label_accuracy"]["n"]
    whole = stock["epochs"] >= 4
    rows = [
        ["plain script of the stock libraries", f"{100 * stock['accuracy']:.1f} %" if whole else "—",
         f"{100 * stock['valid_labels']:.1f} %" if whole else "—", number(speed["stock_script"]), number(stock["answer_seconds"])],
        ["domainkit, free decoding", percent(free["metrics"]["label_accuracy"]),
         f"{100 * (1 - free['metrics']['parse_failure']['value']):.1f} %", number(speed["domainkit"]),
         number(free["usage"]["seconds_per_item"] * n)],
        ["domainkit, closed list of labels", percent(tuned["metrics"]["label_accuracy"]), "100.0 %", "the same",
         number(tuned["usage"]["seconds_per_item"] * n)],
    ]  # fmt: skip
    head = ["same base, data and machine, one run", "accuracy", "valid labels", "training tokens/s", "answering s"]
    return table(head, rows)


def medquad_ghr(facts: dict[str, Any]) -> str:
    groups = sorted({g for v in facts["variants"] for g in v["groups"]})
    rows = [
        [v["name"], percent(v["metrics"]["token_f1"]), *(percent(v["groups"].get(g)) for g in groups),
         percent(v["metrics"]["exact_match"]), number(v["usage"]["prompt_tokens"]), number(v["usage"]["seconds_per_item"], 2)]
        for v in facts["variants"]
    ]  # fmt: skip
    head = ["variant", "token F1 (95 %)", *groups, "exact match", "tokens in", "s per question, batched"]
    return f"{table(head, rows)}\n\n{verdict(facts)}"


def verdict(facts: dict[str, Any]) -> str:
    return f"Verdict: **{facts['verdict']['answer']}**. {facts['verdict']['headline']}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {"banking77": banking77, "medquad_ghr": medquad_ghr}


def filled(text: str) -> str:
    """README text with every marked table made anew; a table without results says so."""
    for name, make in TABLES.items():
        path = RESULTS / f"{name}.json"
        body = make(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else "not measured yet"
        pattern = re.compile(rf"(<!-- table:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
