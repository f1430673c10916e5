"""domainkit serve: what is wrong is said before anything is loaded."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from domainkit.cli.serve import _ready, _warn
from domainkit.errors import MachineError
from domainkit.serving.run import Server, _listener, is_loopback
from domainkit.serving.sources import make_models, read_sources
from domainkit.serving.state import State
from tests.cli.command import domainkit


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to serve"),
        (["nowhere"], "no such folder"),
        (["--base", "builtin:smollm2-135m", "--requests", "0"], "--requests: 0 allows nothing"),
        (["--base", "builtin:smollm2-135m", "--seconds", "-1"], "--seconds: -1 allows nothing"),
        (["--base", "builtin:smollm2-135m", "--adapters", "nowhere"], "no such folder"),
        (["--base", "builtin:smollm2-135m", "--watch", "w"], "--watch: watches the winner of one run or pack, and 0"),
    ],
)
def test_wrong_words_are_named(words: list[str], says: str) -> None:
    done = domainkit("serve", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(MachineError, match=r"cannot listen there: address already in use(?s:.)*another --port"):
            _listener("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(MachineError, match="cannot listen there"):
        _listener("127.0.0.1", 99999)


def test_ready_names_the_models_and_the_next_command(tiny_base: str, capsys: pytest.CaptureFixture[str]) -> None:
    _ready(make_models(read_sources([], tiny_base)), "::1", 81)
    out = capsys.readouterr().out
    assert "ready: http://[::1]:81/v1 serves tiny\n" in out
    assert "Next: open http://[::1]:81 in a browser, or curl http://[::1]:81/v1/models" in out


def test_other_addresses_than_this_machine_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert is_loopback("127.0.0.2")
    assert not is_loopback("0.0.0.0")
    _warn("0.0.0.0", [])
    _warn("0.0.0.0", ["key"])
    err = capsys.readouterr().err
    assert "reachable from other machines, by everyone, since no --api-key is given" in err
    assert "by whoever has the key; the connection is not encrypted" in err


def test_the_first_signal_waits_and_the_second_ends(tiny_base: str, tmp_path: Path) -> None:
    import uvicorn

    state = State(make_models(read_sources([], tiny_base)))
    server = Server(uvicorn.Config("none"), state, print)
    server.handle_exit(15, None)
    assert state.admission.stopping
    assert not server.should_exit
    server.handle_exit(15, None)
    assert server.should_exit
    assert server.force_exit
