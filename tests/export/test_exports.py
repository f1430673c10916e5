"""Every line of EXPORTS: it exports a trained LoRA, refuses what it cannot export, and overwrites nothing of others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError, DomainkitError
from domainkit.export import EXPORTS
from domainkit.export.target import ExportJob, ExportTarget
from domainkit.models.load import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

ROWS = [
    Example(turns=(Turn(role="user", content=f"say {word} {i}"), Turn(role="assistant", content=word)))
    for i, word in enumerate(("red", "blue") * 4)
]
HELD_OUT = [
    Example(turns=(Turn(role="user", content=f"say {word} {i}"), Turn(role="assistant", content=word)))
    for i, word in enumerate(("red", "blue") * 2, start=90)
]
METHODS = {"plain-lora": "loha"}
"""A method that each target takes; the default is LoRA."""
HERE = ("vllm", "plain-lora", "merged")
"""Targets whose output is read here; tests/export/gguf, ollama and hub read the others."""


@pytest.fixture(scope="module")
def adapters(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exports")
    options = {"lora": {"rank": 4}, "loha": {"rank": 2}, "prompt_tuning": {"tokens": 2}}
    made = {}
    for method, own in options.items():
        config = TrainConfig(
            base=tiny_base,
            quantization="none",
            method=method,
            method_options=own,
            epochs=6,
            batch_size=4,
            learning_rate=1e-2,
        )
        made[method] = train(ROWS, config, folder / method, on_progress=lambda _: None).folder
    return made


def job_for(target: ExportTarget, adapter: Path, out: Path | None) -> ExportJob:
    """A job of what the target uses."""
    fields = {"out": out, "held_out": HELD_OUT, "engine": "none", "repo": "o/n", "dry_run": True}
    return ExportJob((adapter,), **{k: v for k, v in fields.items() if k in target.uses})


@torch.no_grad()
def logits(base: str, adapter: Path | None = None) -> torch.Tensor:
    model = load_base(base, quantization="none", purpose="infer").model
    model = model if adapter is None else load_adapted(model, adapter).eval()
    return model(input_ids=torch.arange(30)[None] + 70).logits


@pytest.mark.parametrize("name", HERE)
def test_a_target_gives_what_answers_as_the_adapter_does(
    name: str, adapters: dict[str, Path], tiny_base: str, tmp_path: Path
) -> None:
    adapter = adapters[METHODS.get(name, "lora")]
    target = EXPORTS.load(name)
    exported = target(job_for(target, adapter, tmp_path / "out"))
    assert exported.lines
    if exported.path is None:
        assert str(adapter) in "\n".join(exported.lines)
        return
    is_adapter = (exported.path / "adapter_config.json").is_file()
    got = logits(tiny_base, exported.path) if is_adapter else logits(str(exported.path))
    torch.testing.assert_close(got, logits(tiny_base, adapter), rtol=1e-2, atol=5e-3)


@pytest.mark.parametrize("name", [n for n in EXPORTS if n != "hub"])
def test_a_target_refuses_virtual_tokens_and_writes_nothing(
    name: str, adapters: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(DomainkitError, match=r"(?i)prompt_tuning"):
        EXPORTS.load(name)(job_for(EXPORTS.load(name), adapters["prompt_tuning"], tmp_path / "out"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [n for n in EXPORTS if n not in ("vllm", "hub")])
def test_a_target_overwrites_nothing_of_others(name: str, adapters: dict[str, Path], tmp_path: Path) -> None:
    target = EXPORTS.load(name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match="exists and is not"):
        target(job_for(target, adapters[METHODS.get(name, "lora")], tmp_path / "out"))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    with pytest.raises(ConfigError, match="name a new folder"):
        target(job_for(target, adapters[METHODS.get(name, "lora")], None))
    with pytest.raises(ConfigError, match="one adapter at a time"):
        target(ExportJob((adapters["lora"], adapters["loha"]), tmp_path / "new"))


@pytest.mark.parametrize(
    ("name", "job"),
    [("vllm", {"out": Path("x")}), ("vllm", {"held_out": HELD_OUT}), ("plain-lora", {"held_out": HELD_OUT})],
)
def test_what_a_target_does_not_use_is_refused(name: str, job: dict[str, object], adapters: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="does not use it"):
        EXPORTS.load(name)(ExportJob((adapters["lora"],), **job))
