"""The families of base models that `architectures` tries: a tiny configuration of each."""

from __future__ import annotations

from typing import Any

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
ROPE = {"rope_theta": 10_000.0}
MOE = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
DEEPSEEK_MOE = {
    **MOE,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16}
LINEAR_ATTENTION = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama 2, 3; SmolLM2": ("llama", {}),
    "Llama 3.1 and later": (
        "llama",
        {
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "llama3",
                **ROPE,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
    ),
    "Llama with dynamic NTK": ("llama", {"rope_parameters": {"rope_type": "dynamic", **ROPE, "factor": 2.0}}),
    "Llama with YaRN": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                **ROPE,
                "factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "Llama 4": ("llama4_text", {**MOE, "head_dim": 16, "intermediate_size_mlp": 128, "attention_chunk_size": 64}),
    "Mistral": ("mistral", {"sliding_window": None}),
    "Mistral with a window": ("mistral", {"sliding_window": 16}),
    "Ministral": ("ministral", {"head_dim": 16, "sliding_window": 16}),
    "Qwen 2, 2.5": ("qwen2", {}),
    "Qwen 3": ("qwen3", {"head_dim": 16}),
    "Qwen 3 MoE": ("qwen3_moe", {**MOE, "head_dim": 16}),
    "Qwen 3 Next": (
        "qwen3_next",
        {**LINEAR_ATTENTION, **MOE, "head_dim": 16, "shared_expert_intermediate_size": 64},
    ),
    "Qwen 3.5": ("qwen3_5_text", {**LINEAR_ATTENTION, "head_dim": 16}),
    "Gemma": ("gemma", {"head_dim": 16}),
    "Gemma 2": ("gemma2", {"head_dim": 16, "sliding_window": 16}),
    "Gemma 3": ("gemma3_text", {"head_dim": 16, "sliding_window": 16}),
    "Phi 2": ("phi", {}),
    "Phi 3, 4": ("phi3", {}),
    "Phi 3.5 and 4 mini (long RoPE)": (
        "phi3",
        {
            "original_max_position_embeddings": 64,
            "rope_parameters": {
                "rope_type": "longrope",
                **ROPE,
                "factor": 8.0,
                "original_max_position_embeddings": 64,
                "short_factor": [1.0] * 8,
                "long_factor": [4.0] * 8,
            },
        },
    ),
    "Mixtral": ("mixtral", MOE),
    "DeepSeek V3": (
        "deepseek_v3",
        {
            **DEEPSEEK_MOE,
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 16,
            "v_head_dim": 16,
        },
    ),
    "OLMo 2": ("olmo2", {}),
    "OLMo 3": ("olmo3", {"sliding_window": 16}),
    "OLMoE": ("olmoe", MOE),
    "SmolLM3": ("smollm3", {}),
    "Granite": ("granite", {}),
    "Granite 4 (hybrid)": (
        "granitemoehybrid",
        {
            **MOE,
            **MAMBA,
            "layer_types": ["mamba", "attention"],
            "layers_block_type": ["mamba", "attention"],
            "shared_intermediate_size": 64,
        },
    ),
    "GLM 4": ("glm4", {"head_dim": 16}),
    "GLM 4 MoE": ("glm4_moe", {**DEEPSEEK_MOE, "head_dim": 16}),
    "ERNIE 4.5": ("ernie4_5", {"head_dim": 16}),
    "Hunyuan": ("hunyuan_v1_dense", {"head_dim": 16}),
    "Helium": ("helium", {"head_dim": 16}),
    "Nemotron": ("nemotron", {}),
    "Falcon H1 (hybrid)": ("falcon_h1", {**MAMBA, "mamba_d_ssm": 128, "head_dim": 16}),
    "Mamba 2": ("mamba2", {"num_heads": 8, "head_dim": 16, "state_size": 16, "n_groups": 1, "expand": 2}),
    "Cohere 2": ("cohere2", {"sliding_window": 16, "head_dim": 16, "logit_scale": 1.0}),
    "StarCoder 2": ("starcoder2", {}),
    "StableLM": ("stablelm", {}),
    "LFM 2": ("lfm2", {"layer_types": ["conv", "full_attention"]}),
    "GPT-NeoX, Pythia": ("gpt_neox", {}),
    "GPT-2": ("gpt2", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512}),
    "OPT": ("opt", {"ffn_dim": 128, "word_embed_proj_dim": 64}),
    "Falcon": ("falcon", {"num_kv_heads": 1, "new_decoder_architecture": False, "alibi": False}),
    "Falcon with ALiBi": ("falcon", {"num_kv_heads": 1, "new_decoder_architecture": False, "alibi": True}),
    "BLOOM": ("bloom", {"n_layer": 2, "n_head": 4}),
    "gpt-oss": ("gpt_oss", {**MOE, "head_dim": 16, "sliding_window": 16}),
}
"""By the name that people use: model type of transformers, and what the tiny configuration needs beside SMALL."""
