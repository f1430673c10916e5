"""split: what is tested was not learnt, every row is in one part, and the same rows give the same parts."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from domainkit import read_examples, read_task, split
from domainkit.corpus.read_files import read_with_rows
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


def pairs() -> list[dict[str, Any]]:
    """Two pairs for each of twenty prompts, which share no words."""
    words = [f"{a}{b}" for a in "bcdfg" for b in "aeiou"] * 4
    prompts = [" ".join(f"{w}{i}" for w in words[i : i + 4]) for i in range(20)]
    return [
        {"prompt": prompt, "chosen": f"good {i} {n}", "rejected": f"bad {i} {n}"}
        for i, prompt in enumerate(prompts)
        for n in (1, 2)
    ]


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


def test_documents_are_no_rows_and_what_makes_rows_of_them_is_named(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "a.md").write_text("# Bees\n\nThey fly.", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"articles: is a folder of documents, such as a.md, not rows .*\n  next: `domain"
    ):
        split(tmp_path / "articles")
    with pytest.raises(DataError, match=r"a.md: is a document, not rows with questions and answers"):
        split(tmp_path / "articles" / "a.md")
    corpus = write(tmp_path / "corpus.jsonl", [{"id": "a", "text": "They fly."}])
    with pytest.raises(
        DataError, match=r"^\S*corpus.jsonl: holds documents, not rows with questions and answers\n  next: `"
    ):
        split(corpus)
    write(tmp_path / "rows.txt", rows())
    assert len(split(tmp_path / "rows.txt").rows) == 80


def test_shares_are_written_as_they_were_given(tmp_path: Path) -> None:
    facts = split(write(tmp_path / "rows.jsonl", rows())).facts
    assert json.dumps(facts["shares"]) == '{"train": 0.7, "dev": 0.1, "test": 0.2}'


def test_pairs_are_divided_by_their_prompts_and_prefer_comes_next(tmp_path: Path) -> None:
    file = write(tmp_path / "pairs.jsonl", pairs())
    done = domainkit("split", file, "--out", tmp_path / "out", "--dev", "0")
    assert done.returncode == 0, done.stderr
    assert (
        f"Next: domainkit prefer --data {tmp_path / 'out' / 'train.jsonl'} --objective dpo --out adapter" in done.stdout
    )
    prompts = {
        name: {json.loads(line)["prompt"] for line in (tmp_path / "out" / f"{name}.jsonl").read_text().splitlines()}
        for name in ("train", "test")
    }
    assert not prompts["train"] & prompts["test"]
    assert len(prompts["train"] | prompts["test"]) == 20
    assert json.loads((tmp_path / "out" / "split.json").read_text(encoding="utf-8"))["kind"] == "pairs"


def test_good_and_bad_answers_keep_their_shares_and_one_prompt_its_side(tmp_path: Path) -> None:
    marked = [
        {"prompt": pair["prompt"], "completion": pair[side], "label": side == "chosen"}
        for pair in pairs()
        for side in ("chosen", "rejected")
    ]
    made = split(write(tmp_path / "marked.jsonl", marked), dev=0, test=0.25)
    assert made.kind == "marked answers"
    assert made.method.why == "good and bad answers keep their shares"
    sides = {part: {r["prompt"] for r, p in zip(made.rows, made.parts, strict=True) if p == part} for part in (0, 2)}
    assert not sides[0] & sides[2]
    tested = [r["label"] for r, p in zip(made.rows, made.parts, strict=True) if p == 2]
    assert len(tested) == 20
    assert sum(tested) == 10


def test_labels_are_asked_for_where_there_are_none(tmp_path: Path) -> None:
    free = write(tmp_path / "rows.jsonl", [{"input": f"a{i}", "target": f"b{i}"} for i in range(9)])
    with pytest.raises(ConfigError, match="--by label: the 9 rows have 9 targets, which are no labels"):
        split(free, by="label")


def test_what_is_written_needs_no_map(tmp_path: Path) -> None:
    table = "Ticket;Asked;Said;label\n" + "".join(f"T{r['n']};{r['input']};{r['target']};x\n" for r in rows())
    (tmp_path / "rows.csv").write_text(table, encoding="utf-8")
    columns = {"input": "Asked", "target": "Said"}
    done = domainkit("split", tmp_path / "rows.csv", "--map", "input=Asked,target=Said", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "--map" not in done.stdout
    parts = [tmp_path / "out" / f"{name}.jsonl" for name in ("train", "dev", "test")]
    again = {(e.question, e.target) for part in parts for e in read_examples(part)}
    assert again == {(e.question, e.target) for e in read_examples(tmp_path / "rows.csv", columns)}
    assert json.loads(parts[2].read_text(encoding="utf-8").partition("\n")[0]).keys() == {
        "Ticket",
        "input",
        "target",
        "label",
    }
    with pytest.raises(
        DataError, match=r"has no column 'Asked', which --map names \(its columns: 'Ticket', 'input', "
    ) as e:
        read_examples(parts[0], columns)
    assert "\n  next: leave --map out: the rows are in a layout as they are, input and target; or name one" in str(
        e.value
    )


def test_columns_that_are_mapped_decide_of_which_kind_rows_are() -> None:
    both = [{"Q": f"q{i}", "A": "a", "chosen": "b", "rejected": "c"} for i in range(3)]
    assert read_with_rows(both, {"input": "Q", "target": "A"}).kind == "examples"
    assert read_with_rows(both, {"prompt": "Q"}).kind == "pairs"
    marked = [{"Q": f"q{i}", "A": "a", "answer": "b", "label": True} for i in range(3)]
    assert read_with_rows(marked, {"input": "Q", "target": "A"}).kind == "examples"
    assert read_with_rows(marked, {"input": "Q"}).kind == "marked answers"
