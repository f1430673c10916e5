"""Two runs on one folder: the second is refused before it reads anything, and a checkpoint belongs to its own run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.folder import work_folder
from domainkit.comparison.compare import compare
from domainkit.errors import ConfigError
from domainkit.models.load import load_base
from domainkit.storage import locked_folder
from domainkit.training import train as train_module
from domainkit.training.optimization.checkpoints import RUN, last_checkpoint
from domainkit.training.preference.train_preference import train_preference
from domainkit.training.sweep.grid import Grid
from domainkit.training.sweep.sweep import sweep
from tests.cli.command import domainkit
from tests.training.small_runs import losses, run, stop_at

HOLDER = """
import sys, time
from pathlib import Path
from domainkit.storage import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_run() -> Any:
    """Starts another process that holds a folder."""
    started: list[subprocess.Popen[str]] = []

    def hold(folder: Path) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", HOLDER, str(folder)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_the_second_run_is_refused_before_it_reads_anything(tiny_base: str, tmp_path: Path, other_run: Any) -> None:
    out = tmp_path / "a"
    holder = other_run(work_folder(out))
    missing = ["--data", "no such file, which is not looked for", "--base", tiny_base, "--out", out]
    for command in (["train"], ["prefer"]):
        done = domainkit(*command, *missing)
        assert (done.returncode, done.stdout) == (2, "")
        said = f"{work_folder(out)}: another run is writing here\n  next: wait for it to end, or choose another --out"
        assert said in done.stderr
    with pytest.raises(ConfigError, match="another run is writing here"):
        run(tiny_base, out, resume=True)
    with pytest.raises(ConfigError, match="another run is writing here"):
        train_preference([], None, out)
    # The system ends the lock of a run that is killed, and what it left is no obstacle.
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert run(tiny_base, out, epochs=1).folder == out
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_sweep_and_a_comparison_hold_their_folder(tiny_base: str, tmp_path: Path, other_run: Any) -> None:
    other_run(tmp_path / "out")
    (tmp_path / "sweep.toml").write_text('tokens = 50\n[[grid]]\nmethod = "lora"\n')
    done = domainkit("train", "--sweep", tmp_path / "sweep.toml", "--data", "no such file", "--out", tmp_path / "out")
    assert "another run is writing here" in done.stderr
    with pytest.raises(ConfigError, match="another run is writing here"):
        sweep([], Grid(tokens=1, grid=({},)), {}, tmp_path / "out")
    with pytest.raises(ConfigError, match="another run is writing here"):
        compare(tmp_path / "no such task", None, tmp_path / "out")


def test_two_threads_are_two_runs(tmp_path: Path) -> None:
    entered, found = threading.Barrier(2, timeout=20), []

    def one() -> None:
        try:
            with locked_folder(tmp_path / "a"), locked_folder(tmp_path / "b" / ".." / "a"):  # the same run, twice
                entered.wait()
        except ConfigError as e:
            found.append(e.what)
            entered.wait()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["another run is writing here"]
    assert not list(tmp_path.iterdir()), "folders that the lock has made are removed"


def test_what_was_there_before_the_lock_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with locked_folder(tmp_path / "mine" / "new" / "run"):
        assert (tmp_path / "mine" / "new" / "run").is_dir()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert not list((tmp_path / "mine").iterdir())
    with locked_folder(tmp_path / "mine" / "kept"):
        (tmp_path / "mine" / "kept" / "row").touch()
    assert (tmp_path / "mine" / "kept" / "row").exists()


# ---- a checkpoint belongs to its run


def test_without_resume_no_checkpoint_is_used_and_a_line_says_so(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run(tiny_base, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", seed=5, on_progress=stop_at(4))
    again = run(tiny_base, tmp_path / "a")
    assert (losses(again), again.weights_sha256) == (losses(whole), whole.weights_sha256)
    assert "starting again, without the checkpoint of step 4" in caplog.text


def test_a_checkpoint_that_appears_after_the_start_is_not_used(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another run, on a system without locks, would write one."""
    whole = run(tiny_base, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "other", on_progress=stop_at(4), learning_rate=1e-3)
    foreign = last_checkpoint(tmp_path / "other.partial")
    assert foreign is not None

    def load(*args: Any, **options: Any) -> Any:
        shutil.copytree(foreign, tmp_path / "a.partial" / foreign.name)
        return load_base(*args, **options)

    monkeypatch.setattr(train_module, "load_base", load)
    assert run(tiny_base, tmp_path / "a").weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize("change", ["quantization", "rate"])
def test_open_settings_that_come_to_be_others_are_named(
    change: str, tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left open is decided by the machine: another one may decide otherwise."""
    options: dict[str, Any] = {"quantization": "auto", "learning_rate": None}
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(4), **options)
    if change == "quantization":

        def load(base: str, **asked: Any) -> Any:
            return load_base(base, **{**asked, "quantization": "int8"})

        monkeypatch.setattr(train_module, "load_base", load)
        said = "quantization was 'none', is 'int8'"
    else:
        monkeypatch.setattr("domainkit.adapters.adaptation.SMALL", 1)
        said = "learning_rate was 0.0005, is 0.0002"
    with pytest.raises(ConfigError, match=f"open settings come to be others: {said}") as e:
        run(tiny_base, tmp_path / "a", resume=True, **options)
    assert "next: set them as they were, or train without --resume to start again" in str(e.value)


@pytest.mark.parametrize("content", [b"[1]", b"{", b"[" * 5000, b'{"config": 3}', b"\xff", None])
def test_a_damaged_description_of_the_run_is_an_error(content: bytes | None, tiny_base: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "a.partial" / "checkpoint-4"
    checkpoint.mkdir(parents=True)
    (checkpoint / "run_state.json").write_text("{}")
    if content is None:
        os.mkfifo(tmp_path / "a.partial" / RUN)
    else:
        (tmp_path / "a.partial" / RUN).write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot continue: run\.json cannot be read: .*\n  next: train without"):
        run(tiny_base, tmp_path / "a", resume=True)


@pytest.mark.parametrize("name", ["optimizer.pt", "trainable.safetensors", "run_state.json", "rng_state.pth"])
def test_a_damaged_checkpoint_is_an_error_and_the_one_before_goes_on(name: str, tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(5))
    checkpoint = last_checkpoint(tmp_path / "a.partial")
    assert checkpoint is not None
    whole = (checkpoint / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], json.dumps([1]).encode()):
        (checkpoint / name).write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"checkpoint-5: the checkpoint cannot be read: .*\n  next: delete it"):
            run(tiny_base, tmp_path / "a", resume=True)
    shutil.rmtree(checkpoint)
    assert len(losses(run(tiny_base, tmp_path / "a", resume=True))) == 12
