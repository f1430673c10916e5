"""The line that serves an export is that of the program at hand, and the module runs xllamacpp's server as it says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from domainkit.errors import MachineError
from domainkit.export import llama_server
from domainkit.export.llama_server import PACKAGE, start, start_line
from tests.export.gguf.tiny_gguf import tiny_model, write_tiny_gguf


@pytest.mark.parametrize(
    ("program", "package", "head"),
    [
        ("/usr/bin/llama-server", True, "llama-server"),
        (None, True, "python -m domainkit.export.llama_server"),
        (None, False, "llama-server"),
    ],
)
def test_the_line_is_that_of_the_program_at_hand(
    program: str | None, package: bool, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_server.shutil, "which", lambda _: program)
    monkeypatch.setattr(llama_server, "find_spec", lambda _: package or None)
    monkeypatch.setattr(llama_server.importlib.metadata, "version", lambda _: "1.0")
    line = f"{head} -m 'my base.gguf' --lora a.gguf --cache-ram 0 --port 8080"
    assert start_line("my base.gguf", "a.gguf") == line
    assert llama_server.at_hand() == [
        *([f"llama-server ({program})"] if program else []),
        *([f"{PACKAGE} 1.0"] if package else []),
    ]


def test_without_the_package_or_the_file_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(llama_server, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=r"xllamacpp is not installed(.|\n)*pip install xllamacpp"):
        start("x.gguf", [], port=0)
    monkeypatch.setattr(llama_server, "find_spec", lambda _: True)
    with pytest.raises(MachineError, match=r"x\.gguf: no such file"):
        start(str(tmp_path / "x.gguf"), [], port=0)


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"no llama-server: {PACKAGE} is not installed")
def test_the_module_serves_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "tiny.gguf", tiny_model())
    command = [sys.executable, "-m", "domainkit.export.llama_server", "-m", str(base), "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("ready: http://127.0.0.1:")
        with urllib.request.urlopen(ready.split()[1] + "/models", timeout=60) as reply:
            assert json.load(reply)["data"][0]["owned_by"] == "llamacpp"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
