"""Adapters over the tiny base, of each kind that the pool tells apart; random, so that each answers differently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domainkit.inference.backend import Request
from domainkit.messages import Message


def ask(text: str, **options: Any) -> Request:
    """A request of one user turn."""
    return Request((Message("user", text),), **{"max_tokens": 16, **options})


def save_adapter(base: str, folder: Path, seed: int, config: Any, spread: float = 0.3) -> str:
    """A PEFT folder with random weights."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from domainkit.adapters.methods import peft_warnings_muted

    torch.manual_seed(seed)
    with peft_warnings_muted():
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.add_(torch.randn_like(weight) * spread)
        model.save_pretrained(folder)
    return str(folder)


def save_own(base: str, folder: Path, seed: int, method: str, **options: Any) -> str:
    """A folder of one of domainkit's own methods, with random weights."""
    import torch

    from domainkit.adapters.methods import attach, parse_method
    from domainkit.models.load import load_base

    model = attach(parse_method(method, options), load_base(base, quantization="none").model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.tuning.weights().values():
            weight.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)
    return str(folder)


OWN: dict[str, dict[str, Any]] = {
    "loreft": {"method": "loreft", "first": 3, "last": 4},
    "direft": {"method": "direft", "tied": False},
    "bottleneck": {"method": "bottleneck", "size": 8},
    "houlsby": {"method": "bottleneck", "placement": "houlsby"},
    "parallel": {"method": "bottleneck", "placement": "parallel"},
    "last": {"method": "last_layers"},
    "full": {"method": "full"},
}


def build_every_method(base: str, folder: Path) -> dict[str, str]:
    """Folders by name: virtual tokens of each kind, and domainkit's own methods."""
    from peft import MultitaskPromptTuningConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig

    task: Any = {"task_type": "CAUSAL_LM", "num_virtual_tokens": 5}
    configs = {
        "prefix": PrefixTuningConfig(**task),
        "p-tuning": PromptEncoderConfig(encoder_hidden_size=16, **task),
        "prompt": PromptTuningConfig(**task),
        "multitask": MultitaskPromptTuningConfig(num_tasks=2, **task),
    }
    made = {name: save_adapter(base, folder / name, i, config) for i, (name, config) in enumerate(configs.items())}
    return made | {name: save_own(base, folder / name, i, **options) for i, (name, options) in enumerate(OWN.items())}


def build_adapters(base: str, folder: Path) -> dict[str, str]:
    """Folders by name: two plain LoRAs, one DoRA, one with a trained head, one IA3."""
    from peft import IA3Config, LoraConfig

    task: Any = {"task_type": "CAUSAL_LM"}
    configs = {
        "red": LoraConfig(r=4, target_modules="all-linear", **task),
        "blue": LoraConfig(r=8, target_modules=["q_proj", "v_proj"], use_rslora=True, **task),
        "dora": LoraConfig(r=4, target_modules=["q_proj", "v_proj"], use_dora=True, **task),
        "head": LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"], **task),
        "ia3": IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], **task),
    }
    return {
        name: save_adapter(base, folder / name, i, config, 0.05 if name == "head" else 0.3)
        for i, (name, config) in enumerate(configs.items())
    }
