"""Tables of what was decided on each data set, for README.md, docs/tasks.md and docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import number, percent, table
from domainkit.evaluation.metrics import metric_title

COLUMNS = {
    "trivial": ("trivial",),
    "classical": ("classical",),
    "zero-shot": ("zero-shot",),
    "few-shot": ("few-shot",),
    "kNN few-shot": ("knn-few-shot",),
    "RAG": ("rag",),
    "tuned": ("tuned",),
    "tuned and retrieving": ("tuned-knn", "tuned-rag", "tuned-context"),
}
"""Heads, and the variants of which the best is shown under each."""
ORDER = ("label", "answer", "labels", "fields", "calls", "text", "dialogue")


def every_kind(facts: dict[str, Any]) -> str:
    """A line for each kind: scores in percent, the recommended variant in bold."""
    kinds = sorted(facts["kinds"], key=lambda k: ORDER.index(k["kind"]))
    rows = []
    for kind in kinds:
        scores = {v["name"]: v["metrics"][kind["metric"]]["value"] for v in kind["variants"]}
        cells = [_cell(scores, names, kind["verdict"]["choice"]) for names in COLUMNS.values()]
        asked = f"{kind['kind']} ({kind['rows']}, {kind['train_rows']:,} / {kind['questions']})"
        rows.append([asked, metric_title(kind["metric"]), *cells])
    headlines = [f"- {kind['kind']}: **{kind['verdict']['answer']}**. {kind['verdict']['headline']}" for kind in kinds]
    return f"{table(['kind (rows, train / test)', 'decided by', *COLUMNS], rows)}\n\n" + "\n".join(headlines)


def _cell(scores: dict[str, float | None], names: tuple[str, ...], choice: str | None) -> str:
    found = {name: scores[name] for name in names if scores.get(name) is not None}
    if not found:
        return "—"
    best = max(found, key=lambda name: found[name] or 0.0)
    text = f"{100 * (found[best] or 0.0):.1f}"
    more = f" ({best})" if len(names) > 1 else ""
    return f"**{text}**{more}" if choice in found and choice == best else f"{text}{more}"


def training_beside_trl(facts: dict[str, Any]) -> str:
    """Examples a second in float32 and NF4, and the accuracy of both adapters."""
    pace, scores = facts["examples_per_second"], {v["name"]: v["metrics"]["label_accuracy"] for v in facts["variants"]}
    rows = [
        [
            f"{side} {facts['trl']}" if side == "SFTTrainer" else side,
            number(pace["none"][side], 1),
            number(pace["nf4"][side], 1),
            percent(scores[f"{side}, free"]),
            percent(scores[side]),
        ]
        for side in ("domainkit", "SFTTrainer")
    ]
    head = [
        "same rows, LoRA, rate and epochs",
        "examples/s, float32",
        "examples/s, NF4",
        "accuracy, free",
        "held to labels",
    ]
    ratio = [pace[form]["domainkit"] / pace[form]["SFTTrainer"] for form in ("none", "nf4")]
    beside = (
        f"Pace: one epoch in batches of {facts['batch_size']} rows (domainkit is {ratio[0]:.1f} and {ratio[1]:.1f} "
        f"times as fast). Accuracy: after {facts['epochs']} epochs in float32 on {facts['rows']} rows of "
        f"{facts['labels']} labels."
    )
    return f"{table(head, rows)}\n\n{beside}"


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


def verdict(facts: dict[str, Any]) -> str:
    return f"Verdict: **{facts['verdict']['answer']}**. {facts['verdict']['headline']}"
