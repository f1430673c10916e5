"""Spelling: text as the tokens a model would use for it, none of them a control token."""

from __future__ import annotations

import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from llguidance import LLTokenizer
from tokenizers import Tokenizer

from domainkit.errors import BaseModelError, RequestError
from domainkit.messages import CALL_CLOSE, CALL_OPEN

T = TypeVar("T")

KEPT_GRAMMARS = 128
"""Compiled constraints kept per tokeniser."""


class Spelling:
    """A tokeniser as constraints need it: bytes of tokens, and text to tokens with control tokens out of reach."""

    def __init__(self, tokenizer: Any) -> None:
        core = getattr(tokenizer, "backend_tokenizer", None)
        if core is None or tokenizer.eos_token_id is None:
            raise _unfit(tokenizer, "it has no tokenizer.json, or no end token")
        hidden = _with_control_hidden(core, set(tokenizer.all_special_tokens))
        self.end: int = tokenizer.eos_token_id
        try:
            self.parser = LLTokenizer(hidden, eos_token=self.end)
        except ValueError as e:
            raise _unfit(tokenizer, str(e)) from e
        self.size: int = self.parser.vocab_size
        self._plain = Tokenizer.from_str(hidden)
        self._context = _before_answer(tokenizer)
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._characters: dict[str, int | None] = {}
        self._lock = threading.Lock()

    def bytes_of(self, token: int) -> bytes:
        """The bytes a token stands for; one token need not be whole characters."""
        return self.parser.decode_bytes([token])

    def token_of(self, character: str) -> int | None:
        """The token that is this character and nothing else, if there is one."""
        if character not in self._characters:
            ids = self.parser.greedy_tokenize(character)
            self._characters[character] = ids[0] if len(ids) == 1 and self._spells(ids, character) else None
        return self._characters[character]

    def spell(self, text: str) -> list[int]:
        """The tokens of `text` as the assistant's first words: split as the tokeniser splits them after a prompt."""
        before, after = self._ids(self._context), self._ids(self._context + text)
        ids = after[len(before) :] if after[: len(before)] == before else self._ids(text)
        if self._spells(ids, text) or (
            not self._context and self._plain.decode(ids, skip_special_tokens=False) == text
        ):
            return ids  # the second: SentencePiece begins a text with a blank that its decoder takes away
        # A normalising tokeniser changes the text (é becomes e and an accent): spell it byte for byte instead.
        ids = self.parser.greedy_tokenize(text)
        if self._spells(ids, text):
            return ids
        raise RequestError(
            f"the base's tokeniser cannot spell {text!r}", next_step="reword it in characters the model knows"
        )

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, or what it gave the last time."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                while len(self._kept) > KEPT_GRAMMARS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _ids(self, text: str) -> list[int]:
        return self._plain.encode(text, add_special_tokens=False).ids

    def _spells(self, ids: Sequence[int], text: str) -> bool:
        return self.parser.decode_bytes(list(ids)) == text.encode()


_spellings: weakref.WeakKeyDictionary[Any, Spelling] = weakref.WeakKeyDictionary()
_spellings_lock = threading.Lock()


def spelling_of(tokenizer: Any) -> Spelling:
    """The tokeniser's Spelling, made once (0.6 s for a vocabulary of 49,000)."""
    with _spellings_lock:
        if tokenizer not in _spellings:
            _spellings[tokenizer] = Spelling(tokenizer)
        return _spellings[tokenizer]


def _unfit(tokenizer: Any, why: str) -> BaseModelError:
    return BaseModelError(
        f"answers cannot be constrained with this tokeniser: {why}",
        where=str(getattr(tokenizer, "name_or_path", "") or "base"),
        next_step="use a base with a byte-level or SentencePiece tokenizer.json that names its eos_token",
    )


def _with_control_hidden(core: Tokenizer, special: set[str]) -> str:
    """The tokeniser's JSON with its control tokens renamed to non-characters, so that no text can spell one.

    llguidance tokenises literal text with the tokeniser as given: "<|im_end|>" in a schema would force the end of turn.
    """
    state = json.loads(core.to_str())
    names: dict[str, str] = {}
    for token in state["added_tokens"]:
        text = token["content"]
        if text.strip() in (CALL_OPEN, CALL_CLOSE):
            token["special"] = False  # the marker is text here, whatever the base declares
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
        state["decoder"] = _as_llamas(state["decoder"])
    return json.dumps({**state, "post_processor": None, "padding": None, "truncation": None})


def _as_llamas(metaspace: dict[str, Any]) -> dict[str, Any]:
    """T5's decoder in the form of Llama's, which llguidance knows: ▁ is a blank, and the one that begins a text goes."""
    blank = {"type": "Strip", "content": " ", "start": int(metaspace.get("prepend_scheme") != "never"), "stop": 0}
    mark = {"type": "Replace", "pattern": {"String": metaspace["replacement"]}, "content": " "}
    return {"type": "Sequence", "decoders": [mark, {"type": "ByteFallback"}, {"type": "Fuse"}, blank]}


def _before_answer(tokenizer: Any) -> str:
    """The plain text between the last control token of a prompt and the answer; "assistant\\n" in ChatML."""
    if not getattr(tokenizer, "chat_template", None):
        return ""
    turns = [{"role": "user", "content": "?"}]
    text = str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
    control = {str(t) for t in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
    return text[max((text.rfind(t) + len(t) for t in control if t and t in text), default=0) :]
