"""Tables of adaptation methods and of the memory of training, for docs/methods.md and docs/benchmarks.md."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.markdown import number, table
from benchmarks.runs import RESULTS


def methods(facts: dict[str, Any]) -> str:
    """The base, then the methods, best first. A failed method shows its reason. Every rate's loss is reported."""
    base = facts["base_itself"]
    done = sorted((m for m in facts["methods"] if "score" in m), key=lambda m: -m["score"])
    lora = next((m for m in done if m["method"] == "lora"), None)
    rows = [
        [
            "the base itself",
            f"{100 * base['score']:.1f} %",
            _beside(base, lora),
            "—",
            f"{base['dev_loss']:.3f}",
            *["—"] * 5,
        ]
    ]
    rows += [
        [
            m["method"] + (" (unquantised base)" if m["quantization"] == "none" else ""),
            f"{100 * m['score']:.1f} % (± {100 * _error(m['scores']):.1f})",
            _beside(m, lora),
            f"{m['learning_rate']:.2g}",
            f"{m['dev_loss']:.3f}",
            f"{_forgotten(m, facts):+.3f}",
            f"{m['trainable_parameters']:,}",
            number(m["file_bytes"] / 2**20, 2),
            number(m["peak_memory_mib"]),
            number(m["train_seconds"]),
        ]
        for m in done
    ]
    rows += [[m["method"], f"failed: {m['failed']}", *["—"] * 8] for m in facts["methods"] if "failed" in m]
    score = "accuracy" if facts["settings"]["task"] == "banking77" else "token F1"
    head = [
        "method",
        f"{score} (± standard error)",
        "against LoRA",
        "rate",
        "held-out loss",
        "forgetting",
        "trained weights",
        "file MiB",
        "peak MiB",
        "s",
    ]
    several = any(len(m["tried"]) > 1 for m in done)
    return f"{table(head, rows)}\n\n{_rates(done)}" if several else table(head, rows)


def _beside(m: dict[str, Any], lora: dict[str, Any] | None) -> str:
    """Points of difference to LoRA and their standard error, paired by question."""
    if lora is None or m is lora:
        return "—"
    gaps = [a - b for a, b in zip(m["scores"], lora["scores"], strict=True)]
    return f"{100 * sum(gaps) / len(gaps):+.1f} (± {100 * _error(gaps):.1f})"


def _forgotten(m: dict[str, Any], facts: dict[str, Any]) -> float:
    """Bits per byte of general prose beyond those of the base that the method was trained on."""
    base = facts["base_unquantised" if m["quantization"] == "none" else "base_itself"]
    return m["general_bits_per_byte"] - base["general_bits_per_byte"]


def _error(scores: list[float]) -> float:
    """Standard error of a mean over questions."""
    mean, n = sum(scores) / len(scores), len(scores)
    return (sum((s - mean) ** 2 for s in scores) / (n - 1) / n) ** 0.5


def _rates(done: list[dict[str, Any]]) -> str:
    """The loss at each rate: it shows whether a method's rank is due to its rate."""
    lines = []
    for m in done:
        tried = ", ".join(
            f"{t['learning_rate']:.2g}: {t['dev_loss']:.3f}" if "dev_loss" in t else f"{t['learning_rate']:.2g}: failed"
            for t in m["tried"]
        )
        lines.append([m["method"], f"{m['default']:.2g}", tried])
    return table(["method", "default rate", "held-out loss by rate"], lines)


def carried(facts: dict[str, Any]) -> str:
    """E2E at the rates that were best on Banking77, and at its own best rates. The difference is paired by input."""
    own = {
        m["method"]: m
        for m in json.loads((RESULTS / "methods_e2e.json").read_text(encoding="utf-8"))["methods"]
        if "score" in m
    }
    rows = [
        [
            m["method"],
            f"{m['learning_rate']:.2g}",
            f"{100 * m['score']:.1f} %",
            f"{own[m['method']]['learning_rate']:.2g}",
            f"{100 * own[m['method']]['score']:.1f} %",
            _beside(own[m["method"]], m),
        ]
        for m in sorted(facts["methods"], key=lambda m: m.get("score", 0))
        if "score" in m
        and m["method"] in own
        and abs(m["learning_rate"] / own[m["method"]]["learning_rate"] - 1) > 0.01
    ]
    return table(
        ["method", "Banking77's rate", "token F1", "E2E's rate", "token F1", "difference (± standard error)"], rows
    )


def peak_memory(facts: dict[str, Any]) -> str:
    """Peaks of whole commands in MiB, and of the stages of a comparison."""
    rows = []
    for command in facts["commands"]:
        mib = {k: v for k, v in command["mib"].items() if k not in ("peak", "seconds")}
        stages = ", ".join(f"{name} {value:,.0f}" for name, value in mib.items()) if len(mib) > 1 else "—"
        rows.append([f"`domainkit {command['name']}`", f"{command['mib']['peak']:,.0f}", stages])
    return table(["command", "peak, MiB", "by stage"], rows)
