"""Links between the repository's pages lead somewhere, and mean the same on the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_site.links import PAGES, anchors, bars_in_cells, for_site, relative_links, resolve, slug, whole_intervals

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*PAGES, *(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md"))])


def broken_links(root: Path, source: str) -> list[str]:
    text = (root / source).read_text(encoding="utf-8")
    broken = []
    for start, _, target in relative_links(text):
        path, anchor = resolve(source, target)
        file = root / path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(f"{source}:{text.count(chr(10), 0, start) + 1}: {target}")
    return broken


@pytest.mark.parametrize("source", SOURCES)
def test_a_link_leads_to_a_file_and_to_a_heading(source: str) -> None:
    assert not broken_links(ROOT, source)


def test_a_broken_link_is_found_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.md").write_text("# The end\n\n```sh\n# no heading\n```\n", encoding="utf-8")
    lines = [
        "[good](docs/b.md#the-end) [other host](https://example.org/x) `[code](nowhere.md)`",
        "[bad](docs/b.md#no-heading)",
        '<img src="docs/picture.svg">',
        "~~~md\n[fenced](nowhere.md)\n~~~",
        "[bad too](#here)",
    ]
    (tmp_path / "README.md").write_text("\n".join(lines), encoding="utf-8")
    assert broken_links(tmp_path, "README.md") == [
        "README.md:2: docs/b.md#no-heading",
        "README.md:3: docs/picture.svg",
        "README.md:7: #here",
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Every kind of task", "every-kind-of-task"),
        ("Who asks, and what?", "who-asks-and-what"),
        ("Prompt — or tune", "prompt--or-tune"),
        ("`domainkit leave`", "domainkit-leave"),
    ],
)
def test_anchors_are_those_of_the_repository_page(heading: str, anchor: str) -> None:
    assert anchors(f"## {heading}\n") == {anchor} == {slug(heading)}


def test_a_repeated_heading_is_numbered() -> None:
    assert anchors("# A\n## B\n## B\n") == {"a", "b", "b-1"}


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        ("index.md", "docs/data.md#rows", "data.md#rows"),
        ("data.md", "../README.md", "index.md"),
        ("guides/start.md", "../data.md", "../data.md"),
        ("guides/start.md", "../../examples/a.ipynb", "../files/examples/a.ipynb"),
        ("files/examples/about.md", "../README.md#x", "../../index.md#x"),
        ("data.md", "#rows", "#rows"),
        ("data.md", "gone.md", "gone.md"),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(page: str, link: str, on_the_site: str) -> None:
    assert for_site(f"[x]({link})", page, lambda path: path != "docs/gone.md") == f"[x]({on_the_site})"


def test_a_bar_in_code_of_a_cell_loses_its_escape_there_alone() -> None:
    assert bars_in_cells("| `a\\|b` | c \\| d |\ntext `a\\|b`") == "| `a|b` | c \\| d |\ntext `a\\|b`"


def test_an_interval_in_a_cell_does_not_break_at_its_dash() -> None:
    assert whole_intervals("| 1.5 % (0.9–2.7) | a–b |\n1–2") == "| 1.5 % (0.9\u2060–\u20602.7) | a–b |\n1–2"
