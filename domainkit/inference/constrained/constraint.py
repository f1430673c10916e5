"""Constrain: from a request to the tokens its answer may take next, so that nothing outside it can be generated.

Choices walk a trie of the tokeniser's own spellings; JSON schemas, regular expressions and tool calls run llguidance's
parser. A control token (end of turn, start of a role) is never part of constrained text: spelled out in a choice or a
schema, it is generated as plain characters.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from llguidance import LLMatcher, regex_to_lark

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.forced_completion import ending
from domainkit.inference.constrained.grammar import (
    arguments_schema,
    auto_grammar,
    call_grammar,
    regex_error,
    schema_error,
    schema_grammar,
)
from domainkit.inference.constrained.token_spelling import Spelling, spelling_of
from domainkit.messages import CALL_OPEN, chosen_tools, tool_name


class Constraint(ABC):
    """What one answer may still be. Ask `mask` or `apply`, sample, `advance`; tokens in `forced` need no model."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """The answer may end here."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """The answer must end here: only an end token is left, and it need not be generated."""

    @abstractmethod
    def mask(self) -> torch.Tensor:
        """bool [width]: the allowed next tokens; end tokens are allowed exactly when `complete`."""

    @abstractmethod
    def advance(self, token: int) -> None:
        """Take `token`; one that the mask forbids is a RequestError."""

    @abstractmethod
    def forced(self) -> list[int]:
        """The tokens that must come next, as far as there is no choice; `advance` over each. May be empty."""

    def ending(self, limit: int, after: int | None = None) -> list[int] | None:
        """At most `limit` tokens, `after` the first of them, that complete the answer; None where there is no such way."""
        return None

    def apply(self, logits: torch.Tensor) -> None:
        """Set the logits of forbidden tokens to minus infinity in place; float [width], on any device."""
        logits.masked_fill_(~self.mask().to(logits.device), float("-inf"))


def compile_constraint(
    request: Request, tokenizer: Any, *, width: int | None = None, ends: Collection[int] = ()
) -> Constraint | None:
    """The request's constraint for one answer, or None when nothing constrains it.

    `width` is the logits' width (default: the tokeniser's size), `ends` are end tokens beside the tokeniser's own. What
    cannot be enforced is a RequestError. Compiled grammars are kept, so the same constraint is cheap the next time.
    """
    _refuse_two(request)
    if not (request.tools or request.choices or request.regex is not None or request.json_schema is not None):
        return None
    spelling = spelling_of(tokenizer)
    width = spelling.size if width is None else width
    end_ids = sorted(e for e in {spelling.end, *ends} if e < width)
    if request.choices:
        trie = spelling.kept(("choices", request.choices), lambda: _trie([spelling.spell(c) for c in request.choices]))
        return ChoiceConstraint(trie, width, end_ids)
    grammar = _grammar(request)
    start = spelling.kept(grammar, lambda: _start(spelling, grammar, request))
    free = bool(request.tools) and request.tool_choice == "auto" and request.json_schema is None
    return GrammarConstraint(start, spelling, width, end_ids, free=free)


class ChoiceConstraint(Constraint):
    """A walk down a trie of token ids; a node is (children, whether a choice ends here)."""

    def __init__(self, trie: _Node, width: int, ends: Sequence[int]) -> None:
        self._node = trie
        self._width = width
        self._ends = list(ends)
        self._ended = False

    @property
    def complete(self) -> bool:
        return self._node.whole

    @property
    def finished(self) -> bool:
        return self._ended or not self._node.children

    def mask(self) -> torch.Tensor:
        allowed = torch.zeros(self._width, dtype=torch.bool)
        if not self._ended:
            allowed[list(self._node.children)] = True
        if self.complete:
            allowed[self._ends] = True
        return allowed

    def advance(self, token: int) -> None:
        if token in self._node.children and not self._ended:
            self._node = self._node.children[token]
        elif token in self._ends and self.complete:
            self._ended = True
        else:
            raise _refused(token)

    def forced(self) -> list[int]:
        ids, node = [], self._node
        while len(node.children) == 1 and not node.whole and not self._ended:
            ((token, node),) = node.children.items()
            ids.append(token)
        return ids


class GrammarConstraint(Constraint):
    """llguidance's parser over the bytes of the tokens. `free` marks a grammar that opens with free text."""

    def __init__(self, start: _Start, spelling: Spelling, width: int, ends: Sequence[int], *, free: bool) -> None:
        self._matcher = start.matcher.deep_copy()
        self._open = start.mask
        self._spelling = spelling
        self._width = width
        self._ends = list(ends)
        self._ended = False
        self._free = _FreeText(spelling) if free else None

    @property
    def complete(self) -> bool:
        return self._ended or self._matcher.is_accepting()

    @property
    def finished(self) -> bool:
        return self._ended or (self._matcher.is_stopped() and not self._matcher.is_error())

    def mask(self) -> torch.Tensor:
        allowed = torch.zeros(self._width, dtype=torch.bool)
        if not self.finished:
            # Amid free text the parser is back in its first state, whose mask is known.
            known = self._free is not None and self._free.plain
            bits = self._open if known else _bits(self._matcher, self._spelling.size)
            n = min(self._width, len(bits))
            allowed[:n] = torch.from_numpy(bits[:n])
        allowed[self._ends] = self.complete
        if not self.finished and not bool(allowed.any()):
            raise RequestError(
                f"no token can continue the answer: {self._matcher.get_error() or 'nothing matches from here on'}",
                next_step="loosen the schema or regular expression at this point",
            )
        return allowed

    def advance(self, token: int) -> None:
        if token in self._ends and self.complete:
            self._ended = True
            return
        if self._ended or not self._matcher.consume_token(token):
            raise _refused(token)
        if self._free is not None:
            self._free.take(token)

    def forced(self) -> list[int]:
        # A tokeniser that is not canonical has no single right split for the text to come.
        if self.finished or not self._spelling.parser.is_canonical:
            return []
        return self._matcher.compute_ff_tokens()

    def ending(self, limit: int, after: int | None = None) -> list[int] | None:
        trial = self._matcher.deep_copy()
        opening = [] if after is None else [after]
        if self._ended or not all(trial.consume_token(t) for t in opening):
            return None
        way = ending(trial, lambda m: _bits(m, self._spelling.size), self._spelling.token_of, limit - len(opening))
        return None if way is None else [*opening, *way]


