"""run.toml is TOML whatever names stand in it, and comments stay comments."""

from __future__ import annotations

import tomllib

from domainkit.project.run_toml import Setting, text_of


def test_values_and_hostile_names_are_read_back() -> None:
    column = 'a "b"\\c\n\x7fd = 1'
    settings = [
        Setting("map", {"input": column, "odd key": "x"}, (f"Found: {column}",)),
        Setting("corpus", ["a", "*.pdf"], ("line one\nrows = 1",)),
        Setting("race", True, ()),
        Setting("test", 0.2, ("Shares.",), "split"),
        Setting("by", None, ("Left out.",), "split", '"time"'),
        Setting("gpt", None, (), "models", '"openai:x"'),
    ]
    text = text_of(settings, ["Head."], {"split": "How.", "models": "Others."})
    assert tomllib.loads(text) == {
        "map": {"input": column, "odd key": "x"},
        "corpus": ["a", "*.pdf"],
        "race": True,
        "split": {"test": 0.2},
    }
    assert '# by = "time"' in text
    assert '# [models]\n# gpt = "openai:x"' in text
    assert max(map(len, text.splitlines())) <= 120
