"""Errors print what, where and the next step; they survive pickling; the system's refusals are translated."""

from __future__ import annotations

import errno
import os
import pickle

import pytest
from pydantic import BaseModel, ValidationError

from domainkit.errors import ConfigError, DataError, DomainkitError, MachineError, Problem, first_line, saving


def test_an_error_says_what_where_and_next() -> None:
    assert str(ConfigError("is wrong", where="run.toml", next_step="mend it")) == "run.toml: is wrong\n  next: mend it"
    assert str(ConfigError("is wrong")) == "is wrong"


@pytest.mark.parametrize(
    "error",
    [ConfigError("a", where="b", next_step="c"), DataError([Problem("f", 3, "x", "y")]), MachineError("m")],
)
def test_errors_survive_pickling(error: DomainkitError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.exit_code, copy.__dict__) == (
        type(error),
        str(error),
        error.exit_code,
        error.__dict__,
    )


def test_data_error_shows_twenty_and_keeps_all() -> None:
    error = DataError([Problem("f.jsonl", i, "bad") for i in range(1, 26)])
    assert "f.jsonl:20: bad" in str(error)
    assert "… and 5 more (domainkit check lists all)" in str(error)
    assert len(error.problems) == 25


@pytest.mark.parametrize(
    "number,said",
    [
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EFBIG, "too large for this file system"),
        (errno.EACCES, "permission denied"),
    ],
)
def test_refused_writing_is_translated(number: int, said: str) -> None:
    with pytest.raises(MachineError, match=said) as caught, saving("out/adapter"):
        raise OSError(number, "refused")
    assert caught.value.exit_code == 1
    assert str(caught.value).startswith("out/adapter: ")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0"),
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_of_torch_and_safetensors_is_translated(error: Exception) -> None:
    with pytest.raises(MachineError, match="no space left on the disk"), saving("out/adapter"):
        raise error


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP])
def test_a_wrong_path_is_named(number: int) -> None:
    with (
        pytest.raises(ConfigError, match=r"out/adapter: cannot be written: .*\n  next: choose another path"),
        saving("out/adapter"),
    ):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("error", [ConfigError("a\x1b[2J", where="\x9bfile"), DataError([Problem("f", 3, "x\x07")])])
def test_values_of_files_in_a_message_give_the_terminal_no_command(error: DomainkitError) -> None:
    assert not any((c < " " and c != "\n") or "\x7f" <= c < "\xa0" for c in str(error))


def test_other_faults_pass_through() -> None:
    with pytest.raises(FileNotFoundError), saving("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")


class _Count(BaseModel):
    tokens: int


def test_an_error_of_pydantic_is_named_with_its_field() -> None:
    with pytest.raises(ValidationError) as raised:
        _Count.model_validate({"tokens": "many"})
    line = first_line(raised.value)
    assert line.startswith("1 validation error for _Count: tokens: Input should be a valid integer")
