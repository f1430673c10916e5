"""domainkit export: one target a call, and options that it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import domainkit


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Path:
    folder = tmp_path_factory.mktemp("export")
    (folder / "train.jsonl").write_text('{"input": "a", "target": "b"}\n' * 2)
    words = ("--data", folder / "train.jsonl", "--base", tiny_base, "--out", folder / "adapter")
    done = domainkit("train", *words, "epochs=1", "quantization=none")
    assert done.returncode == 0, done.stderr
    return folder / "adapter"


def test_the_vllm_command_is_printed(adapter: Path) -> None:
    done = domainkit("export", "--server", adapter)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("vllm serve ")
    assert "--enable-lora" in done.stdout


@pytest.mark.parametrize(
    "words,said",
    [
        ((), "nothing to export to"),
        (("--server", "--to", "merged"), "--to and --server name different targets"),
        (("--plain-lora", "p", "--out", "o"), "--plain-lora names the folder already"),
        (("--to", "vlm"), "did you mean 'vllm'?"),
        (("--to", "vllm", "--out", "o"), "out"),
    ],
)
def test_a_wrong_call_is_one_message(words: tuple[str, ...], said: str, adapter: Path) -> None:
    done = domainkit("export", *words, adapter)
    assert done.returncode == 2
    assert said in done.stderr
    assert "\n  next: " in done.stderr
