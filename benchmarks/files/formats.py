"""The same rows in every format and layout: the same examples, and the same results.json, as from JSON Lines.

python -m benchmarks.files.formats DATA        # DATA holds banking77/train_small.jsonl and test_small.jsonl
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.runs import save

Rows = list[dict[str, Any]]


def layouts(rows: Rows) -> dict[str, Rows]:
    """The rows as other tools lay them out; each keeps its id."""
    names = {"question and answer": ("question", "answer"), "text and label": ("text", "label")}
    made = {
        layout: [{"id": r["id"], asked: r["input"], said: r["target"]} for r in rows]
        for layout, (asked, said) in names.items()
    }
    made["Alpaca"] = [{"id": r["id"], "instruction": r["input"], "input": "", "output": r["target"]} for r in rows]
    made["ShareGPT"] = [
        {
            "id": r["id"],
            "conversations": [{"from": "human", "value": r["input"]}, {"from": "gpt", "value": r["target"]}],
        }
        for r in rows
    ]
    made["OpenAI"] = [
        {
            "id": r["id"],
            "messages": [{"role": "user", "content": r["input"]}, {"role": "assistant", "content": r["target"]}],
        }
        for r in rows
    ]
    return made


def write_jsonl(rows: Rows, path: Path) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_excel_csv(rows: Rows, path: Path) -> None:
    """As Excel of a country with decimal commas exports: semicolons, Windows-1252, Windows line ends."""
    with path.open("w", encoding="cp1252", errors="xmlcharrefreplace", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerows([list(rows[0]), *(list(row.values()) for row in rows)])


def write_saved(rows: Rows, path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_list(rows).save_to_disk(str(path))


def writers() -> dict[str, tuple[str, Callable[[Rows, Path], Any]]]:
    """What writes each format: the suffix and the function."""
    import pandas as pd

    return {
        "JSON Lines": (".jsonl", write_jsonl),
        "CSV by pandas": (".csv", lambda rows, path: pd.DataFrame(rows).to_csv(path, index=False)),
        "CSV by pandas, with its index": (".csv", lambda rows, path: pd.DataFrame(rows).to_csv(path)),
        "CSV as Excel exports it": (".csv", write_excel_csv),
        "TSV, UTF-16": (".tsv", lambda r, p: pd.DataFrame(r).to_csv(p, index=False, sep="\t", encoding="utf-16")),
        "Excel": (".xlsx", lambda rows, path: pd.DataFrame(rows).to_excel(path, index=False)),
        "JSON by pandas, columns": (".json", lambda rows, path: pd.DataFrame(rows).to_json(path)),
        "JSON by pandas, records": (".json", lambda r, p: pd.DataFrame(r).to_json(p, orient="records")),
        "Parquet": (".parquet", lambda rows, path: pd.DataFrame(rows).to_parquet(path)),
        "Feather": (".feather", lambda rows, path: pd.DataFrame(rows).to_feather(path)),
        "datasets, saved": ("", write_saved),
    }


TIMED = {
    "environment",
    "created",
    "seconds",
    "latency",
    "cost",
    "break_even",
    "test_use",
    "source",
    "name",
    "memory_bytes",
    "seconds_per_item",
}
"""Fields of results.json that hold seconds and memory, what follows from them, the date, or the file's name."""


def without_times(value: Any) -> Any:
    """results.json without what differs between two runs on the same file."""
    if isinstance(value, dict):
        return {name: without_times(v) for name, v in value.items() if name not in TIMED}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def compared(train: Path, test: Path, out: Path) -> Any:
    """results.json of a small comparison."""
    from domainkit import compare

    compare(test, ["classical"], out, train=train, latency_items=0, on_progress=lambda *_: None)
    return without_times(json.loads((out / "results.json").read_text(encoding="utf-8")))


def main() -> None:
    from domainkit import read_examples

    data = Path(sys.argv[1]) / "banking77" if len(sys.argv) > 1 else Path("banking77")
    if not (data / "train_small.jsonl").exists():
        print(f"skipped: {data / 'train_small.jsonl'} is not there")
        return
    train, test = (
        [json.loads(line) for line in (data / f"{name}_small.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("train", "test")
    )
    cases = [(f, "input and target", train, test) for f in writers()]
    cases += [
        (f, name, layouts(train)[name], layouts(test)[name])
        for name in layouts(train)
        for f in ("JSON Lines", "CSV by pandas", "Parquet")
    ]
    table = []
    with tempfile.TemporaryDirectory() as folder:
        first: tuple[list[str], Any] | None = None
        for number, (form, layout, train_rows, test_rows) in enumerate(cases):
            suffix, write = writers()[form]
            place = Path(folder) / str(number)
            place.mkdir()
            write(train_rows, place / f"train{suffix}")
            write(test_rows, place / f"test{suffix}")
            contents = [e.training_content for e in read_examples(place / f"train{suffix}")]
            found = contents, compared(place / f"train{suffix}", place / f"test{suffix}", place / "run")
            first = first or found
            row = {"format": form, "layout": layout, "examples": len(contents)}
            row |= {"same_examples": contents == first[0], "same_results": found[1] == first[1]}
            table.append(row)
            print(
                f"{form:32} {layout:22} {len(contents):5} {row['same_examples']!s:6} {row['same_results']!s}",
                flush=True,
            )
    save("formats", {"rows": table})


if __name__ == "__main__":
    main()
