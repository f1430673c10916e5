"""Tables of what the clinic and `make` do with rows, for docs/data.md."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from benchmarks.markdown import table


def clinic(facts: dict[str, Any]) -> str:
    """Wrong labels that were planted, found by each method; the mean over the seeds of a size."""
    sizes = list(dict.fromkeys(run["rows"] for run in facts["labels"]))
    rows = []
    for size in sizes:
        of_size = [run for run in facts["labels"] if run["rows"] == size]
        for method in dict.fromkeys(run["method"] for run in of_size):
            runs = [run for run in of_size if run["method"] == method]
            shares = [
                f"{100 * fmean(run[key] for run in runs):.0f} %" for key in ("precision_at_50", "precision", "recall")
            ]
            seeds = f" (mean of {len(runs)})" if len(runs) > 1 else ""
            rows.append([f"{size:,}{seeds}", method, f"{fmean(run['listed'] for run in runs):.0f}", *shares])
    personal = facts["personal"]
    found = sum(kind["found"] for kind in personal["by_kind"].values())
    texts = sum(kind["texts"] for kind in personal["by_kind"].values())
    chosen = [
        [
            f"{run['labelled']}",
            f"{100 * run['before']:.1f} %",
            f"{100 * run['random']:.1f} %",
            f"{100 * run['chosen']:.1f} %",
            f"+{100 * run['gain']:.1f} ({100 * run['low']:.1f} to {100 * run['high']:.1f})",
        ]
        for run in facts["next"]
    ]
    return "\n\n".join(
        (
            "Banking77 with 5 % of the labels planted wrong. Labels that were wrong before count as false. All\n"
            "methods had the same probabilities; cleanlab is the rival.",
            table(["rows", "method", "listed", "precision at 50", "precision", "recall"], rows),
            f"Personal data in made-up texts: {found:,} of {texts:,} found, of {len(personal['by_kind'])} kinds; "
            f"{personal['false_alarms']} false alarms in {personal['texts_without']:,} texts without any, "
            f"{personal['alarms_in_real_questions']} in {personal['real_questions']:,} real questions.",
            "Fifty rows to label next, chosen by `--label-next` or at random; ten draws of Banking77:",
            table(["labelled before", "accuracy", "50 at random", "50 chosen", "gain (95 %)"], chosen),
            "The clinic's settings were chosen on these data: others may gain less.",
        )
    )


def make_rows(facts: dict[str, Any]) -> str:
    """How many rows of each writer the filters of `make` keep."""
    writers = {
        "people": "people (the sample domain's own questions)",
        "smollm2": "SmolLM2-135M, held to JSON",
        "smollm2 without grammar": "SmolLM2-135M, asked for JSON",
    }
    rows = []
    for key, writer in writers.items():
        counts = facts["counts"][key]
        dropped = {k: v for k, v in counts.items() if k not in ("written", "kept") and v}
        taken = ", ".join(f"{name} {count}" for name, count in sorted(dropped.items(), key=lambda x: -x[1]))
        rows.append([writer, str(counts["written"]), str(counts["kept"]), taken])
    return table(["written by", "rows", "kept", "dropped by"], rows)
