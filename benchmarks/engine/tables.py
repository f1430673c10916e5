"""Tables and sentences on the engine, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import number, table


def next_tokens(facts: dict[str, Any]) -> str:
    """Milliseconds of the processor for one pass, and what a device would be given."""
    head = [f"{facts['rows']} rows of {facts['vocabulary']:,} tokens", "one by one, ms", "together, ms"]
    rows = [
        [kind["rows"], *(f"{kind['milliseconds'][way]:.0f}" for way in ("one by one", "together"))]
        + [f"{kind[n]}" for n in ("kernels", "copies")]
        for kind in facts["kinds"]
    ]
    return table([*head, "operations on a device", "copies to it"], rows)


def small_batch_linear(facts: dict[str, Any]) -> str:
    gain = facts["times_as_fast"]
    return (
        f"Passes of {facts['used_from']} to {facts['used_to']} tokens compute W xᵀ in place of x Wᵀ: "
        f"their linear layers are {gain['median']:.1f} times as fast "
        f"({gain['least']:.1f} to {gain['most']:.1f}, by the number of tokens)."
    )


def batch_invariance(facts: dict[str, Any]) -> str:
    return (
        f"Batch invariance: {facts['answers']} requests, half of them greedy and half sampled, are answered alone "
        f"and in random batches. {facts['differing']} of the {facts['answers']} texts differ. "
        f"{100 * facts['share_of_tokens_recomputed']:.2f} % of the tokens were too near a tie "
        "and were recomputed alone."
    )


def soak(facts: dict[str, Any]) -> str:
    asked = sum(facts["asked"].values())
    whole, kept = facts["resident_bytes_after_each_round"], facts["kept_beginnings_bytes"]
    rounds = ", ".join(number((w - k) / 2**20) for w, k in zip(whole, kept, strict=True))
    return (
        f"{asked:,} requests of {len(facts['asked'])} kinds "
        f"from {facts['threads']} threads over the base and three adapters. "
        "Some streams are closed early, some requests are cancelled, and some must fail. "
        f"{len(facts['faults'])} answers differed from the answer to the same request alone, "
        "or failed with a wrong error. "
        f"{facts['hung']} requests hung. {facts['tokens_settled']} tokens were recomputed alone for batch invariance. "
        f"Resident memory at rest after each of the {facts['rounds']} rounds, without the prefix cache: {rounds} MiB. "
        f"The prefix cache held {', '.join(number(k / 2**20) for k in kept)} MiB."
    )
