"""Results on standard output, all else on standard error; --json is one object, and --quiet no word too many."""

from __future__ import annotations

import json
import logging

import pytest
import typer

from domainkit import progress
from domainkit.cli.terminal.output import next_command, output, record, refuse_json, tell_next
from domainkit.errors import ConfigError


def command(*, quiet: bool = False, as_json: bool = False) -> None:
    with output("gate", quiet=quiet, as_json=as_json):
        progress.report("rag", 2, 2)
        for _ in range(2):  # as of a file that is read twice
            logging.getLogger("domainkit").warning("a warning of %s", "file\x1b")
        typer.echo("the result")
        record(score=float("nan"), name="\x9bK")
        next_command("ask", "--run", "my runs", "your question")


def test_results_notes_and_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    command()
    said = capsys.readouterr()
    assert said.out == "the result\nNext: domainkit ask --run 'my runs' 'your question'\n"
    assert said.err == "rag: 2/2\nwarning: a warning of file⟨U+001B⟩\n"


def test_quiet_prints_the_result_alone(capsys: pytest.CaptureFixture[str]) -> None:
    command(quiet=True)
    assert capsys.readouterr() == ("the result\n", "")


def test_json_is_one_object_and_the_text_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    command(as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "command": "gate",
        "exit_code": 0,
        "result": {"score": None, "name": "\x9bK"},
        "next": ["domainkit ask --run 'my runs' 'your question'"],
    }
    assert said.out.isascii()  # no terminal takes a string for a command
    assert "the result\n" in said.err
    command(as_json=True, quiet=True)
    assert capsys.readouterr().err == ""


def test_an_exit_code_that_is_an_answer_is_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), output("gate", quiet=False, as_json=True):
        record(outcome="cannot tell")
        raise typer.Exit(3)
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["result"]) == (3, {"outcome": "cannot tell"})


@pytest.mark.parametrize(
    "error,code,said",
    [
        (ConfigError("no", where="--x", next_step="do y"), 2, {"what": "no", "where": "--x", "next_step": "do y"}),
        (FileNotFoundError(2, "No such file", "a"), 1, {"what": "a: no such file", "next_step": "check this path"}),
        (KeyboardInterrupt("add --resume"), 130, {"what": "stopped", "where": None, "next_step": "add --resume"}),
    ],
)
def test_an_error_is_an_object(
    error: BaseException, code: int, said: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), output("train", quiet=False, as_json=True):
        raise error
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == code
    assert found["error"].items() >= said.items()
    assert "result" not in found


def test_a_command_without_a_result_refuses_json() -> None:
    refuse_json("a chat has no one result to write")  # nobody asked for it
    with (
        pytest.raises(ConfigError, match="--json: a chat has no one result to write\n  next: leave --json out"),
        output("ask", quiet=False, as_json=True),
    ):
        refuse_json("a chat has no one result to write")


def test_quiet_hides_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with output("serve", quiet=True, as_json=False):
        logging.getLogger("domainkit").error("the model is gone")
    assert capsys.readouterr().err == "error: the model is gone\n"


def test_the_loggers_level_is_put_back(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("domainkit")
    before = (log.level, list(log.handlers))
    command(quiet=True)
    assert (log.level, log.handlers) == before


def test_a_line_for_a_terminal_is_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    tell_next("domainkit ask\u202e")
    assert capsys.readouterr().out == "Next: domainkit ask⟨U+202E⟩\n"


@pytest.mark.parametrize(("command", "times"), [("check", 1), ("serve", 2)])
def test_a_warning_is_said_once_where_the_command_ends_by_itself(
    command: str, times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with output(command, quiet=False, as_json=False):
        for _ in range(2):
            logging.getLogger("domainkit").warning("out of memory")
            logging.getLogger("domainkit").error("out of disk")
    said = capsys.readouterr().err
    assert (said.count("out of memory"), said.count("out of disk")) == (times, 2)
