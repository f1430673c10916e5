"""Tables of what was measured on people's own files, for docs/data.md."""

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
    return "\n\n".join(
        (
            "Banking77 with 5 % of the labels planted wrong. Labels that were wrong before count as false. All\n"
            "methods had the same probabilities; cleanlab is the rival.",
            table(["rows", "method", "listed", "precision at 50", "precision", "recall"], rows),
            f"Personal data in made-up texts: {found:,} of {texts:,} found, of {len(personal['by_kind'])} kinds; "
            f"{personal['false_alarms']} false alarms in {personal['texts_without']:,} texts without any, "
            f"{personal['alarms_in_real_questions']} in {personal['real_questions']:,} real questions.",
        )
    )
