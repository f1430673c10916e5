"""Columns to fields: what each is read as."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit import read_examples
from domainkit.errors import DataError


def test_a_conversation_beside_another_layout_is_a_name_and_not_a_list_of_turns(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    named = tmp_path / "named.jsonl"
    rows = [{"conversation": "c1", "messages": messages}, {"conversation": 2, "input": "q", "target": "t"}]
    named.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [e.target for e in read_examples(named)] == ["b", "t"]
    table = tmp_path / "table.csv"
    table.write_text("conversation,input,target\nc1,q,t\n", encoding="utf-8")
    assert [e.target for e in read_examples(table)] == ["t"]
    mapped = tmp_path / "mapped.csv"
    mapped.write_text("thread,input,target\nc1,q,t\n", encoding="utf-8")
    assert [e.target for e in read_examples(mapped, {"conversation": "thread"})] == ["t"]
    both = tmp_path / "both.jsonl"
    both.write_text(json.dumps({"conversation": messages, "input": "q", "target": "t"}), encoding="utf-8")
    with pytest.raises(DataError, match="fits several layouts"):
        read_examples(both)
    turns = tmp_path / "turns.csv"
    turns.write_text("conversation\n" + '"' + json.dumps(messages).replace('"', '""') + '"\n', encoding="utf-8")
    assert [e.target for e in read_examples(turns)] == ["b"]
