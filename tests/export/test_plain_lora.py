"""What is a low-rank change of weights converts to the plain LoRA that gives the same logits; what is not is
refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import peft_warnings_muted
from domainkit.adapters.methods.low_rank.lora import is_plain_lora
from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.export.merge_plan import MergeError
from domainkit.export.plain_lora import to_plain_lora
from domainkit.models.load import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

TARGETS = ["q_proj", "v_proj", "up_proj"]


def build(base: str, folder: Path, config: Any) -> Path:
    """A PEFT folder as a stranger would write it: random trained weights, no card."""
    from peft import get_peft_model

    torch.manual_seed(1)
    with peft_warnings_muted():
        model = get_peft_model(load_base(base, quantization="none", purpose="infer").model, config)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.add_(torch.randn_like(weight) * 0.1)
        model.save_pretrained(str(folder))
    return folder


def logits(base: str, folder: Path) -> torch.Tensor:
    with peft_warnings_muted(), torch.no_grad():
        model = load_adapted(load_base(base, quantization="none", purpose="infer").model, folder).eval()
        return model(input_ids=torch.arange(30)[None] + 70).logits


def configs() -> dict[str, Any]:
    from peft import AdaLoraConfig, LoHaConfig, LoraConfig, MissConfig, VeraConfig

    task: Any = {"task_type": "CAUSAL_LM", "target_modules": TARGETS}
    return {
        "adalora": AdaLoraConfig(init_r=6, target_r=3, total_step=10, **task),
        "loha": LoHaConfig(r=3, alpha=6, **task),
        "vera": VeraConfig(r=8, target_modules=["q_proj"], task_type="CAUSAL_LM"),
        "miss": MissConfig(r=4, **task),
        "pissa": LoraConfig(r=4, init_lora_weights="pissa", **task),
        "olora": LoraConfig(r=4, init_lora_weights="olora", **task),
    }


@pytest.mark.parametrize(
    ("kind", "rank"), [("adalora", 6), ("loha", 9), ("vera", 8), ("miss", 4), ("pissa", 8), ("olora", 8)]
)
def test_the_plain_lora_gives_the_same_logits(kind: str, rank: int, tiny_base: str, tmp_path: Path) -> None:
    folder = build(tiny_base, tmp_path / kind, configs()[kind])
    to_plain_lora(folder, tmp_path / "plain", base=tiny_base, quantization="none")
    settings = json.loads((tmp_path / "plain" / "adapter_config.json").read_text())
    assert is_plain_lora(settings)
    assert (settings["peft_type"], settings["r"], settings["init_lora_weights"]) == ("LORA", rank, True)
    assert settings["base_model_name_or_path"] == tiny_base
    names = load_file(str(tmp_path / "plain" / "adapter_model.safetensors"))
    assert all(".lora_A.weight" in n or ".lora_B.weight" in n for n in names)
    wanted = logits(tiny_base, folder)
    torch.testing.assert_close(logits(tiny_base, tmp_path / "plain"), wanted, rtol=1e-2, atol=2e-3)
    base = load_base(tiny_base, quantization="none", purpose="infer").model
    with torch.no_grad():
        assert not torch.allclose(base(input_ids=torch.arange(30)[None] + 70).logits, wanted, atol=0.1)


def test_what_is_no_low_rank_change_is_refused(tiny_base: str, tmp_path: Path) -> None:
    from peft import LoraConfig, OFTConfig

    task: Any = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj"]}
    for name, config in {"dora": LoraConfig(r=4, use_dora=True, **task), "oft": OFTConfig(**task)}.items():
        folder = build(tiny_base, tmp_path / name, config)
        with pytest.raises(MergeError, match=f"{name} changes weights by more than a matrix of low rank") as e:
            to_plain_lora(folder, tmp_path / "plain", base=tiny_base, quantization="none")
        assert "domainkit merge" in str(e.value)
    assert not (tmp_path / "plain").exists()


def test_plain_lora_needs_no_conversion(tiny_base: str, tmp_path: Path) -> None:
    from peft import LoraConfig

    folder = build(tiny_base, tmp_path / "lora", LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    with pytest.raises(ConfigError, match="plain LoRA already"):
        to_plain_lora(folder, tmp_path / "plain", base=tiny_base, quantization="none")


def test_the_card_goes_along_and_names_its_parent(tiny_base: str, tmp_path: Path) -> None:
    rows = [
        Example(turns=(Turn(role="user", content=f"q{i}"), Turn(role="assistant", content="red")), source="x.jsonl:1")
        for i in range(4)
    ]
    config = TrainConfig(
        base=tiny_base,
        quantization="nf4",
        method="loha",
        method_options={"rank": 3, "target": ("q_proj", "v_proj")},
        epochs=3,
        batch_size=4,
    )
    parent = train(rows, config, tmp_path / "loha", on_progress=lambda _: None)
    card = to_plain_lora(parent.folder, tmp_path / "plain").card
    assert card is not None
    assert card.parents == [
        {"adapter": "loha", "weights_sha256": parent.weights_sha256, "data_fingerprint": card.data_fingerprint}
    ]
    assert card.notes[-1] == "converted from loha to plain LoRA of rank 9; logits are the same"
    assert Adapter.load(tmp_path / "plain").card == card
