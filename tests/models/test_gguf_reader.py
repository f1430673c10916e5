"""The faster readers read what the gguf package's own reads; transformers is given one of them once."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from domainkit.models.gguf_reader import HeaderReader, PlainReader, read_once


@pytest.fixture(params=[gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG], ids=lambda e: e.name)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama", endianess=request.param)
    writer.add_token_list(["a", "", "größer", "x" * 300])
    writer.add_block_count(7)
    writer.add_token_types([1, 2, 3, 4])
    writer.add_array("names", ["one", "two"])
    writer.add_tensor("w", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "a.gguf"


def test_both_read_what_the_package_reads(file: Path) -> None:
    own, plain, header = gguf.GGUFReader(file), PlainReader(file), HeaderReader(file)
    contents = {name: field.contents() for name, field in own.fields.items()}
    assert contents["tokenizer.ggml.tokens"] == ["a", "", "größer", "x" * 300]
    assert {name: field.contents() for name, field in plain.fields.items()} == contents
    listed = {"tokenizer.ggml.tokens", "names"}
    assert {name: f.contents() for name, f in header.fields.items() if name not in listed} == {
        name: value for name, value in contents.items() if name not in listed
    }
    assert list(header.fields) == list(contents)
    for reader in (plain, header):
        [tensor], [wanted] = reader.tensors, own.tensors
        assert (tensor.name, tensor.n_elements, tensor.data_offset) == (wanted.name, 6, wanted.data_offset)
        assert tensor.data.tobytes() == wanted.data.tobytes()
        assert type(tensor.data) is np.ndarray


def test_a_list_that_ends_beyond_the_file_is_an_error(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: whole.index("größer".encode()) + 3])
    with pytest.raises(Exception, match="unpack_from requires a buffer"):
        HeaderReader(file)


def test_a_file_is_read_once_and_the_package_is_as_before(file: Path) -> None:
    before = gguf.GGUFReader, gguf.get_tensor_name_map
    with read_once():
        assert gguf.GGUFReader(file) is gguf.GGUFReader(file)
        names = [gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2) for _ in range(2)]
    assert names[0] is names[1]
    assert (gguf.GGUFReader, gguf.get_tensor_name_map) == before
