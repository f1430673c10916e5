"""A request's grammar, compiled for llguidance; relaxed where the schema has what no grammar can hold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from llguidance import LLMatcher, regex_to_lark

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.grammar import (
    arguments_schema,
    auto_grammar,
    call_grammar,
    refused_places,
    regex_error,
    relaxed,
    schema_error,
    schema_grammar,
)
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.messages import JsonObject, chosen_tools, function_of, tool_name

log = logging.getLogger("domainkit")


@dataclass(frozen=True, slots=True)
class CompiledGrammar:
    """A grammar before its first token."""

    matcher: LLMatcher
    """Copy it to parse an answer."""
    first_mask: np.ndarray
    """The tokens that an answer may start with, as `mask_words`."""
    relaxed: bool = False


def request_grammar(request: Request) -> str:
    if request.tools:
        tools = chosen_tools(request.tools, request.tool_choice)
        if request.tool_choice != "auto":
            return call_grammar(tools)
        return auto_grammar(tools, request.json_schema, parallel=request.parallel_tool_calls)
    if request.regex is not None:
        # \d is 0-9: a model must not answer a date in the digits of another script.
        return f"start: /{regex_to_lark(request.regex, 'd')}/"
    return schema_grammar(request.json_schema or {})


def compile_grammar(spelling: Spelling, grammar: str, request: Request) -> CompiledGrammar:
    """Raises RequestError for what cannot be enforced, unless the request lets it be relaxed."""
    compiled = _try_grammar(spelling, grammar)
    if isinstance(compiled, CompiledGrammar):
        return compiled
    if request.regex is None and not request.strict:
        second = _try_grammar(spelling, request_grammar(relaxed_request(request)))
        if isinstance(second, CompiledGrammar):
            _tell_relaxed(request, [compiled, *second.matcher.get_grammar_warnings()])
            return replace(second, relaxed=True)
    raise _compile_error(spelling, request, compiled)


def _try_grammar(spelling: Spelling, grammar: str) -> CompiledGrammar | str:
    """The compiled grammar, or llguidance's reason against it."""
    matcher = LLMatcher(spelling.parser, grammar, log_level=0)
    if reason := matcher.get_error():
        return reason
    # Some faults show only when the first mask is computed.
    mask = mask_words(matcher, spelling.size)
    return "nothing matches it" if matcher.is_error() else CompiledGrammar(matcher, mask)


def relaxed_request(request: Request) -> Request:
    tools = tuple(
        {"type": "function", "function": {**function_of(t), "parameters": relaxed(arguments_schema(t))}}
        for t in request.tools
    )
    schema = None if request.json_schema is None else relaxed(request.json_schema)
    return replace(request, tools=tools, json_schema=schema)


def _tell_relaxed(request: Request, reasons: Sequence[str]) -> None:
    places = dict.fromkeys(found for reason in reasons for found in refused_places(_schemas(request), reason))
    listed = ", ".join(f"'{word}' ({place})" for word, place in places) or reasons[0].strip().splitlines()[0]
    log.warning("cannot be enforced while generating, and is checked on the whole answer: %s", listed)


def _schemas(request: Request) -> list[tuple[str, JsonObject]]:
    schemas = [(f"tool '{tool_name(t)}'", arguments_schema(t)) for t in request.tools]
    return schemas if request.json_schema is None else [*schemas, ("json_schema", request.json_schema)]


def _compile_error(spelling: Spelling, request: Request, reason: str) -> RequestError:
    if request.regex is not None:
        # The grammar escapes "/" and newlines, which moves positions. Compile once more with other characters in their
        # place: the position in that error is the user's.
        same_length = LLMatcher.grammar_from_regex(request.regex.replace("/", "a").replace("\n", " "))
        error = LLMatcher(spelling.parser, same_length, log_level=0).get_error()
        return regex_error(request.regex, error or reason)
    return schema_error(_schemas(request), reason)


def mask_words(matcher: LLMatcher, size: int) -> np.ndarray:
    """llguidance's mask of the next tokens: one bit per token, uint32 [size / 32, rounded up], lowest bits first."""
    words = np.zeros((size + 31) // 32, dtype=np.uint32)
    matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
    return words


def unpacked(words: np.ndarray, size: int) -> np.ndarray:
    """bool [..., size] of such words, uint32 [..., words]."""
    return np.unpackbits(words.view(np.uint8), axis=-1, count=size, bitorder="little").view(bool)


def mask_bits(matcher: LLMatcher, size: int) -> np.ndarray:
    """The same mask, bool [size]."""
    return unpacked(mask_words(matcher, size), size)
