"""Adapter types that domainkit does not train, but can meet in a folder that PEFT wrote: what each can do."""

from __future__ import annotations

from domainkit.adapters.adaptation import Abilities, PeftConfigDict
from domainkit.adapters.methods.activations.loreft import AT_SOME_POSITIONS
from domainkit.adapters.methods.virtual_tokens.prompt_learning import LEARNT_VECTORS


class VirtualTokens(Abilities):
    """CPT, Cartridge and Llama-Adapter's adaption prompts."""

    why_not_mergeable = LEARNT_VECTORS


class Interventions(Abilities):
    """PEFT's own ReFT."""

    why_not_mergeable = AT_SOME_POSITIONS


class Miss(Abilities):
    """MiSS (arXiv 2409.15371): a matrix of rank r, expanded; its variant "bat" also multiplies the weight."""

    @classmethod
    def lora_rank(cls, config: PeftConfigDict) -> int | None:
        return None if config.get("init_weights") == "bat" else int(config["r"])
