"""split: what is tested was not learnt, every row is in one part, and the same rows give the same parts."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domainkit import read_examples, read_task, split
from domainkit.errors import ConfigError, DataError
from domainkit.verdict.leakage import find_leaks
from tests.cli.command import domainkit

SUBJECTS = ("card", "transfer", "refund", "exchange rate", "top-up", "cash machine", "direct debit", "statement")
FRAMES = (
    "why has my {} not arrived after a week of waiting",
    "what does it cost to use a {} in another country",
    "please cancel the {} that I asked for this morning",
    "somebody else seems to have used my {} without asking",
    "is there a limit for a {} on a weekend or a holiday",
)


def rows() -> list[dict[str, Any]]:
    """Eighty questions, and a copy of each that differs in letters and marks alone."""
    made = []
    for subject in SUBJECTS:
        for frame in FRAMES:
            for copy in ("{}?", "{}, please!!"):
                text = copy.format(frame.format(subject))
                made.append({"input": text, "target": subject, "note": {"kept": [1, 2.5]}, "n": len(made)})
    return made


def write(path: Path, data: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")
    return path


def numbers(path: Path) -> set[int]:
    return {json.loads(line)["n"] for line in path.read_text(encoding="utf-8").splitlines()}


def test_no_part_gives_another_away_and_rows_keep_their_fields(tmp_path: Path) -> None:
    data = rows()
    made = split(write(tmp_path / "rows.jsonl", data), tmp_path / "out", test=0.25, dev=0.125)
    parts = {name: tmp_path / "out" / f"{name}.jsonl" for name in ("train", "dev", "test")}
    written = [json.loads(line) for path in parts.values() for line in path.read_text(encoding="utf-8").splitlines()]
    assert sorted(written, key=lambda row: row["n"]) == data
    for pool, tested in (("train", "test"), ("dev", "test"), ("train", "dev")):
        task = read_task(parts[tested], train=parts["train"])
        leaks, clean = find_leaks(read_examples(parts[pool]), task.samples, kind=task.kind)
        assert all(clean)
        assert not sum(leak.count for leak in leaks if leak.counted)
    assert made.clusters >= len(SUBJECTS) * len(FRAMES) / 2
    assert made.method.by == "label"
    assert {e.target for e in made.test} <= {e.target for e in made.train}


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does(tmp_path: Path) -> None:
    data = rows()
    shuffled = random.Random(1).sample(data, len(data))
    a = split(write(tmp_path / "a.jsonl", data), tmp_path / "a", seed=3)
    split(write(tmp_path / "b.jsonl", shuffled), tmp_path / "b", seed=3)
    split(tmp_path / "a.jsonl", tmp_path / "c", seed=4)
    assert numbers(tmp_path / "a" / "test.jsonl") == numbers(tmp_path / "b" / "test.jsonl")
    assert numbers(tmp_path / "a" / "test.jsonl") != numbers(tmp_path / "c" / "test.jsonl")
    facts = json.loads((tmp_path / "a" / "split.json").read_text(encoding="utf-8"))
    assert facts == a.facts
    assert facts["sha256"] == json.loads((tmp_path / "b" / "split.json").read_text(encoding="utf-8"))["sha256"]


def test_documents_and_groups_stay_whole(tmp_path: Path) -> None:
    texts = [
        "how long do bees live in winter",
        "the price of honey at the market",
        "when does one treat mites",
        "is wax worth selling",
        "feeding sugar in autumn",
        "swarms leave in May",
    ]
    data = [
        {"input": f"{text} {word}", "target": f"{word} {text[::-1]}", "doc_ids": [f"d{i}"], "team": f"t{i // 2}"}
        for i, text in enumerate(texts * 3)
        for word in ("alpha", "beta")
    ]
    file = write(tmp_path / "rows.jsonl", data)
    made = split(file, test=0.3, dev=0)
    assert made.method.by == "document"
    assert not {d for e in made.train for d in e.doc_ids} & {d for e in made.test for d in e.doc_ids}
    by_team = split(file, by="group", field="team", test=0.3, dev=0)
    teams = {
        part: {r["team"] for r, p in zip(by_team.rows, by_team.parts, strict=True) if p == part} for part in (0, 2)
    }
    assert not teams[0] & teams[2]
    with pytest.raises(ConfigError, match=r"--by group: no row has the field 'customer'\n  next: name it with --field"):
        split(file, by="group", field="customer")


def test_time_puts_the_newest_in_test_and_says_the_cut(tmp_path: Path) -> None:
    words = [f"{a}{b}" for a in "abcdefghij" for b in "klmnopqrst"]
    data = [
        {"input": " ".join(words[i * 4 : i * 4 + 4]), "target": f"answer {i}", "date": f"2026-01-{i + 1:02}"}
        for i in range(20)
    ]
    data[2]["input"] = f"{data[19]['input']}!"  # a near-duplicate of the newest
    made = split(write(tmp_path / "rows.jsonl", data), by="time", test=0.2, dev=0.1)
    dates = {part: [r["date"] for r, p in zip(made.rows, made.parts, strict=True) if p == part] for part in (0, 1, 2)}
    assert max(dates[0]) < min(dates[1])
    assert sorted(dates[2])[1:] > [max(dates[1])]
    assert "2026-01-03" in dates[2]
    assert any("train ends with 2026-01-1" in note for note in made.notes)
    assert "1 older row stands in test, beside newer near-duplicates" in made.notes


def test_sizes_that_cannot_be_reached_are_said(tmp_path: Path) -> None:
    data = [
        {"input": f"{w} one two", "target": w[::-1], "group": "large" if i else "small"}
        for i, w in enumerate("abcdefgh")
    ]
    made = split(write(tmp_path / "rows.jsonl", data), by="group", test=0.4, dev=0)
    assert [len(made.train), len(made.test)] == [7, 1]
    assert "test has 12.5% of the rows, not 40.0%: the largest set of rows that stay together has 7" in made.notes


def test_what_cannot_be_split_is_refused(tmp_path: Path) -> None:
    same = write(tmp_path / "same.jsonl", [{"input": f"Where is my card{'!' * i}", "target": "x"} for i in range(9)])
    with pytest.raises(ConfigError, match="9 rows cannot be divided: near-duplicates and inputs join them into 1"):
        split(same)
    with pytest.raises(ConfigError, match=r"test=0.9 and dev=0.1 leave no three parts"):
        split(same, test=0.9)
    with pytest.raises(ConfigError, match=r"unknown way to split 'labels'\n  next: did you mean 'label'"):
        split(same, by="labels")
    with pytest.raises(ConfigError, match="the field 'x' is not used"):
        split(same, field="x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "test.jsonl").write_text("kept", encoding="utf-8")
    with pytest.raises(ConfigError, match="is there already, and a split is never written over"):
        split(same, tmp_path / "full")
    dated = write(tmp_path / "dated.jsonl", [{"input": "a", "target": "b", "date": d} for d in ("2026-01-01", "soon")])
    with pytest.raises(DataError, match=r"dated.jsonl:2: 'date' is not a time: 'soon'\n  next: write it as 2026"):
        split(dated, by="time")


def test_the_command_says_what_it_did_and_what_comes_next(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", rows())
    done = domainkit("split", file, "--out", tmp_path / "out", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "split by label: 8 targets repeat, as labels do" in done.stdout
    assert "seed 7" in done.stdout
    assert f"Next: domainkit compare --train {tmp_path / 'out' / 'train.jsonl'} --dev" in done.stdout
    counts = Counter(json.loads((tmp_path / "out" / "split.json").read_text(encoding="utf-8"))["rows"])
    assert counts.total() == 80
    again = domainkit("split", file, "--out", tmp_path / "out")
    assert again.returncode == 2
    assert "choose another --out" in again.stderr
