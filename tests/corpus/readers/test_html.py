"""HTML: the main content in the page's own encoding, without what a browser does not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.corpus.document import Document
from domainkit.corpus.readers.html import read_html
from domainkit.corpus.reading import collecting_warnings
from domainkit.errors import DataError

ARTICLE = """<!doctype html><html><head><title>Winter | Bees</title><script>SCRIPT</script><style>STYLE</style></head>
<body><header><nav><a href=/>NAV</a></nav></header><div class="cookie-banner">COOKIES accept</div><aside>ASIDE</aside>
<h1>Winter</h1><p>Feed <b>two</b> to one.</p><p style="display:none">HIDDEN</p><ul><li>Sugar<li>Water</ul>
<h2>Dates</h2><table><tr><th>Month<th>Kilos<tr><td>May<td>3</table><pre>a
  b</pre><footer>FOOTER</footer><noscript>NOSCRIPT</noscript></body></html>"""


def read(path: Path, html: str | bytes) -> Document:
    path.write_bytes(html.encode() if isinstance(html, str) else html)
    [document] = read_html(path, "page")
    return document


def test_a_page_is_its_main_content(tmp_path: Path) -> None:
    with collecting_warnings() as warnings:
        document = read(tmp_path / "a.html", ARTICLE)
    assert document.title == "Winter"
    table = "Dates\n\n| Month | Kilos |\n| May | 3 |"
    assert document.text == f"Feed two to one.\n\n- Sugar\n- Water\n\n{table}\n\na\nb"
    assert [m.headings for m in document.marks] == [("Dates",)]
    assert document.meta["removed"] == {"hidden_letters": 6}
    assert [p.what for p in warnings] == ["6 hidden letters left out"]


def test_a_page_that_marks_its_content_is_only_that(tmp_path: Path) -> None:
    text = "This is the text of the page, which says what it is about. " * 3
    html = f"<title>T</title><div>Sign in now</div><main><p>{text}</p></main><div>More pages</div>"
    assert read(tmp_path / "a.html", html).text == text.strip()


def test_a_page_of_short_terms_loses_none(tmp_path: Path) -> None:
    terms = "".join(f"<dt>Term{i}<dd>Short." for i in range(9))
    document = read(tmp_path / "a.html", f"<body><div><h1>Glossary</h1><dl>{terms}</dl></div></body>")
    assert document.text.split() == [word for i in range(9) for word in (f"Term{i}", "Short.")]


@pytest.mark.parametrize(
    "head, encoding",
    [
        ("<meta charset=shift_jis>", "shift_jis"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=EUC-JP">', "euc_jp"),
        ("", "utf-16"),
        ("<meta charset=iso-8859-1>", "utf-8"),
    ],
)
def test_the_declared_encoding_is_used(tmp_path: Path, head: str, encoding: str) -> None:
    html = f"{head}<body><p>果樹園の管理者</p></body>"
    if "8859" in head:
        html = "\ufeff" + html  # a byte order mark decides
    assert read(tmp_path / "a.html", html.encode(encoding)).text == "果樹園の管理者"


def test_a_guessed_encoding_is_a_warning(tmp_path: Path) -> None:
    with collecting_warnings() as warnings:
        assert read(tmp_path / "a.html", "<p>Größe “wählen” für 5 €</p>".encode("cp1252")).text.startswith("Größe “w")
    assert [str(p).removeprefix(str(tmp_path)) for p in warnings] == [
        "/a.html: names no encoding: read as Windows-1252\n  next: save it as UTF-8 if letters are wrong"
    ]


def test_layout_tables_and_nested_links_are_text(tmp_path: Path) -> None:
    html = "<table role=presentation><tr><td><h2>Left</h2><p>One.</p></td></tr></table><a href=x><div>Two.</div></a>"
    assert read(tmp_path / "a.html", html).text.split() == ["One.", "Two."]


def test_a_page_made_by_a_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no text in 20,\d+ bytes\n  next: print the page to PDF"):
        read(tmp_path / "a.html", f"<div id=app></div><script>{'x' * 20_000}</script>")


def test_markup_nested_too_deep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is nested more than 300 levels deep"):
        read(tmp_path / "a.html", "<div>" * 1000 + "x")
