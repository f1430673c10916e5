"""The base and the adapters that the throughput benchmark answers with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

PACKAGED = "builtin:smollm2-135m"
SHAPES: dict[str, dict[str, Any] | None] = {
    "smollm2-135m": None,
    "llama-8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "rope_theta": 500000.0,
    },
    "llama-small": {
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        "rope_theta": 500000.0,
    },
}
"""None is the packaged model. The others are Llamas of random weights with the packaged model's tokenizer: it has
49,152 tokens, and Llama 3 has 128,256. llama-small tests the code path of llama-8b at a small size."""
SCALE = 0.02
"""Standard deviation of the random adapters' weights: they change the texts, and the texts stay readable."""


def make_base(shape: str, work: Path) -> tuple[str, str]:
    """(the base as DomainLLM names it, its folder for the stock libraries)."""
    packaged, sizes = folder_of(PACKAGED), SHAPES[shape]
    if sizes is None:
        return PACKAGED, packaged
    if shape == "llama-8b" and not torch.cuda.is_available():
        sys.exit("llama-8b needs a CUDA device with about 70 GB; next: leave --shape out, or try --shape llama-small")
    folder = work / shape
    _random_llama(sizes, packaged, folder)
    return str(folder), str(folder)


def folder_of(base: str) -> str:
    """The base's folder of safetensors, unpacked if it is a GGUF."""
    from domainkit.models.gguf import model_folder
    from domainkit.models.source import resolve_base

    source = resolve_base(base)
    return str(model_folder(source))


def _random_llama(sizes: dict[str, Any], tokenizer_folder: str, folder: Path) -> None:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    ends = {
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(vocab_size=len(tokenizer), **sizes, **ends)
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model: Any = LlamaForCausalLM(config)
    if torch.cuda.is_available():
        model = model.to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    del model
    torch.cuda.empty_cache()


def make_adapters(folder: str, work: Path, rank: int, n: int) -> list[str]:
    """PEFT folders of random LoRA adapters over every linear layer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    made = []
    for i in range(n):
        torch.manual_seed(i)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.copy_(torch.randn_like(weight) * SCALE)
        made.append(str(work / f"adapter-{i}"))
        model.save_pretrained(made[-1])
    return made
