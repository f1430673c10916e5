"""Events of MkDocs: pages that are made while the site is built, and links of pages that lie outside docs/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, InclusionLevel

from docs_site import links
from docs_site.commands import command_pages
from docs_site.navigation import GUIDES, pages_in, with_groups
from docs_site.python_api import api_pages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {"reference/commands/": command_pages, "reference/python/": api_pages}
"""Entries of the navigation that stand for all pages of a group; the first page is the group's own."""
PARTS = Path(__file__).parent / "parts"
"""Style and script, put on the site as they are."""

_made: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the reference pages, and put them into the navigation."""
    _made.clear()
    config.mdx_configs["toc"]["slugify"] = links.slug
    pages = {group: make() for group, make in GROUPS.items()}
    for group in pages.values():
        _made.update(group)
    for source, place in links.PAGES.items():
        _made[place] = (ROOT / source).read_text(encoding="utf-8")
    groups = {name: list(group) for name, group in pages.items()}
    named = pages_in(config.nav)
    guides = sorted(f"{GUIDES}{page.name}" for page in Path(config.docs_dir, GUIDES).glob("*.md"))
    groups[GUIDES] = [page for page in guides if page not in named]
    config.nav = with_groups(config.nav, groups)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages made here, and the files outside docs/ that pages link to."""
    for place, text in _made.items():
        files.append(File.generated(config, place, content=text))
    for part in PARTS.iterdir():
        files.append(File.generated(config, f"assets/{part.name}", abs_src_path=str(part)))
    _add_linked(files, files.documentation_pages(), config)
    return files


def _add_linked(files: Files, pages: Iterable[File], config: MkDocsConfig) -> None:
    """Add the files outside docs/ that `pages` link to, and what those link to."""
    targets = {
        links.resolve(links.source_of(page.src_uri), target)[0]
        for page in pages
        for _, _, target in links.relative_links(page.content_string)
    }
    new = [
        path for path in sorted(targets) if (ROOT / path).is_file() and links.place_on_site(path) not in files.src_uris
    ]
    for path in new:
        file = File.generated(config, links.place_on_site(path), abs_src_path=str(ROOT / path))
        file.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(file)
        if file.is_documentation_page():
            _add_linked(files, [file], config)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    if page.file.src_uri.startswith(tuple(GROUPS)):
        return markdown
    cells = links.whole_intervals(links.bars_in_cells(markdown))
    return links.for_site(cells, page.file.src_uri, lambda path: (ROOT / path).is_file())
