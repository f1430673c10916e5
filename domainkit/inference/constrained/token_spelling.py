"""Text as the tokens that a model would write for it, none of them a control token."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from llguidance import LLTokenizer, TokenizerWrapper
from tokenizers import Tokenizer

from domainkit.errors import BaseModelError, RequestError
from domainkit.messages import CALL_CLOSE, CALL_OPEN, JsonObject

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T")

COMPILED_LIMIT = 128
"""Compiled constraints kept for each tokenizer."""


class Spelling:
    """A tokenizer as constraints need it: the bytes of tokens, and text to tokens with control tokens out of reach.

    Make one for each tokenizer: it takes 0.6 s for a vocabulary of 49,000, and it keeps compiled constraints. Safe to
    use from several threads.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context: str = "") -> None:
        """`context` is the plain text between a prompt's last control token and the answer."""
        core = getattr(tokenizer, "backend_tokenizer", None)
        if core is None or tokenizer.eos_token_id is None:
            raise _unusable(tokenizer, "it has no tokenizer.json, or no end token")
        without_controls = _hide_control_tokens(core, set(tokenizer.all_special_tokens))
        self.end: int = tokenizer.eos_token_id
        try:
            self.parser = _parser(without_controls, self.end)
        except ValueError as e:
            raise _unusable(tokenizer, str(e)) from e
        self.size: int = self.parser.vocab_size
        """Tokens in the vocabulary."""
        self._tokenizer = Tokenizer.from_str(without_controls)
        self._context = context
        self._compiled: OrderedDict[Hashable, object] = OrderedDict()
        self._characters: dict[str, int | None] = {}
        self._lock = threading.Lock()

    def bytes_of(self, token: int) -> bytes:
        """The bytes a token stands for; one token need not be whole characters."""
        return self.parser.decode_bytes([token])

    def token_of(self, character: str) -> int | None:
        """The token that is this character alone, if there is one."""
        if character not in self._characters:
            ids = self.parser.greedy_tokenize(character)
            self._characters[character] = ids[0] if len(ids) == 1 and self._spells(ids, character) else None
        return self._characters[character]

    def spell(self, text: str) -> list[int]:
        """The tokens of `text` as the assistant's first words, split as the tokenizer splits them after a prompt."""
        before, after = self._ids(self._context), self._ids(self._context + text)
        ids = after[len(before) :] if after[: len(before)] == before else self._ids(text)
        if self._spells(ids, text):
            return ids
        # SentencePiece starts a text with a blank that its decoder removes.
        if not self._context and self._tokenizer.decode(ids, skip_special_tokens=False) == text:
            return ids
        # A normalising tokenizer changes the text (é becomes e and an accent): spell it byte for byte instead.
        ids = self.parser.greedy_tokenize(text)
        if self._spells(ids, text):
            return ids
        raise RequestError(
            f"the base's tokenizer cannot spell {text!r}", next_step="reword it in characters that the model knows"
        )

    def compiled(self, key: Hashable, compile: Callable[[], T]) -> T:
        """`compile()`, or its earlier value for this key."""
        with self._lock:
            if key not in self._compiled:
                self._compiled[key] = compile()
                while len(self._compiled) > COMPILED_LIMIT:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(key)
            return cast(T, self._compiled[key])

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _spells(self, ids: Sequence[int], text: str) -> bool:
        return self.parser.decode_bytes(list(ids)) == text.encode()


class _PlainTokens:
    """A vocabulary as llguidance's TokenizerWrapper asks for it."""

    def __init__(self, parser: LLTokenizer, core: Tokenizer, special: Sequence[int]) -> None:
        self.tokens = [parser.decode_bytes([i]) for i in range(parser.vocab_size)]
        self.special_token_ids = list(special)
        self.eos_token_id = parser.eos_token
        self.bos_token_id = None
        self._core = core

    def __call__(self, text: str) -> list[int]:
        return list(self._core.encode(text, add_special_tokens=False).ids)


def _parser(state: str, end: int) -> LLTokenizer:
    """llguidance's view of a tokenizer. By itself it takes every added token of the form <…> for a control token, so
    that no text could hold the one token of "<tool_call>" or "<think>"."""
    parser = LLTokenizer(state, eos_token=end)
    added = json.loads(state)["added_tokens"]
    if not any(parser.is_special_token(t["id"]) and not t["special"] for t in added):
        return parser
    special = [t["id"] for t in added if t["special"]]
    return LLTokenizer(TokenizerWrapper(_PlainTokens(parser, Tokenizer.from_str(state), special)), eos_token=end)


def _unusable(tokenizer: PreTrainedTokenizerBase, why: str) -> BaseModelError:
    return BaseModelError(
        f"answers cannot be constrained with this tokenizer: {why}",
        where=str(getattr(tokenizer, "name_or_path", "") or "base"),
        next_step="use a base with a byte-level or SentencePiece tokenizer.json that names its eos_token",
    )


def _hide_control_tokens(core: Tokenizer, special: set[str]) -> str:
    """The tokenizer's JSON with its control tokens renamed to non-characters, so that no text can spell one.

    llguidance tokenizes literal text with the tokenizer as given: "<|im_end|>" in a schema would force the end of turn.
    """
    state = json.loads(core.to_str())
    names: dict[str, str] = {}
    for token in state["added_tokens"]:
        text = token["content"]
        if text.strip() in (CALL_OPEN, CALL_CLOSE):
            token["special"] = False  # the call's marker is text here, even where the base declares it special
        elif token["special"] or text in special:
            names[text] = token["content"] = f"\ufdd0{token['id']}\ufdd1"
            token["special"] = True
    model = state["model"]
    vocab = model.get("vocab")
    if isinstance(vocab, dict):
        model["vocab"] = {names.get(text, text): i for text, i in vocab.items()}
    elif isinstance(vocab, list):
        model["vocab"] = [[names.get(text, text), score] for text, score in vocab]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if (state["decoder"] or {}).get("type") == "Metaspace":
        state["decoder"] = _llama_decoder(state["decoder"])
    return json.dumps({**state, "post_processor": None, "padding": None, "truncation": None})


def _llama_decoder(metaspace: JsonObject) -> JsonObject:
    """T5's decoder in the form of Llama's, which llguidance knows: ▁ is a blank, and a text's first blank is
    removed."""
    blank = {"type": "Strip", "content": " ", "start": int(metaspace.get("prepend_scheme") != "never"), "stop": 0}
    mark = {"type": "Replace", "pattern": {"String": metaspace["replacement"]}, "content": " "}
    return {"type": "Sequence", "decoders": [mark, {"type": "ByteFallback"}, {"type": "Fuse"}, blank]}
