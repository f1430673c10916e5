"""The command line on the tiny base: the fixed forms, one clear message for each bad input, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import domainkit

SMALL = ("quantization=none", "learning_rate=2e-2", "method.rank=4", "batch_size=4")


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def rows(n: int, start: int = 0) -> list[dict[str, str]]:
    names = ("red", "blue")
    return [
        {"id": f"r{i}", "input": f"say {names[i % 2]} {i}", "target": names[i % 2]} for i in range(start, start + n)
    ]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> dict[str, Path]:
    """Data, and an adapter trained by the command itself."""
    folder = tmp_path_factory.mktemp("cli")
    made = {"train": write(folder / "train.jsonl", rows(16)), "test": write(folder / "test.jsonl", rows(8, 100))}
    made["adapter"] = folder / "adapter"
    done = domainkit(
        "train", "--data", made["train"], "--base", tiny_base, "--out", made["adapter"], "epochs=1", *SMALL
    )
    assert done.returncode == 0, done.stderr
    assert "Next: domainkit ask --adapter" in done.stdout
    return made


def test_compare_report_and_ask(work: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    names = "classical,zero-shot,tuned"
    done = domainkit(
        "compare",
        "--train",
        work["train"],
        "--task",
        work["test"],
        "--adapter",
        work["adapter"],
        "--variants",
        names,
        "--out",
        out,
        "latency_items=1",
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in names.split(","))
    assert "report.html in a browser" in done.stdout
    (out / "report.html").unlink()
    assert domainkit("report", out).returncode == 0
    assert (out / "report.html").exists()
    answer = domainkit("ask", "--adapter", work["adapter"], "--max-tokens", 4, "say red 3")
    assert answer.returncode == 0, answer.stderr


def test_check_passes_good_data_and_names_bad_lines(work: dict[str, Path], tmp_path: Path) -> None:
    rows_alone = domainkit("check", work["train"])
    assert rows_alone.returncode == 0
    assert f"Next: domainkit split {work['train']} --out rows\n" in rows_alone.stdout
    both = domainkit("check", work["train"], "--task", work["test"])
    assert f"Next: domainkit compare --train {work['train']} --task {work['test']} --out" in both.stdout
    leaked = domainkit("check", work["train"], "--task", work["train"])
    assert leaked.returncode == 2
    bad = tmp_path / "bad.jsonl"
    bad.write_text(
        '{"input": "a", "target": "b"}\n{"input": "a" "target"}\n{"input": "a"}\n{"input": "a", "target": ""}\n'
    )
    found = domainkit("check", bad)
    assert found.returncode == 2
    assert all(f"bad.jsonl:{line}" in found.stdout for line in (2, 3, 4))
    assert f"Next: correct the errors, then domainkit check {bad}\n" in found.stdout
    mails = tmp_path / "mails.csv"
    mails.write_text("Day,Mail,Our reply\n1,how much is a new chain?,45 euros\n2,and a tube?,14 euros\n")
    unnamed = domainkit("check", mails)
    assert f"Next: domainkit check {mails} --map 'input=Mail,target=Our reply'\n" in unnamed.stdout


TRAIN, COMPARE = "train", "compare"


def bad_lines(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name, text in {
        "json": b'{"input": "a", "target": "b"}\n{"input": oops}\n',
        "field": b'{"input": "a", "traget": "b"}\n',
        "empty": b'{"input": "a", "target": ""}\n',
        "latin": b'{"input": "caf\xc3\xa9 \xe9", "target": "b"}\n',
        "ids": b'{"id": "x", "input": "a", "target": "b"}\n{"id": "x", "input": "c", "target": "d"}\n',
        "long": b'{"input": "a", "target": "' + b"word " * 3000 + b'"}\n',
        "none": b"",
    }.items():
        files[name] = tmp_path / f"{name}.jsonl"
        files[name].write_bytes(text)
    return files


@pytest.mark.parametrize(
    "name,said",
    [
        ("json", "json.jsonl:2: "),
        ("field", "field.jsonl:1: "),
        ("empty", "empty.jsonl:1: "),
        ("latin", "latin.jsonl:1: "),
        ("ids", "ids.jsonl:2: "),
        ("long", "long.jsonl:1"),
        ("none", "none.jsonl"),
    ],
)
def test_bad_training_data_is_one_message_with_file_and_line(
    name: str, said: str, tmp_path: Path, tiny_base: str
) -> None:
    file = bad_lines(tmp_path)[name]
    done = domainkit("train", "--data", file, "--base", tiny_base, "--out", tmp_path / "out", *SMALL)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") or "\nerror: " in done.stderr
    assert said in done.stderr
    assert "next: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words,said",
    [
        ((TRAIN, "--data", "TRAIN"), "missing: --out"),
        ((TRAIN, "--out", "OUT"), "missing: --data"),
        ((TRAIN, "--data", "TRAIN", "--out", "OUT", "epoch=3"), "did you mean 'epochs'?"),
        ((TRAIN, "--data", "TRAIN", "--out", "OUT", "--method", "lorra"), "did you mean 'lora'?"),
        ((TRAIN, "--data", "TRAIN", "--out", "OUT", "method.rnk=4", "--base", "BASE"), "did you mean 'rank'?"),
        ((TRAIN, "--data", "TRAIN", "--out", "OUT", "--base", "builtin:smollm3"), "did you mean 'smollm2-135m'?"),
        ((TRAIN, "--data", "nowhere.jsonl", "--out", "OUT"), "nowhere.jsonl"),
        ((COMPARE, "--task", "TEST", "--out", "OUT", "--variants", "tunned"), "did you mean 'tuned'?"),
        (
            (COMPARE, "--task", "TEST", "--out", "OUT", "--train", "TRAIN", "--variants", "classical", "shotz=3"),
            "did you mean 'shots'?",
        ),
        ((COMPARE, "--task", "TEST", "--out", "OUT", "--adapter", "nowhere", "--variants", "tuned"), "nowhere"),
        (
            (COMPARE, "--task", "UNKNOWN", "--train", "TRAIN", "--out", "OUT", "--variants", "classical", "kind=label"),
            "unknown.jsonl:3: the target 'gren' is not among",
        ),
        (("report", "OUT"), "cannot be read"),
        ((TRAIN, "--data", "", "--out", "OUT"), "--data: an argument is empty"),
        ((TRAIN, "--data", "TRAIN", "--out="), "--out: an argument is empty"),
        ((COMPARE, "--task", "TEST", "--out", "OUT", "--base", ""), "--base: an argument is empty"),
        ((TRAIN, "--data", "TRAIN", "--base", "BASE", "--out", "/dev/null"), "/dev/null: exists and is not an adapter"),
        ((TRAIN, "--data", "TRAIN", "--base", "BASE", "--out", "/proc/out"), "cannot be written"),
        ((TRAIN, "--data", "TRAIN", "--base", "BASE", "--out", "TRAIN/out"), "not a directory"),
    ],
)
def test_bad_commands_name_the_near_thing(
    words: tuple[str, ...], said: str, work: dict[str, Path], tmp_path: Path, tiny_base: str
) -> None:
    unknown = write(tmp_path / "unknown.jsonl", [*rows(2), {"input": "x", "target": "gren"}])
    places = {
        "TRAIN": work["train"],
        "TEST": work["test"],
        "OUT": tmp_path / "out",
        "BASE": tiny_base,
        "UNKNOWN": unknown,
    }
    done = domainkit(*(w.replace(w.split("/")[0], str(places.get(w.split("/")[0], w.split("/")[0])), 1) for w in words))
    assert done.returncode in (1, 2), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text,said",
    [
        ("fit = 5", "fit: 5 is not a table"),
        ("variants = 5", "variants: 5 is not a list of names"),
        ("variants = []", "variants: [] is not a list of names"),
        ("variants = [1]", "variants: [1] is not a list of names"),
        ("curve = {a = 1}", "curve: {'a': 1} is not a list of names"),
        ("dev = 5", "dev: 5 is not a path"),
        ("corpus = []", "corpus: [] is not a path"),
        ("out = 1979-05-27", "out: datetime.date(1979, 5, 27) is not a path"),
    ],
)
def test_a_run_file_with_values_of_another_type_is_refused(
    text: str, said: str, work: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text(text)
    words = [] if text.startswith("out") else ["--out", tmp_path / "out"]
    done = domainkit("compare", tmp_path / "run.toml", "--task", work["test"], "--train", work["train"], *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "\n  next: " in done.stderr
    (tmp_path / "run.toml").write_text(text.replace("dev", "data").replace("corpus", "documents"))
    if text.startswith(("dev", "corpus", "out")):
        done = domainkit("train", tmp_path / "run.toml", *words, "--data" if "dev" not in text else "--method", "lora")
        assert done.returncode == 2
        assert "is not a path" in done.stderr


@pytest.mark.parametrize(
    "damage,said",
    [
        ("truncate", "adapter_model.safetensors"),
        ("tamper", "adapter_model.safetensors"),
        ("no card", "has no card.json"),
    ],
)
def test_a_damaged_adapter_is_refused(damage: str, said: str, work: dict[str, Path], tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(work["adapter"], adapter)
    weights = adapter / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    if damage == "truncate":
        weights.write_bytes(bytes(data[: len(data) // 2]))
    elif damage == "tamper":
        data[-1] ^= 0xFF
        weights.write_bytes(bytes(data))
    else:
        (adapter / "card.json").unlink()
    done = domainkit(
        "compare", "--task", work["test"], "--adapter", adapter, "--variants", "tuned", "--out", tmp_path / "run"
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_adapter_of_another_base_is_refused(work: dict[str, Path], tmp_path: Path, tiny_base: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    config = json.loads((other / "config.json").read_text())
    config["rms_norm_eps"] = 0.5
    (other / "config.json").write_text(json.dumps(config))
    done = domainkit(
        "compare",
        "--task",
        work["test"],
        "--adapter",
        work["adapter"],
        "--base",
        other,
        "--variants",
        "tuned",
        "--out",
        tmp_path / "r",
    )
    assert done.returncode == 2, done.stderr
    assert "was trained on" in done.stderr
    assert "is another model" in done.stderr


def test_ctrl_c_in_training_loses_nothing(work: dict[str, Path], tmp_path: Path, tiny_base: str) -> None:
    """In this process: a new one would import torch."""
    out, ended = tmp_path / "adapter", threading.Event()

    def stop_at_a_checkpoint() -> None:
        while not ended.wait(0.02):
            if list(tmp_path.glob("adapter.partial/**/checkpoint-*")):
                os.kill(os.getpid(), signal.SIGINT)
                return

    words = ["train", "--data", work["train"], "--base", tiny_base, "--out", out, "epochs=400", "save_every=5", *SMALL]
    thread = threading.Thread(target=stop_at_a_checkpoint)
    thread.start()
    try:
        done = domainkit(*words)
    finally:
        ended.set()
        thread.join()
    assert done.returncode == 130, done.stderr
    assert "--resume" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
    assert list(tmp_path.glob("adapter.partial/**/checkpoint-*"))
