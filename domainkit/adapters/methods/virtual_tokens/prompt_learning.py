"""Virtual tokens: what the methods that put learnt vectors before a prompt share. They pad rows, and cannot be merged."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, wrap
from domainkit.errors import ConfigError
from domainkit.models.encoder_decoder import is_encoder_decoder

START = "Read the request and give the answer it asks for, short and exact."
"""Text whose tokens the virtual ones start from, when none is given."""


class VirtualTokens(Adaptation):
    """Base of the methods with virtual tokens."""

    packs: ClassVar[bool] = False
    fresh_is_base: ClassVar[bool] = False

    tokens: int = Field(20, ge=1)
    """Virtual tokens before each prompt; beyond 20 there is little to gain (arXiv 2104.08691, figure 3a)."""

    def prepended(self) -> int:
        """All of them."""
        return self.tokens


class StartedFromWords(VirtualTokens):
    """Base of those whose virtual tokens start as embeddings of real ones."""

    init: Literal["vocabulary", "text", "random"] = "vocabulary"
    """Start: embeddings of random words of the vocabulary, of `text`, or random numbers, which learn far less in few steps."""
    text: str = START
    """Text to start from with init=text, repeated or cut to the number of virtual tokens."""

    def start(self, model: Any) -> None:
        """Set the virtual tokens' embeddings (tokens, hidden)."""
        import torch

        table = model.word_embeddings.weight
        if self.init == "random":
            return
        if self.init == "text":
            ids = torch.tensor(token_ids(model, self.text, self.tokens))
        else:
            ids = torch.randint(0, table.shape[0], (self.tokens,))
        with torch.no_grad():
            model.prompt_encoder["default"].embedding.weight.copy_(table[ids.to(table.device)].float())


def token_ids(model: Any, text: str, count: int) -> list[int]:
    """Ids of `text`, repeated or cut to `count`. Raises ConfigError when it holds none."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.get_base_model().config._name_or_path, trust_remote_code=False)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if not ids:
        raise ConfigError("holds no token to start from", where="method.text", next_step="give a sentence")
    return (ids * -(-count // len(ids)))[:count]


def wrap_virtual(model: Any, config: Any) -> Any:
    """The base inside PEFT, its virtual tokens trainable in float32."""
    if is_encoder_decoder(model) and config.peft_type != "PREFIX_TUNING":
        config.num_transformer_submodules = (
            1  # before the prompt, which is the encoder's; the decoder's PEFT would never read
        )
    wrapped = wrap(model, config)
    wrapped.prompt_encoder.float().to(model.device)
    return wrapped


def arguments(model: Any, one: Any) -> tuple[dict[str, Any], int]:
    """(arguments of the adapted model's forward for a pass, columns by which virtual tokens move its logits)."""
    config: Any = getattr(model, "active_peft_config", None)
    if one.decoder_ids is not None:
        return _for_pair(config, one), 0  # virtual tokens stand in the encoder's row, logits are the decoder's
    if getattr(model, "positional", False):
        return {**one.inputs, "prompt_ends": prompt_ends(one)}, 0
    if not getattr(config, "is_prompt_learning", False):
        return one.inputs, 0
    given = {name: value for name, value in one.inputs.items() if name != "segments"}
    if config.peft_type == "PREFIX_TUNING":
        return {**given, "use_cache": True}, 0  # the prefix is handed over as a cache; PEFT moves the positions
    given.pop("position_ids")  # rows start at 0 and are padded on the right: the model's own positions are right
    if config.peft_type == "MULTITASK_PROMPT_TUNING":
        given["task_ids"] = one.tasks
    return given, config.num_virtual_tokens


def _for_pair(config: Any, one: Any) -> dict[str, Any]:
    kind = getattr(config, "peft_type", None) if getattr(config, "is_prompt_learning", False) else None
    given = dict(one.inputs)
    if kind == "PREFIX_TUNING":
        return {**given, "use_cache": True}
    if kind == "MULTITASK_PROMPT_TUNING":
        # PEFT 0.21 drops the decoder's ids here; from labels the base makes the same ids again.
        labels = given.pop("decoder_input_ids").new_full(one.decoder_ids.shape, -100)
        labels[one.rows, one.columns] = one.targets
        return {**given, "labels": labels, "task_ids": one.tasks}
    return given


def prompt_ends(one: Any) -> Any:
    """(B) length of each padded row's prompt, whose last position predicts the row's first supervised token."""
    rows, length = one.input_ids.shape
    return one.columns.new_full((rows,), length - 1).scatter_reduce(0, one.rows, one.columns, "amin") + 1


__all__ = ["START", "StartedFromWords", "VirtualTokens", "arguments", "prompt_ends", "token_ids", "wrap_virtual"]
