"""What the server did under load and in a standard suite, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table


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


def served_fit(facts: dict[str, Any]) -> str:
    """A comparison on a server that was killed and started again, in words."""
    texts = facts["same_texts_as_in_this_process"]
    return (
        f"Killed after {facts['answered_when_killed']} of {facts['questions_by_variants']} answers, of which "
        f"{facts['on_disk_when_killed']} were on disk; started again, it asked the others. "
        f"**{facts['asked_twice_of_those_on_disk']} of those on disk were asked twice**; {facts['asked_twice']} that "
        f"were under way or had just arrived were. A third start asked {facts['asked_by_the_finished_run']}. Texts "
        f"equal to those without a server: {', '.join(f'{name} {equal}' for name, equal in texts.items())}."
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
