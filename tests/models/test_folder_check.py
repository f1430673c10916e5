"""A base folder that is damaged or hostile is an error that names the file and the key, at once."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from domainkit.errors import BaseModelError
from domainkit.models.load import load_base
from domainkit.models.source import resolve_base
from tests.models.conftest import edit

WEIGHTS = "model.safetensors"


def config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", **values)


def text(name: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(content) and None


def header(content: bytes, length: int | None = None) -> Callable[[Path], None]:
    size = len(content) if length is None else length
    return lambda folder: (folder / WEIGHTS).write_bytes(struct.pack("<Q", size) + content) and None


def pipe(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def device(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/dev/zero")


def a_folder(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()


def without_a_weight(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors.pop("model.norm.weight")
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (config(num_hidden_layers=-1), "num_hidden_layers=-1 in config.json must be between 1 and 10,000"),
        (config(num_hidden_layers=10**6), "num_hidden_layers=1000000 in config.json must be between"),
        (config(text_config={"num_hidden_layers": 0}), "text_config.num_hidden_layers=0"),
        (config(num_hidden_layers=3), "weights are missing, model.layers.2"),
        (config(num_hidden_layers="2"), "num_hidden_layers"),
        (config(hidden_size=63), "cannot be loaded"),
        (config(hidden_size=None), "cannot be loaded"),
        (config(rms_norm_eps="small"), "rms_norm_eps"),
        (config(sliding_window="x"), "sliding_window='x' in config.json is text in place of a number"),
        (config(vocab_size=[1]), "vocab_size"),
        (config(attn_implementation="kernels-community/evil"), "cannot be loaded"),
        (config(dtype="evil"), "cannot be loaded"),
        (config(quantization_config={"quant_method": "gptq", "bits": 4}), "gptq"),
        (config(rope_parameters={"rope_type": "none such"}), "cannot be loaded"),
        (text("config.json", "[]"), "config.json holds a list in place of an object"),
        (text("config.json", "null"), "config.json holds a NoneType"),
        (text("config.json", "[" * 100_000), "config.json is damaged"),
        (text("config.json", ""), "config.json is damaged"),
        (header(b"{}", 2**60), "model.safetensors is damaged: its header is cut off"),
        (header(b"[" * 50_000), "model.safetensors is damaged"),
        (header(b"[]"), "model.safetensors is damaged"),
        (header(b'{"a": {"data_offsets": [0], "shape": []}}'), "model.safetensors is damaged"),
        (header(b'{"a": {"data_offsets": [0, 0], "shape": "x"}}'), "model.safetensors is damaged"),
        (pipe(WEIGHTS), "model.safetensors is not a regular file"),
        (pipe("chat_template.jinja"), "chat_template.jinja is not a regular file"),
        (pipe("generation_config.json"), "generation_config.json is not a regular file"),
        (device, "tokenizer.json is not a regular file"),
        (a_folder, "model.safetensors is not a regular file"),
        (text("tokenizer.json", "{"), "has no readable tokenizer"),
        (text("tokenizer_config.json", "[]"), "has no readable tokenizer"),
        (without_a_weight, "1 weights are missing, model.norm.weight among them"),
    ],
)
def test_the_error_names_the_file_and_the_key(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(BaseModelError) as caught:
        load_base(str(folder), quantization="none")
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert caught.value.next_step


def test_a_gguf_with_huge_counts_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "odd.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**40, 2**40))
    with pytest.raises(BaseModelError, match="cannot be read as GGUF"):
        load_base(str(file))


def test_sound_folders_pass(folder: Path) -> None:
    edit(
        folder / "config.json", time_step_limit=[0.0, float("inf")], num_nextn_predict_layers=0, num_kv_shared_layers=0
    )
    assert json.loads((folder / "config.json").read_text())["num_nextn_predict_layers"] == 0
    assert resolve_base(str(folder)).kind == "folder"
