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


def serve_soak(facts: dict[str, Any]) -> str:
    """A soak of the server, in words."""
    came = facts["outcomes"]
    memory = facts["memory_mib"]
    return (
        f"{facts['requests']:,} requests from {facts['clients']} clients in {facts['seconds']:.0f} s "
        f"({facts['requests_per_second']:.1f} a second; half of them took less than {facts['latency_p50']:.1f} s, 95 % "
        f"less than {facts['latency_p95']:.1f} s), while one of three adapters was dropped and loaded again "
        f"{came['swaps']} times. {came['right']:,} texts were those of the same request asked alone, "
        f"{came.get('left', 0)} clients left, {came.get('not loaded', 0)} asked for the adapter while it was away "
        f"(404). **{facts['wrong']} wrong texts or lost answers.** "
        f"Memory: {min(memory):,} to {max(memory):,} MiB all along, "
        f"{facts['memory_at_the_end_mib']:,} at the end."
    )


def served_suite(facts: dict[str, Any]) -> str:
    """LangChain's standard suite on langchain-openai's model: a row of counts, and why tests did not pass."""
    counts = facts["ChatOpenAI"]
    total = sum(counts.values())
    outcomes = ", ".join(f"{counts[o]} {o}" for o in ("passed", "failed", "skipped") if counts.get(o))
    alike: dict[tuple[str, str], list[str]] = {}
    for test in facts["not_passed"]:
        # What follows a dash differs by test: counts of tokens.
        reason = test["reason"].partition(" - ")[0].replace("|", "/")
        alike.setdefault((test["outcome"], reason), []).append(test["test"].replace("|", "/"))
    rows = [[", ".join(tests), outcome, reason] for (outcome, reason), tests in alike.items()]
    head = f"langchain-openai {facts['versions']['langchain-openai']}: {outcomes} of {total}."
    return f"{head}\n\n{table(['not passed', 'outcome', 'reason'], rows)}" if rows else head


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
