"""Documents: what comes out of each format, and whether retrieval finds it as well as in Markdown.

    python -m benchmarks.files.documents [FOLDER]

1. The sample domain's articles are written in each format by real writers and read back; the same questions are asked:
hit@3 of the lexical and the fused retriever, and seconds a document. 2. With FOLDER (`docs/`, and `truth/NAME.json` of
text, headings, noise, absent): the words that come out, against those that should. F1 is that of the two bags of words;
order is the longest common subsequence over the longer text. Japanese is compared by characters.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.files.document_writers import WRITERS, print_pdfs, read_article
from benchmarks.runs import save
from domainkit.corpus.document import Document
from domainkit.corpus.document_files import scan_documents
from domainkit.retrieval.build import build_retriever

SAMPLE = Path(__file__).parents[2] / "examples" / "tallowmere"
K = 3
_LIGATURES = str.maketrans({0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"})


def main() -> None:
    facts: dict[str, Any] = {"formats": formats_table()}
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder is None or not (folder / "truth").is_dir():
        print("\nno folder with docs/ and truth/ given: the second table is left out")
    else:
        facts["truth"] = truth_table(folder)
    save("documents", facts)


def formats_table() -> list[dict[str, Any]]:
    """Retrieval in each format, beside Markdown."""
    lines = (SAMPLE / "answers_test.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [row for row in map(json.loads, lines) if row.get("doc_ids")]
    articles = {path.stem: read_article(path) for path in sorted((SAMPLE / "articles").glob("*.md"))}
    rows = [_format_row("Markdown", SAMPLE / "articles", questions)]
    with tempfile.TemporaryDirectory() as scratch:
        for suffix, write in WRITERS.items():
            folder = Path(scratch) / suffix
            folder.mkdir()
            for name, article in articles.items():
                write(article, folder / f"{name}{suffix}")
            rows.append(_format_row(suffix, folder, questions))
        printed = Path(scratch) / "printed"
        printed.mkdir()
        if print_pdfs(articles, printed):
            rows.append(_format_row(".pdf, from a browser", printed, questions))
        else:
            print("no chromium: PDFs of a browser are left out")
    print(
        f"\n{len(questions)} questions, {len(articles)} articles\n| format | lexical hit@3 | fused hit@3 | s/document |"
    )
    print("| --- | --- | --- | --- |")
    for row in rows:
        hits = f"{100 * row['lexical']:.1f} | {100 * row['fused']:.1f}"
        print(f"| {row['format']} | {hits} | {row['seconds_per_document']:.3f} |")
    return rows


def _format_row(name: str, folder: Path, questions: list[dict[str, Any]]) -> dict[str, Any]:
    begin = time.perf_counter()
    documents, problems = scan_documents(folder)
    seconds = time.perf_counter() - begin
    for problem in problems:
        print(problem)
    hits = {kind: _hit_share(documents, kind, questions) for kind in ("lexical", "fused")}
    return {"format": name, **hits, "seconds_per_document": seconds / len(documents), "documents": len(documents)}


def _hit_share(documents: list[Document], kind: str, questions: list[dict[str, Any]]) -> float:
    retriever = build_retriever(documents, kind, k=K, cache=False)
    found = retriever.batch([question["input"] for question in questions])
    hits = sum(
        any(passage.metadata["parent"] in question["doc_ids"] for passage in passages)
        for question, passages in zip(questions, found, strict=True)
    )
    return hits / len(questions)


def truth_table(folder: Path) -> list[dict[str, Any]]:
    """What came out of each file with a known text."""
    rows = []
    print("\n| file | F1 | order | headings | noise | absent | s |\n| --- | --- | --- | --- | --- | --- | --- |")
    for truth_file in sorted((folder / "truth").glob("*.json")):
        truth = json.loads(truth_file.read_text(encoding="utf-8"))
        file = folder / "docs" / truth_file.stem
        begin = time.perf_counter()
        documents, problems = scan_documents(file)
        seconds = time.perf_counter() - begin
        if not documents:
            print(f"| {file.name} | not read: {problems[0].what} | | | | | {seconds:.2f} |")
            continue
        row = {"file": file.name, **_scores(documents[0], truth, file), "seconds": seconds}
        rows.append(row)
        shares = f"{row['headings']} | {row['noise']} | {row['absent']}"
        print(f"| {row['file']} | {row['f1']:.3f} | {row['order']:.3f} | {shares} | {seconds:.2f} |")
    return rows


def _scores(document: Document, truth: dict[str, Any], file: Path) -> dict[str, Any]:
    # A mail's subject is no part of its text.
    text = document.text if file.suffix in (".eml", ".msg") else f"{document.title}\n{document.text}"
    by_character = bool(truth.get("cjk")) or "_ja_" in file.name
    found, wanted = _words(text, by_character), _words(truth["text"], by_character)
    common = sum((Counter(found) & Counter(wanted)).values())
    names = {document.title} | {h for mark in document.marks for h in mark.headings}
    headings = [h if isinstance(h, str) else h[0] for h in truth.get("headings", [])]
    return {
        "f1": 2 * common / max(1, len(found) + len(wanted)),
        "order": _common_subsequence(found, wanted) / max(1, len(found), len(wanted)),
        "headings": f"{sum(h in names for h in headings)}/{len(headings)}" if headings else "",
        "noise": f"{sum(n in text for n in truth['noise'])} left" if "noise" in truth else "",
        "absent": f"{sum(n in text for n in truth['absent'])} left" if "absent" in truth else "",
    }


def _words(text: str, by_character: bool) -> list[str]:
    text = text.translate(_LIGATURES)
    return [c for c in text if c.isalnum()] if by_character else re.findall(r"\w+", text)


def _common_subsequence(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence (bit-parallel, Crochemore et al. 2001)."""
    places: dict[str, int] = {}
    for i, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << i
    mask = (1 << len(b)) - 1
    row = mask
    for word in a:
        update = row & places.get(word, 0)
        row = ((row + update) | (row - update)) & mask
    return len(b) - row.bit_count()


if __name__ == "__main__":
    main()
