"""The measured tables and the picture of README.md and docs/, made from benchmarks/results/*.json.

python -m benchmarks.tables     writes the tables between their marks, and the picture to docs/assets/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.data_tables import clinic, documents, indexing, make_rows, reading
from benchmarks.decision.tables import every_kind, training_beside_trl
from benchmarks.distillation.tables import distil_banking77, distil_beside_trl
from benchmarks.handover_tables import replay, serve_soak, served_suite, single_stream
from benchmarks.markdown import number, percent, table

RESULTS = Path(__file__).parent / "results"
PAGES = tuple(
    Path(__file__).parents[1] / name
    for name in (
        "README.md",
        "docs/benchmarks.md",
        "docs/methods.md",
        "docs/data.md",
        "docs/distilling.md",
        "docs/tasks.md",
    )
)

STOLEN = 0.05
"""A table mentions steal time (a core's time that the host gave to other machines) above this share."""


def banking77(facts: dict[str, Any]) -> str:
    rows = [
        [
            v["name"],
            percent(v["metrics"]["label_accuracy"]),
            percent(v["metrics"]["macro_f1"]),
            number(v["usage"]["prompt_tokens"]),
            number(v["usage"]["seconds_per_item"], 2),
            number(v["latency"]["median"], 2),
        ]
        for v in facts["variants"]
    ]
    head = ["variant", "accuracy (95 %)", "macro-F1", "tokens in", "s per question, batched", "s, one at a time"]
    parts = [table(head, rows), *([beside(facts)] if facts.get("stock_script") else pace(facts)), verdict(facts)]
    return "\n\n".join(parts)


def pace(facts: dict[str, Any]) -> list[str]:
    """The plain script's speed only, where its training was not completed."""
    found = facts.get("training_examples_per_second")
    if not found:
        return []
    ours, theirs = found["domainkit"], found["stock_script"]
    return [
        "Training an eighth of an epoch in batches of 16, one side after the other: "
        f"domainkit {ours:.1f} examples/s, a plain script of the stock libraries {theirs:.1f} examples/s "
        f"({ours / theirs:.1f} times as long)."
    ]


def beside(facts: dict[str, Any]) -> str:
    """The plain script and domainkit. Its accuracy is reported only if it trained for its four epochs."""
    stock, [free] = facts["stock_script"], facts["free_decoding"]
    tuned = next(v for v in facts["variants"] if v["name"] == "tuned")
    speed, n = facts["training_examples_per_second"], tuned["metrics"]["label_accuracy"]["n"]
    whole = stock["epochs"] >= 4
    rows = [
        [
            "plain script of the stock libraries",
            f"{100 * stock['accuracy']:.1f} %" if whole else "—",
            f"{100 * stock['valid_labels']:.1f} %" if whole else "—",
            number(speed["stock_script"], 1),
            number(stock["answer_seconds"]),
        ],
        [
            "domainkit, free decoding",
            percent(free["metrics"]["label_accuracy"]),
            f"{100 * (1 - free['metrics']['parse_failure']['value']):.1f} %",
            number(speed["domainkit"], 1),
            number(free["usage"]["seconds_per_item"] * n),
        ],
        [
            "domainkit, closed list of labels",
            percent(tuned["metrics"]["label_accuracy"]),
            "100.0 %",
            "the same",
            number(tuned["usage"]["seconds_per_item"] * n),
        ],
    ]
    head = ["same base, data and machine, one run", "accuracy", "valid labels", "training examples/s", "answering s"]
    return table(head, rows)


def medquad_ghr(facts: dict[str, Any]) -> str:
    groups = sorted({g for v in facts["variants"] for g in v["groups"]})
    rows = [
        [
            v["name"],
            percent(v["metrics"]["token_f1"]),
            *(percent(v["groups"].get(g)) for g in groups),
            percent(v["metrics"]["exact_match"]),
            number(v["usage"]["prompt_tokens"]),
            number(v["usage"]["seconds_per_item"], 2),
        ]
        for v in facts["variants"]
    ]
    head = ["variant", "token F1 (95 %)", *groups, "exact match", "tokens in", "s per question, batched"]
    return f"{table(head, rows)}\n\n{verdict(facts)}"


def simple_models(facts: dict[str, Any]) -> str:
    rows = [
        [name, v["name"], v["description"].split(": ", 1)[1].rstrip("."), percent(v["metrics"][v["metric"]])]
        for name, variants in facts["tasks"].items()
        for v in variants
    ]
    return table(["data", "variant", "what answers", "accuracy or token F1 (95 %)"], rows)


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


def peak_memory(facts: dict[str, Any]) -> str:
    """Peaks of whole commands in MiB, and of the stages of a comparison."""
    rows = []
    for command in facts["commands"]:
        mib = {k: v for k, v in command["mib"].items() if k not in ("peak", "seconds")}
        stages = ", ".join(f"{name} {value:,.0f}" for name, value in mib.items()) if len(mib) > 1 else "—"
        rows.append([f"`domainkit {command['name']}`", f"{command['mib']['peak']:,.0f}", stages])
    return table(["command", "peak, MiB", "by stage"], rows)


def next_tokens(facts: dict[str, Any]) -> str:
    """Milliseconds of the processor for one pass, and what a device would be given."""
    head = [f"{facts['rows']} rows of {facts['vocabulary']:,} tokens", "one by one, ms", "together, ms"]
    rows = [
        [kind["rows"], *(f"{kind['milliseconds'][way]:.0f}" for way in ("one by one", "together"))]
        + [f"{kind[n]}" for n in ("kernels", "copies")]
        for kind in facts["kinds"]
    ]
    return table([*head, "operations on a device", "copies to it"], rows)


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


def verdict(facts: dict[str, Any]) -> str:
    return f"Verdict: **{facts['verdict']['answer']}**. {facts['verdict']['headline']}"


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
    own = {m["method"]: m for m in _read("methods_e2e")["methods"] if "score" in m}
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


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "simple_models": simple_models,
    "methods_banking77": methods,
    "methods_e2e": methods,
    "methods_e2e_carried": carried,
    "banking77": banking77,
    "batch_invariance": batch_invariance,
    "chain_memory": chain_memory,
    "next_tokens": next_tokens,
    "peak_memory": peak_memory,
    "chain_throughput": chain_throughput,
    "clinic": clinic,
    "distil_banking77": distil_banking77,
    "distil_beside_trl": distil_beside_trl,
    "training_beside_trl": training_beside_trl,
    "every_kind": every_kind,
    "make_rows": make_rows,
    "documents": documents,
    "indexing": indexing,
    "reading": reading,
    "medquad_ghr": medquad_ghr,
    "replay": replay,
    "serve_soak": serve_soak,
    "serve_soak_tiny": serve_soak,
    "served_suite": served_suite,
    "single_stream": single_stream,
    "small_batch_linear": small_batch_linear,
    "soak": soak,
    "standard_suite": standard_suite,
}


def filled(text: str) -> str:
    """A page's text with every marked table written again. A table without results says so."""
    for name, make in TABLES.items():
        body = make(_read(name)) if (RESULTS / f"{name}.json").exists() else "not measured yet"
        pattern = re.compile(rf"(<!-- table:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
    return text


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    pictures.medquad_ghr().save(pictures.FILE)