class _FreeText:
    """Follows free text: `plain` until the marker has come, except where it, or a character, is half spelled."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._marker = CALL_OPEN.encode()
        self._tail = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._called = False
        self.plain = True

    def take(self, token: int) -> None:
        new = self._spelling.bytes_of(token)
        self._decoder.decode(new)
        text = self._tail + new
        self._called = self._called or self._marker in text
        self._tail = text[-len(self._marker) :]
        half = any(text.endswith(self._marker[:n]) for n in range(1, len(self._marker)))
        self.plain = not (self._called or half or self._decoder.getstate()[0])


class _Node:
    __slots__ = ("children", "whole")

    def __init__(self) -> None:
        self.children: dict[int, _Node] = {}
        self.whole = False


class _Start:
    """A compiled grammar before its first token, and the mask (bool [tokeniser's size]) there."""

    __slots__ = ("mask", "matcher")

    def __init__(self, matcher: LLMatcher, mask: np.ndarray) -> None:
        self.matcher = matcher
        self.mask = mask


def _grammar(request: Request) -> str:
    if request.tools:
        tools = chosen_tools(request.tools, request.tool_choice)
        return auto_grammar(tools, request.json_schema) if request.tool_choice == "auto" else call_grammar(tools)
    if request.regex is not None:
        # \d is 0-9: a model must not answer a date in the digits of another script.
        return f"start: /{regex_to_lark(request.regex, 'd')}/"
    return schema_grammar(request.json_schema or {})


def _trie(spelled: Sequence[Sequence[int]]) -> _Node:
    root = _Node()
    for ids in spelled:
        node = root
        for token in ids:
            node = node.children.setdefault(token, _Node())
        node.whole = True
    return root


def _start(spelling: Spelling, grammar: str, request: Request) -> _Start:
    matcher = LLMatcher(spelling.parser, grammar, log_level=0)
    reason = matcher.get_error()
    if not reason:
        mask = _bits(matcher, spelling.size)
        if not matcher.is_error():
            return _Start(matcher, mask)
        reason = "nothing matches it"
    if request.regex is not None:
        # Asked again with other characters in place of those the grammar escapes: the position is then the user's.
        same = LLMatcher.grammar_from_regex(request.regex.replace("/", "a").replace("\n", " "))
        raise regex_error(request.regex, LLMatcher(spelling.parser, same, log_level=0).get_error() or reason)
    schemas: list[tuple[str, Any]] = [(f"tool '{tool_name(t)}'", arguments_schema(t)) for t in request.tools]
    if request.json_schema is not None:
        schemas.append(("json_schema", request.json_schema))
    raise schema_error(schemas, reason)


def _bits(matcher: LLMatcher, size: int) -> np.ndarray:
    """bool [size]: llguidance's bit mask, unpacked."""
    words = np.zeros((size + 31) // 32, dtype=np.int32)
    matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
    return np.unpackbits(words.view(np.uint8), count=size, bitorder="little").view(bool)


def _refuse_two(request: Request) -> None:
    given = [k for k in ("choices", "json_schema", "regex") if getattr(request, k) not in (None, ())]
    if len(given) > 1:
        raise RequestError(f"{' and '.join(given)} exclude one another", next_step="keep the one the answer must be")
    if request.tools and given and given != ["json_schema"]:
        raise RequestError(
            f"{given[0]} leaves no room to call a tool",
            next_step=f"drop the tools or drop {given[0]}",
        )


def _refused(token: int) -> RequestError:
    return RequestError(f"token {token} is not allowed at this point", next_step="sample from the constraint's mask")
