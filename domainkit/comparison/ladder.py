"""The ladder's variants and what builds them, by name: `chains` imports domainkit, so domainkit must not import it."""

from __future__ import annotations

from domainkit.errors import ConfigError
from domainkit.evaluation.variant import Variant
from domainkit.registry import Table, suggestion

CHAINS = Table(
    "chain",
    {
        "agent tool": "chains.agent:TOOL",
        "answer_chain": "chains.answer:answer_chain",
        "build_chain": "chains.ladder:build_chain",
        "fixed shots": "chains.ladder:fixed_shots",
        "context_examples": "chains.context:context_examples",
        "ladder": "chains.ladder:LADDER",
        "parts": "chains.ladder:Parts",
    },
)
VARIANTS = Table("variant", {}, group="domainkit.variants")
"""Variants of other packages. Each line names a `Variant`."""


def ladder() -> dict[str, Variant]:
    """Every variant by name: the built-in ones from simple to combined, then those of other packages."""
    built_in: dict[str, Variant] = CHAINS.load("ladder")
    return {**built_in, **{name: VARIANTS.load(name) for name in VARIANTS if name not in built_in}}


def find_variant(name: str) -> Variant:
    """The variant of that name. Raises ConfigError with the nearest name."""
    variants = ladder()
    if not isinstance(name, str):
        raise ConfigError(f"{name!r} is neither a variant nor the name of one", next_step="give a name or a Variant")
    if name not in variants:
        raise ConfigError(f"unknown variant '{name}'", next_step=suggestion(name, variants))
    return variants[name]
