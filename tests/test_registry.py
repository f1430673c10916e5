"""Tables load on demand and answer an unknown name with the near one."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.registry import Table

TABLE = Table("method", {"lora": "domainkit.errors:ConfigError", "other": "domainkit.errors:DataError"})


def test_a_line_is_imported_when_loaded() -> None:
    assert TABLE.load("lora") is ConfigError
    assert sorted(TABLE) == ["lora", "other"]


@pytest.mark.parametrize("name,said", [("lorra", "did you mean 'lora'?"), ("zzz", "one of: lora, other")])
def test_an_unknown_name_gets_the_near_one(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TABLE.load(name)
    assert f"unknown method '{name}'" in str(caught.value)
    assert said in str(caught.value)


def test_a_line_of_another_package_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = tmp_path / "acme_metrics-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-metrics\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[domainkit.metrics]\npolite = acme_absent.metrics:polite\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        Table("metric", {}, group="domainkit.metrics").load("polite")
    said = "the package acme-metrics: the metric 'polite' (acme_absent.metrics:polite) cannot be imported"
    assert said in str(caught.value)
    assert "uninstall it" in str(caught.value)
