"""Errors print what, where and the next step; they survive pickling; the system's refusals are translated."""

from __future__ import annotations

import errno
import pickle

import pytest

from domainkit.errors import ConfigError, DataError, DomainkitError, MachineError, Problem, saving


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
    "number,said", [(errno.ENOSPC, "no space left on the disk"), (errno.EACCES, "permission denied")]
)
def test_refused_writing_is_translated(number: int, said: str) -> None:
    with pytest.raises(MachineError, match=said) as caught, saving("out/adapter"):
        raise OSError(number, "refused")
    assert caught.value.exit_code == 1
    assert str(caught.value).startswith("out/adapter: ")


def test_other_faults_pass_through() -> None:
    with pytest.raises(FileNotFoundError), saving("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")
