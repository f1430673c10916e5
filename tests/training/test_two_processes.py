"""The same command under `accelerate launch`: two processes give the losses and the weights of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainkit.adapters.methods import METHODS
from domainkit.corpus.read_files import read_examples
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "accelerate"
LENGTHS = (3, 40, 7, 12, 5, 5, 21)


def launched(file: str, *words: Any) -> subprocess.CompletedProcess[str]:
    """`accelerate launch` with a configuration of the examples; skips where processes cannot talk."""
    if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
        pytest.skip("this torch has no gloo, by which processes on CPUs talk")
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        EXAMPLES / file,
        "--main_process_port",
        "0",
        "-m",
        *words,
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(list(map(str, launch)), env=env, capture_output=True, text=True, timeout=240)
    if done.returncode and "Address family" in done.stderr:
        pytest.skip("no sockets here, by which processes talk")
    assert done.returncode == 0, done.stderr[-3000:]
    return done


VALUES = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "save_every": 2, "max_tokens_per_pass": 64}
"""Passes of few tokens, so that one process has more of them than the other."""
CUT = [
    f"none:{m}" for m in METHODS if m not in ("full", "multitask_prompt_tuning")
]  # the latter's rows name their tasks
PACKED = ["nf4:lora", "nf4:lokr", "nf4:loreft"]
"""Weights packed in 4 bits are cut as they are packed."""


def asked(folder: Path, base: str, quantization: str) -> list[str]:
    """The command that two processes are given; its data lies in `folder`, its adapter goes to `two` there."""
    rows = [{"input": "q" * n, "target": ("red", "blue", "green")[n % 3]} for n in LENGTHS]
    (folder / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    values = {**VALUES, "quantization": quantization, "method.rank": 4}
    words = ["train", "--data", folder / "train.jsonl", "--base", base, "--out", folder / "two"]
    return [*map(str, words), *(f"{k}={v}" for k, v in values.items())]


def check_equal_to_one(folder: Path, base: str, quantization: Any, note: str, printed: str) -> None:
    config = TrainConfig(base=base, quantization=quantization, method_options={"rank": 4}, **VALUES)
    one = train(read_examples(folder / "train.jsonl"), config, folder / "one", on_progress=lambda _: None)
    two = json.loads((folder / "two" / "card.json").read_text())
    assert one.card is not None
    assert [loss for _, loss in two["losses"]] == pytest.approx([loss for _, loss in one.card.losses], rel=1e-5)
    assert (two["tokens"], two["supervised_tokens"]) == (one.card.tokens, one.card.supervised_tokens)
    assert note in two["notes"]
    weights = [load_file(str(folder / name / "adapter_model.safetensors")) for name in ("one", "two")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=1e-5)
    # One process writes and speaks.
    assert printed.count("Adapter:") == 1
    assert sorted(p.name for p in folder.iterdir()) == ["one", "train.jsonl", "two"]


def test_two_processes_give_the_losses_and_weights_of_one(tiny_base: str, tmp_path: Path) -> None:
    done = launched("two_processes.yaml", "domainkit", *asked(tmp_path, tiny_base, "nf4"))
    check_equal_to_one(tmp_path, tiny_base, "nf4", "2 processes", done.stdout)


def test_each_process_holds_its_shard_of_the_base(tiny_base: str, tmp_path: Path) -> None:
    folder, results = tmp_path / "train", tmp_path / "found.json"
    folder.mkdir()
    words = ["domainkit", *asked(folder, tiny_base, "none")]
    done = launched("fsdp.yaml", "tests.training.shard_base", tiny_base, results, *CUT, *PACKED, "--", *words)
    found = json.loads(results.read_text())
    assert list(found) == [*CUT, *PACKED]
    for name, (whole, cut) in found.items():
        assert cut["adapter_is_whole"], name
        assert cut["total"] == whole["total"] == whole["held"], name
        # Embeddings and adapter stay whole; the blocks are halved, and dropped again after the step.
        assert cut["held"] == cut["held_after"] < whole["held"], name
        assert cut["loss"] == pytest.approx(whole["loss"], rel=1e-4), name
        assert cut["gradients"] == pytest.approx(whole["gradients"], rel=1e-3, abs=1e-6), name
    for name in ("none:lora", "nf4:lora"):
        assert found[name][1]["held"] < 0.85 * found[name][0]["held"]
    check_equal_to_one(folder, tiny_base, "none", "2 processes, the base sharded over them", done.stdout)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_accelerate_reads_the_configurations(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    assert config.num_processes == 2
    assert config.distributed_type.value == ("FSDP" if file.stem == "fsdp" else "MULTI_GPU")
