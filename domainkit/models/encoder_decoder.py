"""What differs between decoder-only bases and encoder-decoders of the T5 type: one `Architecture` object answers for
both.

In an encoder-decoder the encoder reads the prompt and the decoder writes the answer. A decoder-only base reads and
writes one sequence.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from domainkit.errors import BaseModelError
from domainkit.messages import JsonObject

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import (
        Cache,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '' }}\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)
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
"""The prompt as T5 reads it, then the answer, each closed by EOS. One question stands as it is, after the system text
and an empty line. Each of several turns follows the name of its role."""


class Architecture(ABC):
    """How a kind of base is loaded, prompted and answered."""

    task_type: ClassVar[Literal["CAUSAL_LM", "SEQ_2_SEQ_LM"]]
    """PEFT's name of the task."""
    loader: ClassVar[str]
    """Name of the transformers class that loads the base."""
    has_encoder: ClassVar[bool]
    """An encoder reads the prompt, and the decoder only the answer."""
    default_template: ClassVar[str]
    """Chat template of bases that come without one."""
    default_template_note: ClassVar[str]
    """Tells the user that the default template is used."""
    why_not_packed: ClassVar[str | None] = None
    """Why several examples never share a row in training."""
    opening_token_id: int | None
    """The token that the decoder of an encoder-decoder reads before the answer."""

    @abstractmethod
    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        """Raise BaseModelError when answers could not end, or texts would not be read as they are."""

    @abstractmethod
    def model_prompt(self, ids: Sequence[int]) -> list[int]:
        """All tokens that come before the answer's first one, from the ids of a prompt."""

    @abstractmethod
    def stacks(self, model: PreTrainedModel) -> list[torch.nn.Module]:
        """The model's stacks of blocks: its decoder, or its encoder and its decoder."""

    @abstractmethod
    def decoder_cache(self, model: PreTrainedModel, ids: torch.Tensor) -> Cache:
        """The keys and values of the decoder's layers for a row of `ids`."""


@dataclass(frozen=True, slots=True)
class DecoderOnly(Architecture):
    """One sequence holds the prompt and the answer."""

    task_type = "CAUSAL_LM"
    loader = "AutoModelForCausalLM"
    has_encoder = False
    default_template = PLAIN_TEMPLATE
    default_template_note = (
        "the base has no chat template: turns are written as 'User: …' and 'Assistant: …', closed by its EOS token"
    )
    opening_token_id = None

    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        if not tokenizer.chat_template and tokenizer.eos_token is None:
            raise BaseModelError(
                "has neither a chat template nor an EOS token, so no answer could end",
                where=str(folder),
                next_step="use an instruction-tuned base, or add a chat template to its tokenizer",
            )

    def model_prompt(self, ids: Sequence[int]) -> list[int]:
        return list(ids)

    def stacks(self, model: PreTrainedModel) -> list[torch.nn.Module]:
        return [model.get_decoder()]

    def decoder_cache(self, model: PreTrainedModel, ids: torch.Tensor) -> Cache:
        return model(input_ids=ids, use_cache=True).past_key_values


@dataclass(frozen=True, slots=True)
class EncoderDecoder(Architecture):
    """The encoder reads the prompt. The decoder reads `opening_token_id`, then writes the answer."""

    opening_token_id: int

    task_type = "SEQ_2_SEQ_LM"
    loader = "AutoModelForSeq2SeqLM"
    has_encoder = True
    why_not_packed = "an encoder-decoder reads prompts and answers in rows of their own"
    default_template = PAIR_TEMPLATE
    default_template_note = (
        "the encoder reads the system text and the question as they are, the decoder writes the answer; EOS closes both"
    )

    def check_tokenizer(self, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        if tokenizer.eos_token_id is None:
            raise _not_t5(folder, "has no EOS token, so no answer could end")
        wrapped, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
        if wrapped not in (bare, [*bare, tokenizer.eos_token_id]):
            raise _not_t5(folder, f"wraps a text in tokens of its own ({tokenizer.decode(wrapped)})")

    def model_prompt(self, ids: Sequence[int]) -> list[int]:
        return [*ids, self.opening_token_id]

    def stacks(self, model: PreTrainedModel) -> list[torch.nn.Module]:
        return [model.get_encoder(), model.get_decoder()]

    def decoder_cache(self, model: PreTrainedModel, ids: torch.Tensor) -> Cache:
        return model(input_ids=ids, decoder_input_ids=ids, use_cache=True).past_key_values.self_attention_cache


def read_architecture(folder: str | Path) -> Architecture:
    """The architecture that a model folder describes. Raises BaseModelError for encoder-decoders not of the T5 type."""
    folder = Path(folder)
    config = _json_object(folder / "config.json")
    if not config.get("is_encoder_decoder"):
        return DecoderOnly()
    config |= {k: v for k, v in _json_object(folder / "generation_config.json").items() if v is not None}
    if config.get("forced_bos_token_id") is not None:
        raise _not_t5(folder, "begins every answer with a forced token, such as a language's")
    opening = config.get("decoder_start_token_id")
    if not isinstance(opening, int):
        raise _not_t5(folder, "does not say what its answers begin with (decoder_start_token_id)")
    return EncoderDecoder(opening)


def architecture_of(model: PreTrainedModel | PeftModel) -> Architecture:
    """The architecture of a model in memory, bare or inside PEFT."""
    if getattr(model.config, "is_encoder_decoder", False):
        return EncoderDecoder(model.config.decoder_start_token_id)
    return DecoderOnly()


def is_encoder_decoder(model: PreTrainedModel | PeftModel) -> bool:
    return architecture_of(model).has_encoder


def task_type(model: PreTrainedModel | PeftModel) -> str:
    """PEFT's name for what the model does."""
    return architecture_of(model).task_type


def _json_object(file: Path) -> JsonObject:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # loading the model reports what is wrong with the file
    return values if isinstance(values, dict) else {}


def _not_t5(folder: Path, what: str) -> BaseModelError:
    return BaseModelError(
        f"is an encoder-decoder that {what}",
        where=str(folder),
        next_step="use a base of the T5 type (T5, Flan-T5, mT5, ByT5), or a decoder-only one",
    )
