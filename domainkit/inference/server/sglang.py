"""SGLang's own forms, where they differ from vLLM's (SGLang 0.5, srt/entrypoints; read, not run here)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domainkit.messages import JsonObject

LOAD = "/load_lora_adapter"


def adapter_model(base: str, name: str) -> str:
    """The `model=` of a request to an adapter: its bare name would be the base."""
    return f"{base}:{name}"


def own_body(body: JsonObject) -> JsonObject:
    """A chat body with the constraint under SGLang's names: a choice is a regular expression there."""
    structure = body.get("structured_outputs") or {}
    own = {name: value for name, value in body.items() if name != "structured_outputs"}
    if "choice" in structure:
        own["regex"] = choice_regex(structure["choice"])
    elif "regex" in structure:
        own["regex"] = structure["regex"]
    return own


def choice_regex(choices: Sequence[str]) -> str:
    """Exactly one of `choices`. Only what has a meaning in a pattern is escaped: its engines know few escapes."""
    return "(" + "|".join(re.sub(r"([\\.^$*+?{}\[\]|()/])", r"\\\1", choice) for choice in choices) + ")"
