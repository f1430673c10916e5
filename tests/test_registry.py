"""Tables load on demand and answer an unknown name with the near one."""

from __future__ import annotations

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
