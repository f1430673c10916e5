"""A training in a process of its own: the same adapter, and its progress, logs, errors and signals arrive here."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest

from domainkit.corpus.example import Example
from domainkit.errors import DataError, MachineError, Problem, TrainingError
from domainkit.training import own_process
from domainkit.training.config import TrainConfig
from domainkit.training.optimization.progress import Progress
from domainkit.training.own_process import train_apart
from domainkit.training.train import train
from tests.training.small_runs import ROWS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a child gets no signals on Windows")


@pytest.fixture(autouse=True)
def no_base_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "SMALL", 0)


def config(base: str, **options: object) -> TrainConfig:
    return TrainConfig.model_validate({"base": base, "epochs": 4, "batch_size": 4, "learning_rate": 0.01, **options})


def test_the_adapter_is_the_same_and_what_it_says_arrives(
    tiny_base: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = config(tiny_base, learning_rate=5.0)
    rows = [ROWS[0].model_copy(update={"teacher": "gpt"}), *ROWS[1:]]
    train(rows, settings, tmp_path / "here")
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the user took the place of a module')")
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, "domainkit"):
        train_apart(rows, settings, tmp_path / "apart")
    weights = "adapter_model.safetensors"
    assert (tmp_path / "apart" / weights).read_bytes() == (tmp_path / "here" / weights).read_bytes()
    notes = json.loads((tmp_path / "apart" / "card.json").read_text())["notes"]
    assert not any("passes have" in n for n in notes), "only who asked for longer passes is told"
    assert json.loads((tmp_path / "apart" / "card.json").read_text())["teachers"] == {"gpt": 1}
    assert "learning_rate=5 is far from what is known to work" in caplog.text
    assert capsys.readouterr().err.count("training: 8/8") == 2


def test_a_process_that_waits_for_its_parent_ends_without_a_fault() -> None:
    waits = "threading.Thread(target=own_process._stop_with_parent, args=(sys.stdin.buffer,), daemon=True).start()"
    code = f"import sys, threading, time; from domainkit.training import own_process; {waits}; time.sleep(0.1)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert (child.wait(), child.stderr and child.stderr.read()) == (0, b"")


@pytest.mark.parametrize(
    "error",
    [
        DataError([Problem("rows.jsonl", 3, "has no answer", "give one")]),
        TrainingError("the loss is not a number", where="step 3", next_step="lower the learning rate"),
        KeyboardInterrupt("stopped after step 3 of 9"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_error_arrives_as_it_was_raised(error: BaseException) -> None:
    line = json.dumps({"is": "error", **own_process._facts(error)}).encode() + b"\n"
    with pytest.raises(type(error), match=re.escape(str(error))):
        own_process._follow(cast(Any, None), BytesIO(line), lambda _: None)


def test_ctrl_c_is_passed_on_and_a_checkpoint_is_saved(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_at_once(progress: Progress) -> None:
        if progress.step == 1:  # a second signal would stop the step under way
            os.kill(os.getpid(), signal.SIGINT)

    real = own_process._follow
    monkeypatch.setattr(own_process, "_follow", lambda child, reports, show: real(child, reports, stop_at_once))
    with pytest.raises(KeyboardInterrupt, match=r"step \d+ is saved\. Continue with the same command$"):
        train_apart(ROWS, config(tiny_base, epochs=500), tmp_path / "out")
    assert list((tmp_path / "out.partial").glob("checkpoint-*"))


def test_a_process_that_is_killed_is_named(tmp_path: Path) -> None:
    error = own_process._ended(-9)
    assert isinstance(error, MachineError)
    assert str(error) == (
        "training: the process that trains ended with the code -9: the system may have ended it for want of memory\n"
        "  next: lower fit.max_tokens_per_pass, or set fit.gradient_checkpointing=true; the same command goes on from "
        "the last checkpoint"
    )


def test_a_small_base_is_trained_here(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "SMALL", 32 * 2**20)
    monkeypatch.setattr(own_process.subprocess, "Popen", None)
    rows = [Example.model_validate(r.model_dump()) for r in ROWS]
    train_apart(rows, config(tiny_base), tmp_path / "out")
    assert (tmp_path / "out" / "card.json").is_file()
