"""A base's tokenizer, completed: with a chat template, a pad token, and stop tokens that the model agrees on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from domainkit.errors import BaseModelError
from domainkit.models.chat_template import ChatTemplate
from domainkit.models.encoder_decoder import read_architecture

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PAD_SPELLINGS = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>")


def load_chat_template(folder: Path) -> tuple[ChatTemplate, list[str]]:
    """(the folder's tokenizer and chat template, notes on what was added). Embeddings are not changed."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as e:
        raise BaseModelError(
            f"has no readable tokenizer: {e}",
            where=str(folder),
            next_step="put the tokenizer's files into the model folder",
        ) from e
    architecture = read_architecture(folder)
    architecture.check_tokenizer(tokenizer, folder)
    notes = []
    if not tokenizer.chat_template:
        tokenizer.chat_template = architecture.default_template
        notes.append(architecture.default_template_note)
    notes += _choose_pad_token(tokenizer)
    return ChatTemplate(tokenizer, architecture), notes


def _choose_pad_token(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Give a tokenizer without a pad token one that its vocabulary has. Returns notes."""
    if tokenizer.pad_token is not None:
        return []
    vocabulary = tokenizer.get_vocab()
    tokenizer.pad_token = next((s for s in PAD_SPELLINGS if s in vocabulary), tokenizer.eos_token)
    return [f"the tokenizer has no pad token: padding uses '{tokenizer.pad_token}'"]


def set_stop_tokens(model: PreTrainedModel, template: ChatTemplate) -> tuple[tuple[int, ...], list[str]]:
    """Write into the model's configuration which tokens end an answer. Returns (those tokens, notes).

    They are the chat template's, the tokenizer's, and those of the model's own configuration that are control tokens.
    """
    tokenizer = template.tokenizer
    _check_vocabulary(model, tokenizer)
    stops, notes = template.stop_token_ids, []
    if not stops:
        raise BaseModelError(
            "neither the chat template nor the tokenizer says what ends an answer",
            next_step="use an instruction-tuned base",
        )
    closing = template.closing_token_id
    if closing is not None and tokenizer.eos_token_id not in (None, closing):
        closes, eos = map(str, tokenizer.convert_ids_to_tokens([closing, tokenizer.eos_token_id]))
        notes.append(f"the chat template ends an answer with '{closes}', the tokenizer with '{eos}': both stop it")
    configured = model.generation_config.eos_token_id
    configured = [configured] if isinstance(configured, int) else list(configured or [])
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    stops = tuple(dict.fromkeys([*stops, *(i for i in configured if i in special)]))
    if set(configured) != set(stops):
        notes.append(f"the base's configuration stopped at token {configured or 'none'}: it now stops at {list(stops)}")
    model.generation_config.eos_token_id = list(stops)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = stops[0]
    model.config.pad_token_id = tokenizer.pad_token_id
    return stops, notes


def _check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    rows = cast("torch.nn.Embedding", model.get_input_embeddings()).weight.shape[0]
    if len(tokenizer) > rows:
        raise BaseModelError(
            f"the tokenizer has {len(tokenizer)} tokens, the model {rows}",
            next_step="use the tokenizer that belongs to this model",
        )
