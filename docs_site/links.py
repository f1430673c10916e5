"""Links of Markdown pages and the anchors of their headings, by the rules of GitHub, and the same links on the site."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Files outside docs/ that are pages of the site, and where they stand there."""
FILES = "files/"
"""Folder of the site for other linked files of the repository."""

_CODE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)`*~*[ ]*$|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)", re.M | re.S
)
_LINK = re.compile(r"""\]\(\s*<?(?P<link>[^)\s>]+)|\b(?:href|src|srcset)=["'](?P<attribute>[^"'\s]+)""")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.M)
_ANCHOR = re.compile(r"""<a\s+(?:name|id)=["'](?P<name>[^"']+)""")
_OTHER_HOST = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.I)


def slug(heading: str, separator: str = "-") -> str:
    """The anchor of a heading: lower case, without punctuation, a hyphen for each space (GitHub's rule)."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def without_code(markdown: str) -> str:
    """The same text with its code blanked out, so that places stay what they are."""
    return _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), markdown)


def relative_links(markdown: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, target) of every link to a file or heading of this repository."""
    for match in _LINK.finditer(without_code(markdown)):
        name = "link" if match["link"] else "attribute"
        if not _OTHER_HOST.match(match[name]):
            yield match.start(name), match.end(name), match[name]


def anchors(markdown: str) -> set[str]:
    """Anchors of all headings; a repeated heading gets -1, -2."""
    text = re.sub(r"^(```|~~~).*?^\1", lambda code: "\n" * code[0].count("\n"), markdown, flags=re.M | re.S)
    seen: Counter[str] = Counter()
    found = {match["name"] for match in _ANCHOR.finditer(text)}
    for match in _HEADING.finditer(text):
        name = slug(re.sub(r"!?\[([^\]]*)\]\([^)]*\)|[`*]", r"\1", match["text"]))
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def resolve(source: str, target: str) -> tuple[str, str]:
    """(path in the repository, anchor) that `target` means in the file `source`; both paths with `/`."""
    path, _, anchor = target.partition("#")
    return (posixpath.normpath(posixpath.join(posixpath.dirname(source), path)) if path else source), anchor


def place_on_site(path: str) -> str:
    """Where a file of the repository stands on the site."""
    if path in PAGES:
        return PAGES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else FILES + path


def source_of(page: str) -> str:
    """The file of the repository that is the site's page `page`."""
    if page.startswith(FILES):
        return page.removeprefix(FILES)
    return next((source for source, place in PAGES.items() if place == page), f"docs/{page}")


def for_site(markdown: str, page: str, exists: Callable[[str], bool]) -> str:
    """`markdown` of the site's page `page` with its links as the site has them. A link to nothing stays, and is
    reported by the builder."""
    source, pieces, done = source_of(page), [], 0
    for start, end, target in relative_links(markdown):
        path, anchor = resolve(source, target)
        if not target.startswith("#") and exists(path):
            moved = posixpath.relpath(place_on_site(path), posixpath.dirname(page) or ".")
            pieces += [markdown[done:start], moved + (f"#{anchor}" if anchor else "")]
            done = end
    return "".join([*pieces, markdown[done:]])


def bars_in_cells(markdown: str) -> str:
    """GitHub wants a bar in the code of a cell escaped; Python-Markdown would show the escape."""
    return re.sub(
        r"^\|.*", lambda row: re.sub(r"`[^`]+`", lambda code: code[0].replace("\\|", "|"), row[0]), markdown, flags=re.M
    )


def whole_intervals(markdown: str) -> str:
    """An interval in a cell breaks before its bracket, not inside: a word joiner (U+2060) stands at its dash."""
    return re.sub(
        r"^\|.*", lambda row: re.sub(r"(?<=\d)–(?=\d)", "\u2060–\u2060", row[0]), markdown, flags=re.MULTILINE
    )
