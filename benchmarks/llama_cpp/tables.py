"""Tables of single streams and of exports beside llama.cpp, for docs/benchmarks.md."""

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


def replay(facts: dict[str, Any]) -> str:
    """Exports in llama.cpp beside this process."""
    rows = [
        [
            f"{row['method']}, over {row['base']}",
            f"{row['base_error']:.3f}",
            f"{row['adapter_error']:.3f}",
            f"{row['effect']:.3f}",
            f"{row['first_token_agreement']:.0%}, {row['token_agreement']:.1%}",
            f"{row['task']['theirs']['value']:.1%}, {row['task']['ours']['value']:.1%}",
            f"{row['state']}; task {row['task']['difference']['state']}",
        ]
        for row in facts["rows"]
    ]
    head = ["adapter", "base's error", "adapter's error", "its effect", "same first token, same token"]
    return table([*head, "accuracy there, here", "decision"], rows)
