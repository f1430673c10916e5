"""What a failure says, and its exit code."""

from __future__ import annotations

import pytest
import typer

from domainkit.cli.terminal.failures import described, exit_code, untranslated
from domainkit.errors import ConfigError, MachineError


@pytest.mark.parametrize(
    "error,code",
    [
        (ConfigError("x"), 2),
        (MachineError("x"), 1),
        (typer.Exit(3), 3),
        (SystemExit(2), 2),
        (SystemExit(), 0),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
        (GeneratorExit(), 1),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_an_unknown_error_says_how_to_report_it() -> None:
    what, step, code = untranslated(RuntimeError("a\nb"))
    assert (what, code) == ("unexpected RuntimeError: a b", 1)
    assert step == "set DOMAINKIT_TRACEBACK=1 and run it again for the traceback, which a report needs"
    assert described(typer.Exit(3)) is None
