"""split(): the parts of a file, and on disk train.jsonl, dev.jsonl, test.jsonl and split.json, which says how they were
made. What is written is read alike without `columns`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from domainkit.corpus.read_files import Columns, read_with_rows
from domainkit.errors import ConfigError
from domainkit.evaluation.read_task import DIVIDED
from domainkit.splitting.assign import PARTS
from domainkit.splitting.divide import Progress, Split, split_rows
from domainkit.storage import check_writable, staged_folder

FACTS = DIVIDED


def split(
    data: object,
    out: str | Path | None = None,
    *,
    by: str | None = None,
    field: str | None = None,
    test: float = 0.2,
    dev: float = 0.1,
    seed: int = 0,
    columns: Columns | None = None,
    on_progress: Progress | None = None,
) -> Split:
    """Divide the rows of `data` into train, dev and test; with `out`, a new folder, write them there.

    Rows are examples, pairs of answers or marked answers; what their prompts ask decides, and good and bad answers keep
    their shares.

    `by`: "document" (rows that share one of their doc_ids stay together), "group" (rows with one value of `field`),
    "time" (oldest in train, newest in test), "label" (each label in its share) or "random"; left out, what the rows
    show. Labels keep their shares in all of them but "time" and "random". `field`: of the group or time; left out,
    'group', or the usual names of a time. `columns` as in `read_examples`: the rows that are written
    have our names for them, and need no columns any more. Near-duplicates, and
    rows with one `conversation_id`, stay on one side, also across groups. The result depends on the seed and the rows,
    not on their order. Raises ConfigError for shares that leave nothing, an `out` that exists and rows that are too
    few; DataError for faulty rows.
    """
    shares = _shares(test, dev)
    if out is not None:
        check_folder(Path(out))
        check_writable(Path(out))
    read = read_with_rows(data, columns)
    labels = {"examples": None, "pairs": [], "marked answers": read.marks}[read.kind]
    made = split_rows(
        read.examples, read.rows, by=by, field=field, shares=shares, seed=seed, labels=labels, on_progress=on_progress
    )
    if read.kind == "marked answers" and made.method.by == "label" and made.method.why:
        made = replace(made, method=replace(made.method, why="good and bad answers keep their shares"))
    made = replace(made, kind=read.kind, rows=tuple(map(read.ready, made.rows)))
    if out is not None:
        write_split(made, Path(out))
    return made


def _shares(test: float, dev: float) -> tuple[float, float, float]:
    if not 0 < test < 1 or not 0 <= dev < 1 or test + dev >= 1:
        what = f"test={test:g} and dev={dev:g} leave no three parts"
        raise ConfigError(
            what, next_step="give shares between 0 and 1 that leave something for train: --test 0.2 --dev 0.1"
        )
    return round(1 - test - dev, 12), dev, test


def check_folder(folder: Path) -> None:
    """Raises ConfigError where something is there: a split is never written over, since a test set that changes
    measures nothing."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is there already, and a split is never written over"
        raise ConfigError(what, where=str(folder), next_step="choose another --out")


def write_split(split: Split, folder: Path) -> None:
    """Write the parts that have rows, as JSON Lines with all their fields, whole or not at all."""
    check_folder(folder)
    with staged_folder(folder) as staged:
        for part, name in enumerate(PARTS):
            rows = [row for row, p in zip(split.rows, split.parts, strict=True) if p == part]
            if rows:
                lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
                (staged / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
        facts = json.dumps(split.facts, indent=1, ensure_ascii=False) + "\n"
        (staged / FACTS).write_text(facts, encoding="utf-8", newline="\n")
