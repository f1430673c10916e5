"""A tiny base as a GGUF, written by hand: names, order of rows and vocabulary as llama.cpp's converter writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.conftest import CONTROL, TEMPLATE, build_tokenizer

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
SIZE, BLOCKS, HEADS, KV_HEADS, CONTEXT, VOCABULARY = 64, 2, 4, 2, 512, 261


def halves_to_pairs(rows: Any, heads: int) -> Any:
    """Row i of the first half of each head, then row i of the second: the order of llama-type files."""
    width = len(rows) // heads
    order = [h * width + half * width // 2 + i for h in range(heads) for i in range(width // 2) for half in (0, 1)]
    return rows[order]


def tiny_model(*, tied: bool = False) -> Any:
    """A random Llama of two layers over bytes, whose rows all divide by 32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=SIZE,
        intermediate_size=128,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


def write_tiny_gguf(path: Path, model: Any, *, quantised: str = "F32") -> Path:
    """Write `model` with its matrices in the format `quantised`."""
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType
    from gguf.quants import quantize

    writer = GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_block_count(BLOCKS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(SIZE)
    writer.add_feed_forward_length(128)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(SIZE // HEADS)
    writer.add_vocab_size(VOCABULARY)
    vocabulary = build_tokenizer().get_vocab()
    tokens = [*sorted(vocabulary, key=vocabulary.__getitem__), "ab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if t in CONTROL else TokenType.NORMAL for t in tokens])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in model.state_dict().items():
        target = gguf_name(name)
        if target == "output.weight" and model.config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if ".attn_q." in target or ".attn_k." in target:
            values = halves_to_pairs(values, HEADS if ".attn_q." in target else KV_HEADS)
        kind = GGMLQuantizationType[quantised if values.ndim > 1 else "F32"]
        writer.add_tensor(target, quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_name(name: str) -> str:
    """The GGUF's name of a weight of Llama."""
    outer = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in outer:
        return outer[name]
    _, _, block, *middle, kind = name.split(".")
    return f"blk.{block}.{NAMES['.'.join(middle)]}.{kind}"
