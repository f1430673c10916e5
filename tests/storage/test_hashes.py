"""Hashes are of values, not of their spelling."""

from __future__ import annotations

from domainkit.storage import sha256_json


def test_json_hash_ignores_key_order() -> None:
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1}) != sha256_json({"a": 2, "b": 1})
