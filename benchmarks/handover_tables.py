"""Tables of single streams and of exports, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table

TEXTS = {"quoting": "an answer that quotes its passage", "writing": "free text"}


def single_stream(facts: dict[str, Any]) -> str:
    """Processor time of a token and speed beside llama.cpp's, one text at a time."""
    rows = [
        [
            TEXTS[row["question"]],
            row["side"],
            f"{row['processor_ms_per_token']:.0f}",
            f"{row['tokens_per_second']:.1f} ({row['range'][0]:.1f} to {row['range'][1]:.1f})",
            f"{row['share_of_llama_cpp']:.2f}",
        ]
        for row in facts["rows"]
    ]
    head = ["greedy text", "side", "ms of processor time a token", "tokens a second", "of llama.cpp's speed"]
    threads = "one thread" if facts["threads"] == 1 else f"{facts['threads']} threads"
    return f"{facts['new_tokens']} tokens, {threads}.\n\n{table(head, rows)}"
