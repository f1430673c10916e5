"""An adapter folder is whole, unaltered and of the right base, or says what is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.folder import CARD, PEFT_CONFIG, WEIGHTS, Adapter
from domainkit.errors import AdapterError
from domainkit.storage import sha256_file
from tests.adapters.small_folders import card, safetensors, write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "adapter")


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(AdapterError) as caught:
        Adapter.load(folder, **options)
    return str(caught.value)


def test_a_whole_folder_loads(folder: Path) -> None:
    adapter = Adapter.load(folder)
    assert adapter.folder == folder
    assert adapter.card == card(weights_sha256=sha256_file(folder / WEIGHTS))
    assert adapter.weights_sha256 == adapter.card.weights_sha256


def test_a_missing_folder_and_an_interrupted_run(tmp_path: Path) -> None:
    assert "no such adapter folder\n  next: check the path" in refusal(tmp_path / "none")
    (tmp_path / "none.partial").mkdir()
    assert "run it again with --resume" in refusal(tmp_path / "none")


def test_a_folder_that_is_no_adapter(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    text = refusal(folder)
    assert f"is not an adapter: {WEIGHTS} missing" in text
    assert "pickled weights can run code" in text


def test_without_a_card_only_when_asked(folder: Path) -> None:
    (folder / CARD).unlink()
    assert "need_card=False" in refusal(folder)
    adapter = Adapter.load(folder, need_card=False)
    assert adapter.card is None
    assert adapter.weights_sha256 == sha256_file(folder / WEIGHTS)


def test_tampered_weights(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(safetensors(b"abcX"))
    assert "is not what training wrote" in refusal(folder)
    assert Adapter.load(folder, verify=False).card is not None


@pytest.mark.parametrize("cut", [1, 3, 30, 70])
def test_cut_off_weights(folder: Path, cut: int) -> None:
    weights = folder / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-cut])
    assert f"{WEIGHTS} is damaged" in refusal(folder, verify=False)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, (2).to_bytes(8, "little") + b"[]"])
def test_weights_that_are_something_else(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).write_bytes(content)
    assert f"{WEIGHTS} is damaged" in refusal(folder)


def test_a_card_of_another_version(folder: Path) -> None:
    values = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**values, "colour": "red"}))
    assert "colour: extra inputs are not permitted" in refusal(folder)
    (folder / CARD).write_text('{"base": 1')
    assert f"{CARD} is damaged: " in refusal(folder)


def test_damaged_peft_config(folder: Path) -> None:
    (folder / PEFT_CONFIG).write_text("{")
    assert f"{PEFT_CONFIG} is damaged" in refusal(folder)


def test_another_base_is_refused(folder: Path) -> None:
    adapter = Adapter.load(folder)
    adapter.check_base("b" * 64)
    with pytest.raises(AdapterError, match=r"was trained on builtin:x .* and mine is another model") as caught:
        adapter.check_base("c" * 64, "mine")
    assert caught.value.next_step == "use base=builtin:x, or train an adapter for mine"


# ---- files that are something else


DAMAGED = {
    "a list": b"[1]",
    "null": b"null",
    "a text": b'"x"',
    "a number": b"7",
    "nested deep": b'{"a":' + b"[" * 20000 + b"]" * 20000 + b"}",
    "no UTF-8": b"\xff\xfe{",
    "cut off": b'{"base": 1',
    "half a surrogate": b'{"base": "\\ud800"}',
    "not a number": b'{"seconds": NaN}',
    "empty": b"",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("name", [CARD, PEFT_CONFIG])
def test_json_that_is_no_object_is_damaged(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    text = refusal(folder)
    assert f"{folder}: {name} is damaged: " in text
    assert "next: copy the folder again, or train again" in text


@pytest.mark.parametrize("name", [CARD, PEFT_CONFIG, WEIGHTS])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "broken link"])
def test_what_is_no_file_is_refused_at_once(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink()
    if kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to("/dev/zero" if kind == "device" else "/nowhere")
    assert name in refusal(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("base", 5),
        ("base", None),
        ("revision", ["main"]),
        ("quantization", {}),
        ("config", []),
        ("config", {"method_options": "rank=4"}),
        ("losses", [[1]]),
        ("losses", "none"),
        ("seconds", "long"),
        ("weights_sha256", 7),
        ("preference", "dpo"),
        ("parents", {}),
    ],
)
def test_a_value_of_another_kind_is_named(folder: Path, key: str, value: object) -> None:
    values = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**values, key: value}))
    text = refusal(folder)
    assert f"{CARD} cannot be read ({key}" in text
    assert "need_card=False" in text


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        header(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        header(b'{"a": 5}'),
        header(b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}') + b"abcd",
        header(b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", "4"]}}') + b"abcd",
        header(b'{"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}') + b"abcd",
        (2**63).to_bytes(8, "little") + b"{}",
    ],
)
def test_a_header_that_does_not_describe_the_file_is_damaged(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).write_bytes(content)
    assert f"{WEIGHTS} is damaged: " in refusal(folder, verify=False)
