"""Every page of docs/ has its place in the site's navigation."""

from __future__ import annotations

from pathlib import Path

import yaml

from docs_site.links import PAGES
from docs_site.navigation import GUIDES, pages_in, with_groups

ROOT = Path(__file__).resolve().parents[2]


def test_the_navigation_has_every_page_once() -> None:
    listed = pages_in(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert len(listed) == len(set(listed))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")} | {*PAGES.values()}
    assert {page for page in listed if not page.endswith("/")} <= pages
    missing = {page for page in pages - set(listed) if not page.startswith(GUIDES)}
    assert not missing, "add them to mkdocs.yml, under nav"


def test_a_folder_stands_for_its_pages() -> None:
    nav = ["index.md", {"Guides": ["guides/a.md", GUIDES]}, {"Commands": "commands/"}]
    groups = {GUIDES: ["guides/b.md", "guides/c.md"], "commands/": ["commands/ask.md"]}
    assert with_groups(nav, groups) == [
        "index.md",
        {"Guides": ["guides/a.md", "guides/b.md", "guides/c.md"]},
        {"Commands": ["commands/ask.md"]},
    ]
