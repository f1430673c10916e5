"""Tables of the chat model beside ChatHuggingFace, for docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import number, table

STOLEN = 0.05
"""A table mentions steal time (a core's time that the host gave to other machines) above this share."""


def chain_throughput(facts: dict[str, Any]) -> str:
    """Seconds of each side by case, their ratio to DomainLLM's, and peak memory."""
    cases = ("zero-shot", "eight examples", "three adapters")
    head = ["seconds (times DomainLLM's), same texts", *cases, "peak memory, MiB"]
    rows = []
    for side, found in facts["sides"].items():
        by_case = {r["case"]: r for r in found}
        if cases[0] in by_case:
            peak = max(r["peak_bytes"] for r in found) / 2**20
            rows.append(
                [side, *(_seconds(by_case.get(c), facts["ratios"].get(side, {}).get(c)) for c in cases), number(peak)]
            )
    floor = facts["floors"]
    rows.append(
        ["the machine's floor", *(number(floor[c]["seconds"]["all"], 2) if c in floor else "—" for c in cases), "—"]
    )
    return "\n\n".join([table(head, rows), " ".join(_beside_the_table(facts))])


def _seconds(row: dict[str, Any] | None, ratio: float | None) -> str:
    if row is None:
        return "—"
    times = f" ({ratio:.1f} ×)" if ratio is not None else ""
    same = f", {100 * row['same_texts']:.0f} %" if row["same_texts"] is not None else ""
    return f"{row['seconds']:.1f}{times}{same}"


def _beside_the_table(facts: dict[str, Any]) -> list[str]:
    lines = [f"{facts['prompts']} prompts, {facts['new_tokens']} new tokens, greedy, {facts['shape']}, one run."]
    ours = {r["case"]: r for r in facts["sides"].get("DomainLLM", [])}
    kept = ours.get("eight examples", {}).get("seconds_with_prefix_kept")
    if kept is not None:
        lines.append(f"With the eight examples in its prefix cache, DomainLLM takes {kept:.1f} s for a second batch.")
    for case in ("zero-shot", "eight examples"):
        if "share_of_floor" in ours.get(case, {}):
            lines.append(f"DomainLLM reaches {100 * ours[case]['share_of_floor']:.0f} % of the floor's speed ({case}).")
    mixed = facts["ratios"].get("three adapters mixed, against one")
    if mixed is not None:
        lines.append(f"A batch that mixes three adapters takes {mixed:.2f} × the time of one adapter.")
    for side, found in facts["ratios"].items():
        if "nf4" in side:
            lines += [f"On NF4, {side.split()[0]} takes {r:.1f} × DomainLLM's time ({c})." for c, r in found.items()]
    stolen = [r.get("stolen_seconds", 0.0) / r["seconds"] for found in facts["sides"].values() for r in found]
    if max(stolen) > STOLEN:
        lines.append(f"In that time the host gave up to {100 * max(stolen):.0f} % of a core to other machines.")
    return lines


def standard_suite(facts: dict[str, Any]) -> str:
    rows = []
    for side, kinds in facts["sides"].items():
        cells = []
        for kind in ("TestUnit", "TestIntegration"):
            found = kinds[kind]
            parts = (f"{found[o]} {o}" for o in ("passed", "failed", "xfailed", "skipped") if found.get(o))
            cells.append(f"{', '.join(parts)} of {sum(found.values())}")
        rows.append([side, *cells])
    return table(["langchain-tests, nothing overridden", "unit", "integration"], rows)


def chain_memory(facts: dict[str, Any]) -> str:
    """Peaks in MiB, and bytes of memory for each byte of the adapters' files, by rank."""
    head = [
        f"{facts['prompts']} prompts: peak, MiB",
        "base alone",
        "three adapters",
        "their files",
        "more, for each byte of the files",
    ]
    rows = []
    for rank, found in facts["ranks"].items():
        mib = [f"{found[k] / 2**20:,.0f}" for k in ("peak_on_base", "peak_over_three_adapters", "adapter_bytes")]
        between = f"({found['least_more']:.2f}–{found['most_more']:.2f})"
        rows.append([f"LoRA of rank {rank}", *mib, f"{found['more_per_adapter_byte']:.2f} {between}"])
    return table(head, rows)
