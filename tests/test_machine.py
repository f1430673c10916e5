"""The environment that artifacts record."""

from __future__ import annotations

import json

from domainkit.machine import environment, memory_in_use, versions


def test_environment_is_json_and_names_the_installed_versions() -> None:
    facts = json.loads(json.dumps(environment()))
    assert set(facts) == {"python", "platform", "hardware", "versions"}
    assert facts["hardware"]["cores"] >= 1
    assert "torch" in facts["versions"]


def test_a_package_that_is_not_installed_is_left_out() -> None:
    assert set(versions(("numpy", "no-such-package"))) == {"domainkit", "numpy"}


def test_memory_in_use_is_more_than_a_megabyte() -> None:
    assert memory_in_use() > 2**20
