"""Articles in Markdown written as PDF, Word, PowerPoint, HTML, EPUB and mail, each by the format's own writer."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple


class Article(NamedTuple):
    title: str
    blocks: list[str]
    """Paragraphs; those of list items begin with "- "."""


def read_article(path: Path) -> Article:
    title, _, text = path.read_text(encoding="utf-8").partition("\n")
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.split("\n")
        blocks += lines if block.startswith("- ") else [" ".join(lines)]
    return Article(title.removeprefix("# "), blocks)


def page_of(article: Article) -> str:
    body = []
    for block in article.blocks:
        text = html.escape(block.removeprefix("- "))
        body.append(f"<li>{text}</li>" if block.startswith("- ") else f"<p>{text}</p>")
    text = re.sub(r"((?:<li>.*?</li>)+)", r"<ul>\1</ul>", "".join(body))
    menu = "<nav><a href=/>Home</a> <a href=/all>All articles</a></nav>"
    head = f"<head><meta charset=utf-8><title>{html.escape(article.title)} | Tallowmere</title></head>"
    footer = "<footer>Tallowmere Honey, all rights reserved</footer>"
    return f"<!doctype html><html>{head}<body>{menu}<h1>{html.escape(article.title)}</h1>{text}{footer}</body></html>"


def write_html(article: Article, path: Path) -> None:
    path.write_text(page_of(article), encoding="utf-8")


def write_pdf(article: Article, path: Path) -> None:
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import ListFlowable, Paragraph, SimpleDocTemplate

    styles = getSampleStyleSheet()
    parts = [Paragraph(html.escape(article.title), styles["Title"])]
    for block in article.blocks:
        text = Paragraph(html.escape(block.removeprefix("- ")), styles["BodyText"])
        parts.append(ListFlowable([text], bulletType="bullet") if block.startswith("- ") else text)
    SimpleDocTemplate(str(path)).build(parts)


def write_docx(article: Article, path: Path) -> None:
    from docx import Document

    document = Document()
    document.add_heading(article.title, 0)
    for block in article.blocks:
        style = "List Bullet" if block.startswith("- ") else None
        document.add_paragraph(block.removeprefix("- "), style=style)
    document.save(str(path))


def write_pptx(article: Article, path: Path) -> None:
    """A title slide, then two paragraphs or six items a slide."""
    from pptx import Presentation

    show = Presentation()
    show.slides.add_slide(show.slide_layouts[0]).shapes.title.text = article.title
    waiting: list[str] = []
    for block in [*article.blocks, ""]:
        if waiting and (not block or len(waiting) >= (6 if waiting[0].startswith("- ") else 2)):
            slide = show.slides.add_slide(show.slide_layouts[1])
            slide.shapes.title.text = article.title
            slide.placeholders[1].text = "\n".join(b.removeprefix("- ") for b in waiting)
            waiting = []
        waiting.append(block)
    show.save(str(path))


def write_mail(article: Article, path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = article.title, "desk@example.org", "all@example.org"
    message.set_content("\n\n".join(article.blocks) + "\n-- \nTallowmere Honey\n")
    path.write_bytes(bytes(message))


def write_epub(article: Article, path: Path) -> None:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>'
        f"{html.escape(article.title)}</dc:title></metadata><manifest>"
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        container = '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("p.opf", package)
        archive.writestr("a.xhtml", page_of(article).replace("<!doctype html>", ""))


WRITERS: dict[str, Callable[[Article, Path], None]] = {
    ".pdf": write_pdf,
    ".docx": write_docx,
    ".pptx": write_pptx,
    ".html": write_html,
    ".epub": write_epub,
    ".eml": write_mail,
}


def print_pdfs(articles: dict[str, Article], folder: Path) -> bool:
    """The articles' pages printed by a browser; False where there is none."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return False
    for name, article in articles.items():
        page = folder / f"{name}.html"
        page.write_text(page_of(article), encoding="utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--print-to-pdf={folder / name}.pdf", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        page.unlink()
    return True
