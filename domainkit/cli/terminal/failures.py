"""What a command that fails says, and its exit code."""

from __future__ import annotations

CONTINUE = "run the same command again: it continues from what is finished"
"""What to do after Ctrl-C, where the command says nothing else."""
STOPPED = 130
"""Exit code after Ctrl-C."""
TRACEBACK = "DOMAINKIT_TRACEBACK"
"""Environment variable: set, an error that nothing has translated is raised with its traceback."""


def untranslated(e: Exception) -> tuple[str, str, int]:
    """(what is wrong, the next step, exit code) of an error that nothing has translated."""
    from pydantic import ValidationError

    if isinstance(e, ValidationError):
        problems = "; ".join(f"{'.'.join(map(str, x['loc']))}={x['input']!r}: {x['msg'].lower()}" for x in e.errors())
        return problems, "correct this value", 2
    if isinstance(e, OSError) and e.strerror:
        return f"{f'{e.filename}: ' if e.filename else ''}{e.strerror.lower()}", "check this path", 1
    text = f"{type(e).__name__}: {' '.join(str(e).split())[:500]}"
    return f"unexpected {text}", f"set {TRACEBACK}=1 and run it again for the traceback, which a report needs", 1


def exit_code(error: BaseException) -> int:
    """The code with which the command line ends on `error`."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    if isinstance(error, SystemExit):
        return int(error.code or 0)
    code = getattr(error, "exit_code", None)  # of our errors, and of typer.Exit
    if code is not None:
        return int(code)
    return untranslated(error)[2] if isinstance(error, Exception) else 1


def described(error: BaseException) -> dict[str, str | None] | None:
    """What is wrong, where, and the next step; None where a command ended with an exit code that is its answer."""
    from domainkit.errors import DomainkitError

    if isinstance(error, DomainkitError):
        return {"what": error.what, "where": error.where, "next_step": error.next_step}
    if isinstance(error, KeyboardInterrupt):
        return {"what": "stopped", "where": None, "next_step": str(error) or CONTINUE}
    if isinstance(error, SystemExit) or hasattr(error, "exit_code") or not isinstance(error, Exception):
        return None
    what, step, _ = untranslated(error)
    return {"what": what, "where": None, "next_step": step}
