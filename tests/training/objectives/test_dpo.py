"""DPO learns from whole pairs, tool calls among them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.corpus.preferences import Pair, read_pairs
from domainkit.errors import DataError
from tests.training.preference.small_preferences import (
    example,
    record_of,
    run,
)


def test_long_rows_are_refused_instead_of_cut(tiny_base: str, tmp_path: Path) -> None:
    long = [Pair(chosen=example("q", "a" * 1200, 1), rejected=example("q", "b", 1))]
    made = run(tiny_base, tmp_path / "a", "dpo", long, probe=0)
    assert record_of(made)["curve"][0]["length"] == (1201 + 2) / 2
    with pytest.raises(DataError, match=r"rows\.jsonl:1: .* are more than max_length=600"):
        run(tiny_base, tmp_path / "b", "dpo", long, max_length=600)
    with pytest.raises(DataError, match=r"rows\.jsonl:2: its prompt of \d+ tokens and an answer of max_new_tokens=6"):
        run(tiny_base, tmp_path / "c", "grpo", [example("q", "a"), example("q" * 600, "a", 2)], max_length=600)


def test_a_call_can_be_preferred(tiny_base: str, tmp_path: Path) -> None:
    add = {"type": "function", "function": {"name": "add"}}
    row = {
        "tools": [add],
        "prompt": "1 and 2?",
        "chosen": [{"role": "assistant", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]}],
        "rejected": "3, I think.",
    }
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    pairs = read_pairs(tmp_path / "pairs.jsonl")
    assert pairs[0].chosen.tools == pairs[0].rejected.tools == (add,)
    made = run(tiny_base, tmp_path / "a", "dpo", pairs, probe=1)
    length = len('<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    assert record_of(made)["curve"][0]["length"] == (length + 1 + len("3, I think.") + 1) / 2
