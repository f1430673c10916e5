"""The site's navigation: folders in it stand for their pages."""

from __future__ import annotations

GUIDES = "guides/"
"""Folder of docs/ whose pages come into the navigation by themselves; those that it names come first."""

Nav = str | list["Nav"] | dict[str, "Nav"]
"""`nav` of mkdocs.yml: a page or a folder, a list of entries, or titles and what stands under them."""


def pages_in(nav: Nav) -> list[str]:
    """All pages and folders of a navigation."""
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in pages_in(entry)]


def with_groups(nav: Nav, groups: dict[str, list[str]]) -> Nav:
    """The navigation with its folders replaced by their pages."""
    if isinstance(nav, str):
        return groups.get(nav, nav)
    if isinstance(nav, dict):
        return {title: with_groups(entry, groups) for title, entry in nav.items()}
    entries: list[Nav] = []
    for entry in nav:
        pages = with_groups(entry, groups)
        entries += pages if entry == GUIDES and isinstance(pages, list) else [pages]
    return entries
