"""The Python reference has every public name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import domainkit
from docs_site import python_api

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_on_one_page() -> None:
    text = "\n".join(python_api.api_pages().values())
    for name in domainkit.__all__:
        assert text.count(f".{name}\n    options:") == 1, name


def test_a_public_name_without_a_page_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(domainkit._PUBLIC, "novelty", "domainkit.errors")
    with pytest.raises(ValueError, match="no topic of the Python reference has novelty: add them in"):
        python_api.api_pages()


def test_what_has_no_public_name_is_where_its_page_says() -> None:
    """Read, not imported: the modules would load torch."""
    for path in (name for topic in python_api.TOPICS.values() for name in topic.names if "." in name):
        module, _, name = path.rpartition(".")
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}, path
