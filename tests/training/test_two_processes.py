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

from domainkit.corpus.example import Example, Turn
from domainkit.corpus.read import read_examples
from domainkit.errors import ConfigError
from domainkit.training import ranks
from domainkit.training.config import TrainConfig
from domainkit.training.loop import Loop
from domainkit.training.render import Rendered
from domainkit.training.train import train

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "accelerate"
LENGTHS = (3, 40, 7, 12, 5, 5, 21)


def rendered(length: int) -> Rendered:
    return Rendered(tuple(range(length)), 1, f"x:{length}")


def launched(out: Path, data: Path, base: str) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable, "-m", "accelerate.commands.launch", "--config_file", EXAMPLES / "two_processes.yaml",
        "--main_process_port", "0", "-m", "domainkit", "train", "--data", data, "--base", base, "--out", out,
        "quantization=nf4", "epochs=2", "batch_size=4", "learning_rate=1e-3", "method.rank=4", "save_every=2",
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(list(map(str, words)), env=env, capture_output=True, text=True, timeout=240, cwd=data.parent)


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch has no gloo, by which processes on CPUs talk",
)
def test_two_processes_give_the_losses_and_weights_of_one(tiny_base: str, tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    rows = [{"input": "q" * n, "target": ("red", "blue", "green")[n % 3]} for n in LENGTHS]
    data.write_text("".join(json.dumps(r) + "\n" for r in rows))
    values = {"quantization": "nf4", "epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "save_every": 2}
    config = TrainConfig(base=tiny_base, method_options={"rank": 4}, **values)
    one = train(read_examples(data), config, tmp_path / "one", on_progress=lambda _: None)
    done = launched(tmp_path / "two", data, tiny_base)
    if done.returncode and "Address family" in done.stderr:
        pytest.skip("no sockets here, by which processes talk")
    assert done.returncode == 0, done.stderr[-3000:]
    two = json.loads((tmp_path / "two" / "card.json").read_text())
    assert one.card is not None
    assert [loss for _, loss in two["losses"]] == pytest.approx([loss for _, loss in one.card.losses], rel=1e-5)
    assert (two["tokens"], two["supervised_tokens"]) == (one.card.tokens, one.card.supervised_tokens)
    assert "2 processes" in two["notes"]
    weights = [load_file(str(tmp_path / name / "adapter_model.safetensors")) for name in ("one", "two")]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-3, atol=1e-5)
    # One process writes and speaks.
    assert done.stdout.count("Adapter:") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "train.jsonl", "two"]


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_every_example_of_a_batch_belongs_to_one_process(processes: int) -> None:
    batch = [rendered(n) for n in LENGTHS]
    shares = [ranks.share(batch, i, processes) for i in range(processes)]
    assert sorted(r.source for part in shares for r in part) == sorted(r.source for r in batch)
    if processes == 2:
        tokens = [sum(len(r.ids) for r in part) for part in shares]
        assert abs(tokens[0] - tokens[1]) <= 5


def test_alone_there_is_nothing_to_wait_for() -> None:
    assert (ranks.count(), ranks.number(), ranks.is_first()) == (1, 0, True)
    ranks.wait()
    weight = torch.nn.Parameter(torch.ones(2))
    ranks.sum_gradients([weight])
    assert weight.grad is None


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_accelerate_reads_the_configurations(file: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    assert config.num_processes == 2
    assert config.distributed_type.value == "MULTI_GPU"


@pytest.mark.parametrize("kind", ["is_fsdp_enabled", "is_deepspeed_enabled"])
def test_a_base_cut_over_gpus_is_refused(
    kind: str, tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(loop: Any) -> None:
        real(loop)
        setattr(loop, kind, True)

    real = Loop.create_accelerator_and_postprocess
    monkeypatch.setattr(Loop, "create_accelerator_and_postprocess", pretend)
    turns = (Turn(role="user", content="q"), Turn(role="assistant", content="a"))
    with pytest.raises(ConfigError, match="cannot be cut over several GPUs") as e:
        train([Example(turns=turns)], TrainConfig(base=tiny_base, quantization="none"), tmp_path / "a")
    assert "multi_gpu.yaml" in str(e.value)
