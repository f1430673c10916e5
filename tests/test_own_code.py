"""What a user's own function makes: found, checked, and named in every error."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.own_code import has_own_module, is_factory, made_by

CODE = """
ready = 7
def seven(): return 7
def words(): return "seven"
def fails(): raise ValueError("no store at this place\\nmore")
def leaves(): raise SystemExit(3)
class Till: pass
def till(): return Till
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_shop.py").write_text(CODE)
    (tmp_path / "broken_shop.py").write_text("import no_such_module_at_all")
    monkeypatch.chdir(tmp_path)


def number(made: object) -> bool:
    return isinstance(made, int)


@pytest.mark.parametrize("name", ["own_shop:seven", "own_shop:ready"])
def test_a_function_is_called_and_a_ready_thing_is_taken(name: str) -> None:
    assert made_by(name, "shop", number, "number") == 7


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own_shop:words", "makes str, which is no number"),
        ("own_shop:till", "makes the class Till, which is no number"),
        ("own_shop:fails", "cannot be made: ValueError: no store at this place\n"),
        ("own_shop:leaves", "cannot be made: SystemExit: 3"),
        ("own_shop:nothing", "has no attribute 'nothing'"),
        ("no_shop:seven", "No module named 'no_shop'"),
        ("broken_shop:seven", "No module named 'no_such_module_at_all'"),
    ],
)
def test_what_cannot_be_made_says_why(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        made_by(name, f"shop {name}", number, "number")
    assert str(raised.value).startswith(f"shop {name}: ")
    assert text in str(raised.value)
    assert raised.value.next_step


def test_the_form_of_a_name() -> None:
    names = ("a:b", "a.b:c", "a", "a:b:c", "http://x", "a:b c", "a.:b")
    assert [is_factory(n) for n in names] == [True, True, False, False, False, False, False]
    assert [has_own_module(n) for n in ("own_shop:x", "broken_shop:x", "no_shop:x")] == [True, True, False]
