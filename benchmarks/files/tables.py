"""Tables of files that are read and of documents that are searched, for docs/data.md."""

from __future__ import annotations

from typing import Any

from benchmarks.markdown import table


def reading(facts: dict[str, Any]) -> str:
    """A million rows: `check` beside what pandas needs only to read them."""
    rows = []
    for run in facts["rows"]:
        sides = [run["check"], run["pandas"]]
        times = [f"{side['wall']:.1f} s, {side['peak_mib']} MiB" for side in sides]
        rows.append([run["file"], f"{run['mb']:.0f} MB", *times])
    return table([f"{facts['count']:,} rows", "size", "domainkit check", "pandas, reading alone"], rows)


def documents(facts: dict[str, Any]) -> str:
    """Retrieval from the same articles in each format."""
    rows = [
        [
            v["format"],
            f"{100 * v['lexical']:.1f} %",
            f"{100 * v['fused']:.1f} %",
            f"{v['seconds_per_document']:.2f}",
        ]
        for v in facts["formats"]
    ]
    return table(["format", "hit@3, lexical", "hit@3, fused", "s per document"], rows)


def indexing(facts: dict[str, Any]) -> str:
    """The index of a large corpus beside the libraries alone."""
    sides = {
        "domainkit_lexical": "domainkit: read, cut into passages, lexical index",
        "domainkit_lexical_again": "the same again, with the index on disk",
        "bm25s_passages": "bm25s alone, on the passages",
    }
    rows = [
        [name, f"{facts['sides'][key]['processor']:.1f}", f"{facts['sides'][key]['peak_mib']:,}"]
        for key, name in sides.items()
    ]
    refused = facts["sides"]["domainkit_dense_refused"]
    return "\n\n".join(
        (
            table([f"a corpus of {facts['megabytes']} MB", "s of processor time", "peak memory, MiB"], rows),
            f"Vectors for it are refused after {refused['until it says so']:.0f} s: {refused['said']}.",
        )
    )
