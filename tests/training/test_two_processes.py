"""The same command under `accelerate launch`: two processes give the losses and the weights of one.

One launch serves all tests: its processes take longer to start than to do their work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file

from domainkit.adapters.methods import METHODS
from domainkit.corpus.read_files import read_examples
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "accelerate"
LENGTHS = (3, 40, 7, 12, 5, 5, 21)


def environment(file: str) -> dict[str, str]:
    """What `accelerate launch` adds to the environment of its processes."""
    args, *_ = _validate_launch_command(
        launch_command_parser().parse_args(["--config_file", str(EXAMPLES / file), "x"])
    )
    return {name: value for name, value in prepare_multi_gpu_env(args).items() if os.environ.get(name) != value}


def launched(file: str, *words: Any, other: str) -> subprocess.CompletedProcess[str]:
    """`accelerate launch` with a configuration of the examples; skips where processes cannot talk.

    OTHER_LAUNCH says how the environment of `other`'s processes differs from that of `file`'s.
    """
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
    own, others = environment(file), environment(other)
    changed = {name: others.get(name) for name in {*own, *others} if own.get(name) != others.get(name)}
    env = {**os.environ, "OTHER_LAUNCH": json.dumps(changed), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    env["CUDA_VISIBLE_DEVICES"] = ""
    done = subprocess.run(list(map(str, launch)), env=env, capture_output=True, text=True, timeout=400)
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


def check_equal_to_one(folder: Path, base: str, quantization: Any, note: str) -> None:
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
    # One process writes.
    assert sorted(p.name for p in folder.iterdir()) == ["one", "train.jsonl", "two"]


@dataclass(frozen=True)
class Launch:
    """What the processes of one launch left."""

    sharded: Path
    whole: Path
    found: dict[str, Any]
    printed: str


@pytest.fixture(scope="module")
def launch(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Every method in shards, the command with its base in shards, and the command with its base whole."""
    folder = tmp_path_factory.mktemp("two")
    sharded, whole, results = folder / "sharded", folder / "whole", folder / "found.json"
    for made in (sharded, whole):
        made.mkdir()
    words = ["--", "domainkit", *asked(sharded, tiny_base, "none"), "--", "domainkit", *asked(whole, tiny_base, "nf4")]
    cases = [*CUT, *PACKED, *words]
    done = launched("fsdp.yaml", "tests.training.shard_base", tiny_base, results, *cases, other="two_processes.yaml")
    return Launch(sharded, whole, json.loads(results.read_text()), done.stdout)


def test_two_processes_give_the_losses_and_weights_of_one(tiny_base: str, launch: Launch) -> None:
    check_equal_to_one(launch.whole, tiny_base, "nf4", "2 processes")
    check_equal_to_one(launch.sharded, tiny_base, "none", "2 processes, the base sharded over them")


def test_one_process_speaks(launch: Launch) -> None:
    assert launch.printed.count("Adapter:") == 2, "once for each command"


def test_each_process_holds_its_shard_of_the_base(launch: Launch) -> None:
    assert list(launch.found) == [*CUT, *PACKED]
    for name, (whole, cut) in launch.found.items():
        assert cut["adapter_is_whole"], name
        assert cut["total"] == whole["total"] == whole["held"], name
        # Embeddings and adapter stay whole; the blocks are halved, and dropped again after the step.
        assert cut["held"] == cut["held_after"] < whole["held"], name
        assert cut["loss"] == pytest.approx(whole["loss"], rel=1e-4), name
        assert cut["gradients"] == pytest.approx(whole["gradients"], rel=1e-3, abs=1e-6), name
    for name in ("none:lora", "nf4:lora"):
        assert launch.found[name][1]["held"] < 0.85 * launch.found[name][0]["held"]


def test_the_launches_differ_in_what_is_sharded() -> None:
    whole, sharded = environment("two_processes.yaml"), environment("fsdp.yaml")
    assert sharded.pop("ACCELERATE_USE_FSDP") == "true"
    assert "ACCELERATE_USE_FSDP" not in whole
    assert {name: value for name, value in sharded.items() if not name.startswith("FSDP_")} == whole


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_accelerate_reads_the_configurations(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    assert config.num_processes == 2
    assert config.distributed_type.value == ("FSDP" if file.stem == "fsdp" else "MULTI_GPU")
