"""domainkit ingest: what it says of a folder."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import domainkit


def test_the_summary_and_the_next_command(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# Bees\nThey fly.")
    (folder / "bad.pdf").write_text("no PDF")
    out = tmp_path / "corpus file.jsonl"
    done = domainkit("ingest", folder, "--out", out, "--workers", "1")
    assert done.returncode == 0
    assert done.stdout == (
        "1 documents, 2 words from 1 files\n"
        "files: 2 new, 0 changed, 0 unchanged, 0 deleted\n"
        "left out: 1 files that gave no document\n"
        "1 × is damaged, or no PDF\n"
        f"\nNext: domainkit compare --task TEST.jsonl --corpus '{out}' --out runs/first\n"
    )
    assert f"warning: {folder / 'bad.pdf'}: is damaged, or no PDF" in done.stderr


def test_faulty_rows_are_errors_and_the_rest_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Kept.")
    (tmp_path / "b.jsonl").write_text("{}")
    done = domainkit("ingest", tmp_path, "--out", tmp_path / "out" / "c.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith(f"files: 2/2\nerror: {tmp_path / 'b.jsonl'}:1: missing field 'text'")
    assert (tmp_path / "out" / "c.jsonl").read_text() == '{"id": "a", "text": "Kept."}\n'
