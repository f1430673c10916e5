"""The site builds without a warning, and opens from its folder without asking another host for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the documentation tools are not installed: make .venv/.docs")
pytest.importorskip("material", reason="the documentation tools are not installed: make .venv/.docs")
ROOT = Path(__file__).resolve().parents[2]
_FETCHED = re.compile(
    r"""<(?:link(?![^>]*rel="(?:canonical|next|prev)")[^>]*?\shref|(?:script|img|source|iframe)[^>]*?\ssrc(?:set)?)=["']?([^"'\s>]+)"""
)
"""Addresses that a browser fetches to show a page. A canonical link is none."""
_STYLED = re.compile(r"""(?:@import|url\()\s*["']?((?:https?:)?//[^)"']*)""")
_OTHER_HOST = re.compile(r"(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` builds; mkdocs.yml makes each warning an error."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_reads_offline(site: Path) -> None:
    guides = {page.with_suffix(".html").name for page in (ROOT / "docs" / "guides").glob("*.md")}
    assert guides <= {page.name for page in (site / "guides").iterdir()}
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]  # a server's own, with addresses of it
    fetched = {(page, address) for page in pages for address in _FETCHED.findall(page.read_text(encoding="utf-8"))}
    assert {page for page, address in fetched if address.endswith(".css")} == set(pages)
    assert not [(page.name, address) for page, address in fetched if _OTHER_HOST.match(address)]
    assert not [address for page, address in fetched if not (page.parent / re.split("[?#]", address)[0]).exists()]
    assert not [found for style in site.rglob("*.css") for found in _STYLED.findall(style.read_text(encoding="utf-8"))]


def test_what_a_page_fetches_is_found() -> None:
    page = '<link rel="canonical" href="https://a/b"><link href="//a/c.css"><script src=\'https://a/d.js\'></script>'
    assert _FETCHED.findall(page + '<picture><source media="x" srcset="e.svg"><img src="f.svg">') == [
        "//a/c.css",
        "https://a/d.js",
        "e.svg",
        "f.svg",
    ]
    assert _STYLED.findall("@import 'https://a/b.css'; a {background: url(//a/c.png)} b {background: url(d.png)}") == [
        "https://a/b.css",
        "//a/c.png",
    ]
