"""Encoder-decoder bases (T5 type): the encoder reads the prompt, the decoder writes the answer. What the files say of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domainkit.errors import BaseModelError

PAIR_TEMPLATE = (
    "{%- set answered = not add_generation_prompt and messages[-1]['role'] == 'assistant' -%}"
    "{%- set asked = messages[:-1] if answered else messages -%}"
    "{%- set talk = asked | rejectattr('role', 'equalto', 'system') | list -%}"
    "{%- for m in asked -%}"
    "{%- if m['role'] == 'system' -%}{{ m['content'] + '\n\n' }}"
    "{%- elif talk | length == 1 -%}{{ m['content'] }}"
    "{%- else -%}{{ m['role'] | capitalize + ': ' + m['content'] + '\n' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{{- 'Assistant:' if talk | length > 1 else '' -}}{{ eos_token }}"
    "{%- if answered -%}{{ messages[-1]['content'] + eos_token }}{%- endif -%}"
)
"""The prompt as T5 reads it, then the answer, each closed by EOS: the system text, an empty line and the question as it is; of
several turns, each behind its role's name."""
PAIR_NOTE = (
    "the encoder reads the system text and the question as they are, the decoder writes the answer; EOS closes both"
)


def opening_token_id(folder: str | Path) -> int | None:
    """The token that an encoder-decoder's decoder reads before the answer; None for a decoder-only base.

    Raises BaseModelError for encoder-decoders of another type than T5.
    """
    folder = Path(folder)
    config = _values(folder / "config.json")
    if not config.get("is_encoder_decoder"):
        return None
    config |= {k: v for k, v in _values(folder / "generation_config.json").items() if v is not None}
    if config.get("forced_bos_token_id") is not None:
        raise _other_type(folder, "begins every answer with a forced token, such as a language's")
    opening = config.get("decoder_start_token_id")
    if not isinstance(opening, int):
        raise _other_type(folder, "does not say what its answers begin with (decoder_start_token_id)")
    return opening


def check_form(tokenizer: Any, folder: Path) -> None:
    """Raises BaseModelError unless the base's own form of a text is the text and EOS."""
    if tokenizer.eos_token_id is None:
        raise _other_type(folder, "has no EOS token, so no answer could end")
    wrapped, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    if wrapped not in (bare, [*bare, tokenizer.eos_token_id]):
        raise _other_type(folder, f"wraps a text in tokens of its own ({tokenizer.decode(wrapped)})")


def is_encoder_decoder(model: Any) -> bool:
    """Whether the model is an encoder-decoder."""
    return bool(getattr(model.config, "is_encoder_decoder", False))


def task_type(model: Any) -> str:
    """PEFT's name for what the model does."""
    return "SEQ_2_SEQ_LM" if is_encoder_decoder(model) else "CAUSAL_LM"


def _values(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # what is wrong with it is told where the model is loaded
    return values if isinstance(values, dict) else {}


def _other_type(folder: Path, what: str) -> BaseModelError:
    return BaseModelError(
        f"is an encoder-decoder that {what}",
        where=str(folder),
        next_step="use a base of the T5 type (T5, Flan-T5, mT5, ByT5), or a decoder-only one",
    )


__all__ = ["PAIR_NOTE", "PAIR_TEMPLATE", "check_form", "is_encoder_decoder", "opening_token_id", "task_type"]
