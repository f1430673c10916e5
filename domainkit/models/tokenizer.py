"""A base's tokenizer, completed: with a chat template, a pad token, and stop tokens that the model agrees on."""

from __future__ import annotations

import copy
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domainkit.errors import AdapterError, BaseModelError, first_line
from domainkit.messages import CALL_CLOSE, CALL_OPEN
from domainkit.models.encoder_decoder import read_architecture
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.templates.traits import DATE

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEMPLATE_FILES = ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
PROBES = ("Where is box 3?", " two  spaces\n\tand a tab", "Ünïcödé, 你好, 1234567890", "it's HTML: <b>&amp;</b>")
"""Texts that tokenizers of one vocabulary may still cut differently: by spaces, digits, scripts and case."""
CALL_MARKS = CALL_OPEN + CALL_CLOSE
PAD_SPELLINGS = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>")


def load_chat_template(folder: Path) -> tuple[ChatTemplate, list[str]]:
    """(the folder's tokenizer and chat template, notes on what was added). Embeddings are not changed."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as e:  # whatever values of other types make transformers raise
        raise BaseModelError(
            f"cannot be loaded: config.json: {first_line(e)}",
            where=str(folder),
            next_step="copy the folder again; code inside a model folder is never run",
        ) from e
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as e:  # whatever damaged files make transformers raise
        raise BaseModelError(
            f"has no readable tokenizer: {first_line(e)}",
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
    template = ChatTemplate(tokenizer, architecture)
    if template.traits.writes_date:
        other = ": template_options.date_string sets another" if "date_string" in template.traits.source else ""
        notes.append(f"the chat template writes today's date; prompts always have {DATE:%d %b %Y} there{other}")
    return template, notes


def template_sha256(folder: Path) -> str | None:
    """Hash of the folder's files that turn messages into tokens; None when it has none."""
    files = [folder / name for name in TEMPLATE_FILES if (folder / name).is_file()]
    return _hash_files(tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files)) if files else None


@lru_cache(maxsize=64)
def _hash_files(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for name, _, _ in files:
        digest.update(Path(name).name.encode() + b"\0" + Path(name).read_bytes())
    return digest.hexdigest()


def adapter_chat_template(folder: Path, base: ChatTemplate) -> ChatTemplate:
    """The chat template that an adapter was trained with: that of its folder, over the base's tokens; else the base's.

    Raises AdapterError for a tokenizer that writes other token ids than the base's.
    """
    own = _adapter_tokenizer(folder, base.tokenizer)
    template = own.chat_template.get("default") if isinstance(own.chat_template, dict) else own.chat_template
    # A template may write these tokens by their names.
    names = ("bos_token", "eos_token")
    changes = {n: getattr(own, n) for n in names if getattr(own, n) not in (None, getattr(base.tokenizer, n))}
    if template in (None, base.tokenizer.chat_template) and not changes:
        return base
    tokenizer = copy.deepcopy(base.tokenizer)
    tokenizer.chat_template = template or tokenizer.chat_template
    for name, token in changes.items():
        setattr(tokenizer, name, token)
    return ChatTemplate(tokenizer, base.architecture)


def _adapter_tokenizer(folder: Path, base: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        own = copy.copy(base)
        file = folder / "chat_template.jinja"
        own.chat_template = file.read_text(encoding="utf-8") if file.is_file() else base.chat_template
        return own
    try:
        own = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as e:  # whatever reading damaged files raises
        raise AdapterError(
            f"its tokenizer cannot be read: {first_line(e)}",
            where=str(folder),
            next_step="copy the folder again, or delete its tokenizer files to use the base's",
        ) from e
    problem = _vocabulary_difference(base, own)
    if problem:
        raise AdapterError(
            f"its tokenizer is not the base's: {problem}",
            where=str(folder),
            next_step="use the base with the tokenizer that the adapter was trained with",
        )
    return own


def _vocabulary_difference(base: PreTrainedTokenizerBase, own: PreTrainedTokenizerBase) -> str | None:
    """Why the same text has other ids, if it has."""
    ours, theirs = base.get_vocab(), own.get_vocab()
    moved = sorted(token for token, number in theirs.items() if ours.get(token) != number)
    if moved:
        return f"{len(moved)} of its tokens are not there or have another id, {moved[0]!r} among them"
    if len(ours) != len(theirs):
        return f"it has {len(theirs)} tokens, the base's has {len(ours)}"
    if any(_ids(base, text) != _ids(own, text) for text in PROBES):
        return "it cuts texts into other tokens"
    return None


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


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
    notes = _check_vocabulary(model, template)
    stops = template.stop_token_ids
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


def _check_vocabulary(model: PreTrainedModel, template: ChatTemplate) -> list[str]:
    """Raise BaseModelError where a text or the chat template may give a token that the model has no row for. Returns
    notes.

    Gemma-3 1B's tokenizer has one token more than its model: that of images, which no text can spell.
    """
    tokenizer = template.tokenizer
    rows = cast("torch.nn.Embedding", model.get_input_embeddings()).weight.shape[0]
    beyond = {number: token for token, number in tokenizer.get_vocab().items() if number >= rows}
    if not beyond:
        return []
    if tokenizer.pad_token_id in beyond:  # no pass reads what the pad token means, but every pass looks its row up
        tokenizer.pad_token = tokenizer.eos_token
    used = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id}
    for number, token in sorted(beyond.items()):
        if number in used or number not in template.control_ids or token in template.traits.source + CALL_MARKS:
            raise BaseModelError(
                f"the tokenizer has {len(tokenizer)} tokens, the model {rows}: it has no weights for '{token}'",
                next_step="use the tokenizer that belongs to this model",
            )
    names = ", ".join(f"'{token}'" for _, token in sorted(beyond.items())[:3])
    return [
        f"the model has no weights for {len(beyond)} of the tokenizer's control tokens ({names}): none is ever used"
    ]
