"""domainkit make on the command line, and domainkit compare on what it made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import domainkit
from tests.synthesis.scripted import Scripted, perfect, price_list

OWNERS = ("miller", "smith", "baker", "weaver", "tanner", "cooper", "mason", "fisher")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "price lists"
    folder.mkdir()
    for number, owner in enumerate(OWNERS, start=1):
        text = f"# Prices of the {owner}\n\n{price_list(owner, number, count=8)}\n"
        (folder / f"{owner}.md").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def scripted_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--writer scripted:perfect` is the writer of these tests, as an integration of LangChain would be."""
    monkeypatch.setattr("langchain.chat_models.init_chat_model", lambda name: Scripted(perfect))


def test_made_rows_compare_and_the_report_says_that_they_are_synthetic(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = domainkit("make", corpus, "--writer", "scripted:perfect", "--rows", 40, "--test-share", 0.5, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "40 of 40 rows: 20 training rows from 4 documents and 20 test rows from 4 documents." in done.stdout
    command = done.stdout.rpartition("Next: ")[2].strip()
    assert command.startswith("domainkit compare --task ")
    assert f"--corpus '{corpus}'" in command

    words = ["--task", out / "test.jsonl", "--train", out / "train.jsonl", "--corpus", corpus]
    variants = ["--variants", "trivial,classical", "baseline=trivial"]
    compared = domainkit("compare", *words, *variants, "--out", out / "comparison")
    caution = "All 20 test questions are synthetic, written by scripted:perfect from documents"
    assert caution in " ".join(compared.stdout.split()), compared.stderr
    assert "not read" not in compared.stderr
    results = json.loads((out / "comparison" / "results.json").read_text(encoding="utf-8"))
    assert results["task"]["synthetic"] == {"questions": 20, "writers": ["scripted:perfect"], "by_own_base": False}
    for name in ("report.html", "report.md"):
        assert "All 20 test questions are synthetic" in (out / "comparison" / name).read_text(encoding="utf-8")


def test_retrieval_finds_the_document_of_each_made_question(corpus: Path, tmp_path: Path) -> None:
    from domainkit import build_retriever, read_task

    out = tmp_path / "run"
    domainkit("make", corpus, "--writer", "scripted:perfect", "--rows", 20, "--test-share", 1, "--out", out)
    retriever = build_retriever(corpus, k=3, kind="lexical")
    samples = read_task(out / "test.jsonl").samples
    found = [[d.metadata["parent"] for d in retriever.invoke(s.input)] for s in samples]
    assert len(samples) == 20
    assert all(s.doc_ids[0] in ids for s, ids in zip(samples, found, strict=True))


def test_bad_input_is_one_message(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    missing = domainkit("make", corpus)
    assert (missing.returncode, missing.stderr.splitlines()[0]) == (2, "error: missing: --writer, --out")
    absent = domainkit("make", tmp_path / "absent", "--writer", "scripted:perfect", "--out", out)
    assert absent.returncode == 2
    assert str(tmp_path / "absent") in absent.stderr
    wrong = domainkit("make", corpus, "--writer", "scripted:perfect", "--out", out, "--rows", 0)
    assert "rows=0" in wrong.stderr
    assert "Traceback" not in missing.stderr + absent.stderr + wrong.stderr
    assert not out.exists(), "a refused command leaves nothing behind"


def test_no_row_at_all_ends_with_an_error_code_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "poem.md").write_text("The sea is wide and the night is long and the ship is far away from us.\n" * 2)
    done = domainkit(
        "make", tmp_path / "poem.md", "--writer", "scripted:x", "--test-share", 0, "--out", tmp_path / "run"
    )
    assert done.returncode == 1
    assert "0 of 100 rows: no row." in done.stdout
    assert "form: the reply is not the JSON that was asked for" in done.stdout
    assert "none in poem, part 1: form: no rows (2)" in done.stdout
