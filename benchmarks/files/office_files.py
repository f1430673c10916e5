"""The sample domain as an office keeps it: questions in a CSV file, articles in a few Word and PDF files.

python -m benchmarks.files.office_files        writes examples/office/
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from benchmarks.files.document_writers import Article, read_article

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = ("Ticket", "Customer asked", "We answered")
FILES = {
    "plans.docx": ("plan-*", "changing-plan", "pausing-a-plan", "cancelling", "passing-a-hive-on", "refer-a-friend"),
    "billing.pdf": ("paying-your-bill", "late-payment", "hive-deposit", "gift-vouchers", "complaints", "repairs"),
    "visits.docx": ("garden-check", "installation-day", "keeper-visits", "rescheduling-a-visit", "is-it-*"),
    "bees.pdf": ("bee-*", "new-queens", "swarm-*", "bait-*", "hornet-*", "spray-*", "winter-feed", "water-*"),
    "honey.docx": ("harvest-day", "honey-*", "jar-labels", "extra-jars", "broken-jars", "pick-up-*", "wax-*"),
    "hivelight.pdf": ("*hivelight*", "weighing-plate", "*comb", "comb-*", "downloading-records"),
    "stings.docx": ("*sting*", "suits-and-veils", "children-and-pets"),
    "hive.pdf": ("moving-*", "rooftop-hives", "storms-and-floods", "winter-jackets", "letters-*", "schools-*"),
}
"""Each file and the articles in it, by the patterns of their names."""


def main() -> None:
    out = EXAMPLES / "office"
    (out / "handbook").mkdir(parents=True, exist_ok=True)
    write_questions(out / "questions.csv")
    for name, patterns in FILES.items():
        write = write_docx if name.endswith(".docx") else write_pdf
        write([read_article(path) for path in articles_of(patterns)], out / "handbook" / name)


def articles_of(patterns: tuple[str, ...]) -> list[Path]:
    folder = EXAMPLES / "tallowmere" / "articles"
    return sorted({path for pattern in patterns for path in folder.glob(f"{pattern}.md")})


def write_questions(path: Path) -> None:
    """Semicolons, as a spreadsheet writes them where a comma marks decimals."""
    texts = [EXAMPLES / "tallowmere" / f"answers_{part}.jsonl" for part in ("train", "test")]
    rows = [json.loads(line) for text in texts for line in text.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=";", lineterminator="\n")
        table.writerow(HEAD)
        table.writerows((f"{number:05d}", row["input"], row["target"]) for number, row in enumerate(rows, start=1))


def write_docx(articles: list[Article], path: Path) -> None:
    from docx import Document

    document = Document()
    document.add_heading(f"Handbook: {path.stem}", 0)
    for article in articles:
        document.add_heading(article.title, 1)
        for block in article.blocks:
            style = "List Bullet" if block.startswith("- ") else None
            document.add_paragraph(block.removeprefix("- "), style=style)
    document.save(str(path))


def write_pdf(articles: list[Article], path: Path) -> None:
    """An article a page, without the time of writing in the file."""
    from xml.sax.saxutils import escape

    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

    styles = getSampleStyleSheet()
    parts: list[object] = []
    for article in articles:
        parts.append(Paragraph(escape(article.title), styles["Heading1"]))
        parts += [Paragraph(escape(block), styles["BodyText"]) for block in article.blocks]
        parts.append(PageBreak())
    SimpleDocTemplate(str(path), invariant=1).build(parts)


if __name__ == "__main__":
    main()
