"""Constraints: which tokens an answer may take next, so that text outside the request's form cannot be generated.

JSON schemas, regular expressions and tool calls run llguidance's parser. A control token (end of turn, start of a role)
is never part of constrained text: where a schema spells one, it is generated as plain characters.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

import numpy as np
import torch

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.compiled_grammar import (
    CompiledGrammar,
    compile_grammar,
    mask_bits,
    mask_words,
    request_grammar,
    unpacked,
)
from domainkit.inference.constrained.forced_completion import closing_suffix
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.messages import CALL_OPEN


class Constraint(ABC):
    """What one answer may still become. Call `apply`, sample, then `advance`. Tokens of `forced` need no model."""

    relaxed = False
    """The grammar cannot hold the whole schema: the answer must be checked."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """The answer may end here."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """The answer must end here. Only an end token is left, and it need not be generated."""

    @abstractmethod
    def fill(self, words: np.ndarray) -> None:
        """Set the bits of the allowed next tokens and clear all others; uint32 [width / 32, rounded up], lowest first.

        End tokens are allowed exactly when `complete`. Raises RequestError where no token can follow.
        """

    @abstractmethod
    def mask(self) -> torch.Tensor:
        """The same as bool [width]."""

    @abstractmethod
    def advance(self, token: int) -> None:
        """Go on by `token`. Raises RequestError for one that the mask forbids."""

    @abstractmethod
    def forced(self) -> list[int]:
        """The tokens that must come next, as far as there is no choice; `advance` over each. May be empty."""

    def closing_suffix(self, limit: int, after: int | None = None) -> list[int] | None:
        """At most `limit` tokens, starting with `after`, that complete the answer; None if there are none."""
        return None

    def apply(self, logits: torch.Tensor) -> None:
        """Set the logits of forbidden tokens to minus infinity in place; float [width], on any device."""
        logits.masked_fill_(~self.mask().to(logits.device), float("-inf"))


def is_constrained(request: Request) -> bool:
    """Whether anything constrains the answer. Raises RequestError for constraints that exclude each other."""
    forms = [k for k in ("choices", "json_schema", "regex") if getattr(request, k) not in (None, ())]
    if len(forms) > 1:
        raise RequestError(
            f"{' and '.join(forms)} exclude each other", next_step="keep the one that the answer must be"
        )
    if request.tools and forms and forms != ["json_schema"]:
        raise RequestError(
            f"{forms[0]} leaves no room to call a tool", next_step=f"remove the tools, or remove {forms[0]}"
        )
    return bool(request.tools or forms)


def compile_constraint(
    request: Request, spelling: Spelling, *, width: int | None = None, ends: Collection[int] = ()
) -> Constraint:
    """The constraint of one answer to a request for which `is_constrained`, other than by `choices`, which are scored
    (`engine/sequences/choices.py`).

    `width` is the width of the logits (default: the tokenizer's size); `ends` are end tokens besides the tokenizer's
    own. Raises RequestError for what cannot be enforced. `spelling` keeps compiled grammars: the next request is cheap.
    """
    width = spelling.size if width is None else width
    end_ids = sorted(e for e in {spelling.end, *ends} if e < width)
    grammar = request_grammar(request)
    compiled = spelling.compiled((grammar, request.strict), lambda: compile_grammar(spelling, grammar, request))
    free_text = bool(request.tools) and request.tool_choice == "auto" and request.json_schema is None
    return GrammarConstraint(compiled, spelling, width, end_ids, free_text=free_text)


# ---- grammars --------------------------------------------------------------------------------------------------------


class GrammarConstraint(Constraint):
    """llguidance's parser over the bytes of the tokens. `free_text` marks a grammar that opens with free text."""

    def __init__(
        self, compiled: CompiledGrammar, spelling: Spelling, width: int, ends: Sequence[int], *, free_text: bool
    ) -> None:
        self.relaxed = compiled.relaxed
        self._matcher = compiled.matcher.deep_copy()
        self._first_mask = compiled.first_mask
        self._spelling = spelling
        self._width = width
        self._ends = list(ends)
        self._ended = False
        self._free_text = _FreeText(spelling) if free_text else None

    @property
    def complete(self) -> bool:
        return self._ended or self._matcher.is_accepting()

    @property
    def finished(self) -> bool:
        # llguidance also stops at an error.
        return self._ended or (self._matcher.is_stopped() and not self._matcher.is_error())

    def fill(self, words: np.ndarray) -> None:
        words.fill(0)
        if not self.finished:
            # In free text the parser is back in its first state. Its mask over the whole vocabulary is known.
            in_first_state = self._free_text is not None and self._free_text.plain
            allowed = self._first_mask if in_first_state else mask_words(self._matcher, self._spelling.size)
            n = min(len(words), len(allowed))
            words[:n] = allowed[:n]
            if beyond := min(self._width, self._spelling.size) % 32:
                words[n - 1] &= np.uint32((1 << beyond) - 1)
        # The grammars have no end token of their own: whether one may come is decided here.
        complete = self.complete
        for end in self._ends:
            bit = np.uint32(1 << end % 32)
            words[end // 32] = words[end // 32] | bit if complete else words[end // 32] & ~bit
        if not self.finished and not words.any():
            raise RequestError(
                f"no token can continue the answer: {self._matcher.get_error() or 'nothing matches from here on'}",
                next_step="loosen the schema or regular expression at this point",
            )

    def mask(self) -> torch.Tensor:
        words = np.zeros(-(-self._width // 32), dtype=np.uint32)
        self.fill(words)
        return torch.from_numpy(unpacked(words, self._width))

    def advance(self, token: int) -> None:
        if token in self._ends and self.complete:
            self._ended = True
            return
        if self._ended or not self._matcher.consume_token(token):
            raise _not_allowed(token)
        if self._free_text is not None:
            self._free_text.push(token)

    def forced(self) -> list[int]:
        # llguidance knows the forced bytes. Only a canonical tokenizer has one right split of them into tokens.
        if self.finished or not self._spelling.parser.is_canonical:
            return []
        return self._matcher.compute_ff_tokens()

    def closing_suffix(self, limit: int, after: int | None = None) -> list[int] | None:
        trial = self._matcher.deep_copy()
        first = [] if after is None else [after]
        if self._ended or not all(trial.consume_token(t) for t in first):
            return None
        rest = closing_suffix(
            trial, lambda m: mask_bits(m, self._spelling.size), self._spelling.token_of, limit - len(first)
        )
        return None if rest is None else [*first, *rest]


class _FreeText:
    """Follows free text up to the first call's marker."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._marker = CALL_OPEN.encode()
        self._tail = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._called = False
        self.plain = True
        """No marker has come, and neither a marker nor a character is half written."""

    def push(self, token: int) -> None:
        new = self._spelling.bytes_of(token)
        self._decoder.decode(new)
        text = self._tail + new
        self._called = self._called or self._marker in text
        self._tail = text[-len(self._marker) :]
        half_marker = any(text.endswith(self._marker[:n]) for n in range(1, len(self._marker)))
        half_character = bool(self._decoder.getstate()[0])
        self.plain = not (self._called or half_marker or half_character)


def _not_allowed(token: int) -> RequestError:
    return RequestError(f"token {token} is not allowed at this point", next_step="sample from the constraint's mask")
