"""Which forms of LoRA a server computes as PEFT does. What it would refuse, or compute otherwise, is refused here.

vLLM 0.33: vllm/lora/peft_helper.py. SGLang 0.5: srt/lora/lora.py, which reads the rank and alpha alone.
"""

from __future__ import annotations

from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import abilities_of, read_adapter_config
from domainkit.adapters.methods.low_rank.lora import PLAIN_STARTS, Lora, has_one_scale, special_features, start_of
from domainkit.adapters.peft_config import read_peft_config
from domainkit.errors import AdapterError
from domainkit.messages import JsonObject


def check_form(adapter: Adapter, server: str = "vLLM") -> JsonObject:
    """The adapter's configuration, after the check that `server` ("vLLM" or "SGLang") computes it. Raises
    AdapterError."""
    config = read_adapter_config(adapter.folder)
    if abilities_of(config["peft_type"]) is Lora:
        read_peft_config(adapter.folder)  # raises for values of another type than LoRA's
    unfit = _why_not(config, server)
    if unfit is None and server == "SGLang":
        unfit = _why_not_sglang(config)
    if unfit:
        raise AdapterError(
            unfit, where=str(adapter.folder), next_step="merge it into its base and serve that, or use backend='local'"
        )
    return config


def _why_not(config: JsonObject, server: str) -> str | None:
    if abilities_of(config["peft_type"]) is not Lora:
        return f"is {config['peft_type']}, and {server} serves LoRA only"
    if config.get("use_dora"):
        return f"is DoRA, which {server} does not serve"
    if config.get("modules_to_save"):
        return f"holds whole modules ({', '.join(config['modules_to_save'])}), which {server} does not serve"
    if config.get("bias", "none") != "none":
        return f"trained the layers' biases too (bias={config['bias']}), which {server} does not serve"
    if special := special_features(config):
        return f"uses {', '.join(special)}, which {server} does not serve"
    if start_of(config) not in PLAIN_STARTS:
        return f"was started with init_lora_weights={start_of(config)}, which changes the base's weights"
    if not has_one_scale(config):
        return f"scales its layers differently (rank_pattern, alpha_pattern), and {server} may scale all alike"
    return None


def _why_not_sglang(config: JsonObject) -> str | None:
    """What it loads without a word, and computes otherwise."""
    if config.get("use_rslora"):
        return "is rsLoRA, which SGLang scales as plain LoRA: too weakly, by the root of the rank"
    ignored = [name for name in ("rank_pattern", "alpha_pattern") if config.get(name)]
    return f"has {' and '.join(ignored)}, which SGLang does not read" if ignored else None
