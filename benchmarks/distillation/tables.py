"""The distillation benchmarks as tables, for docs/distilling.md and docs/benchmarks.md."""

from __future__ import annotations

from statistics import mean
from typing import Any

from benchmarks.markdown import number, percent, table

SHOWN = {
    "plain": "plain training on the rows",
    "baked": "baked, the same rows",
    "baked, unlabelled too": "baked, unlabelled too",
}

BESIDE_TRL = {
    "knn-few-shot": "the teacher: neighbours in its prompt",
    "zero-shot": "the bare question, untrained",
    "plain": "cross-entropy on the rows",
    "ours": "`distil --from`: KL on the rows' answers",
    "SDFT": "TRL's `SDFTTrainer`: on-policy, its own loss",
}


def distil_banking77(facts: dict[str, Any]) -> str:
    """The teacher, then each arm: the mean of its seeds, paired differences, and what a question takes."""
    variants = {v["name"]: v for v in facts["variants"]}
    teacher = next(v for name, v in variants.items() if name not in {f"{a} {s}" for a in SHOWN for s in range(99)})
    rows = [
        [
            f"{teacher['name']} (teacher)",
            _percent(teacher["metrics"]["label_accuracy"]["value"]),
            *["—"] * 4,
            *_takes([teacher]),
        ]
    ]
    for arm, title in SHOWN.items():
        found = facts["arms"][arm]
        runs = [variants[f"{arm} {seed}"] for seed in range(facts["seeds"])]
        by_seed = ", ".join(f"{100 * v['metrics']['label_accuracy']['value']:.1f}" for v in runs)
        rows.append(
            [
                title,
                f"{_percent(found['accuracy'])} ({by_seed})",
                _difference(found["to_teacher"]),
                _difference(found["to_plain"]) if arm != "plain" else "—",
                _percent(found["like_teacher"]),
                _percent(found["like_teacher_where_it_is_wrong"]),
                *_takes(runs),
            ]
        )
    head = [
        f"{facts['labels']} labels, {facts['rows']} rows, {facts['questions']} questions",
        "accuracy (each seed)",
        "to the teacher",
        "to plain training",
        "answers like the teacher",
        "where it is wrong",
        "tokens in",
        "s, one at a time",
    ]
    return table(head, rows)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _difference(found: dict[str, float]) -> str:
    return f"{100 * found['value']:+.1f} ({100 * found['low']:+.1f} to {100 * found['high']:+.1f})"


def _takes(runs: list[dict[str, Any]]) -> list[str]:
    """Tokens of a prompt, and median seconds of a question asked alone."""
    return [
        number(mean(v["usage"]["prompt_tokens"] for v in runs)),
        number(mean(v["latency"]["median"] for v in runs), 2),
    ]


def distil_beside_trl(facts: dict[str, Any]) -> str:
    """A line for each side."""
    found = {v["name"]: v for v in facts["variants"]}
    rows = [
        [
            name,
            what,
            percent(found[name]["metrics"]["label_accuracy"]),
            number(facts["training"].get(name, {}).get("seconds")),
            number(found[name]["usage"]["prompt_tokens"]),
        ]
        for name, what in BESIDE_TRL.items()
        if name in found
    ]
    head = ["side", "what it is", "accuracy (95 %)", "training, s", "tokens in"]
    budget = (
        f"{facts['rows']} rows of {facts['labels']} labels of Banking77, "
        f"{facts['steps'] * facts['settings']['batch_size']} examples on each side, {facts['questions']} questions, "
        f"float32, TRL {facts['trl']}."
    )
    return f"{table(head, rows)}\n\n{budget}"
