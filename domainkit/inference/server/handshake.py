"""The handshake with a server that answers for a base of this machine: does it read what the base here reads?

A few conversations become token ids here and there. A server that reads them otherwise, by another template or
another tokenizer, would give bad answers that look like a bad model.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.adapters.folder import Adapter, Card
from domainkit.errors import AdapterError, BaseModelError, DomainkitError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server.transport import FailedError, RefusedError
from domainkit.inference.server.wire import ODD_SHAPE, messages_body
from domainkit.messages import JsonObject, Message

if TYPE_CHECKING:
    from domainkit.inference.server.served_base import ServedBase

log = logging.getLogger("domainkit")
PROBES = (
    (Message("user", "Hello there."),),
    (Message("system", "Be brief."), Message("user", "Größe?\n  two  blanks")),
    (Message("user", "One?"), Message("assistant", "Yes."), Message("user", "Naïve 漢字 🙂 <b>&amp;</b> ")),
)
NO_SUCH_PATH = (404, 405, 501)
SHOWN = 120
"""Letters of a prompt in an error."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What was found."""

    server: str
    """The engine and its version."""
    base: str
    """The base's name there."""
    adapter: str | None
    """The adapter's name there."""
    prompts: str
    """How template and tokenizer were checked, or why not."""
    context: int | None
    """Tokens of a prompt and its answer; None where the server does not say."""

    @property
    def facts(self) -> JsonObject:
        """For results."""
        context = self.context if self.context is not None else "not checked: the server does not tell it"
        return {"template and tokenizer": self.prompts, "context": context}


def shake_hands(server: ServedBase, adapter: str | None) -> Handshake:
    """Have the server load the adapter, and compare what it reads with what the base here reads.

    Raises AdapterError or BaseModelError where they differ, and the errors of loading.
    """
    card = None
    if adapter is not None:
        loaded = Adapter.load(adapter, need_card=False)
        loaded.check_base(server.here.source.fingerprint, server.here.base)
        card = loaded.card
    if llama_cpp := server._llama_cpp():
        name = server._name(adapter)
        llama_cpp.fields(name, Path(adapter) if adapter else None)  # raises for one that it does not have
        context = llama_cpp.context()
    else:
        name = None if adapter is None else server._model(adapter)
        context = _context(server)
    told = server.own_facts(adapter)
    _name_other_weights(card, told, adapter)
    prompts = _compare_prompts(server, adapter, card)
    title = str(told.get("engine") or server.flavour().title)
    return Handshake(title, server._model(None), name, prompts, context)


def _context(server: ServedBase) -> int | None:
    told = server.own_facts()
    found = told.get("max_model_len", told.get("context_length"))
    return found if isinstance(found, int) and found > 0 else None


def _name_other_weights(card: Card | None, told: JsonObject, adapter: str | None) -> None:
    """A warning where the server says that it holds the base otherwise quantized than in training."""
    there = told.get("quantization")
    if card is not None and isinstance(there, str) and there != card.quantization:
        log.warning(
            "%s was trained on %s weights, and the server holds the base as %s: answers differ a little",
            adapter,
            card.quantization,
            there,
        )


def _compare_prompts(server: ServedBase, adapter: str | None, card: Card | None) -> str:
    """What was compared, in words. Raises AdapterError or BaseModelError at the first difference."""
    options: JsonObject = dict(card.config.get("template_options") or {}) if card else {}
    compared = 0
    for messages in PROBES:
        request = server._as_here(Request(messages, adapter=adapter, template_options=options))
        try:
            ours = server.here.prompt_ids(request)
        except RequestError:  # a template without system turns, say: then no question has one
            continue
        theirs = _ids_there(server, request)
        if theirs is None:
            return "not checked: the server gives no token ids of a conversation"
        if theirs != ours:
            raise _difference(server, adapter, messages, ours, theirs)
        compared += 1
    return f"checked: the same token ids for {compared} conversations"


def _ids_there(server: ServedBase, request: Request) -> list[int] | str | None:
    """The ids that the server reads; a text where it refuses the conversation; None where it offers none."""
    messages, options = messages_body(request.messages), request.template_options
    try:
        if llama_cpp := server._llama_cpp():
            return llama_cpp.prompt_ids(messages, options)
        body: JsonObject = {"model": server._model(request.adapter), "messages": messages}
        body |= {"add_generation_prompt": True, **({"chat_template_kwargs": options} if options else {})}
        reply = server._transport.send("POST", "/tokenize", body)
        return [int(i) for i in reply["tokens"]]
    except (RefusedError, FailedError) as e:
        if e.status in NO_SUCH_PATH:
            return None
        if e.status in (400, 422):
            return e.reason or f"HTTP {e.status}"
        raise
    except ODD_SHAPE:
        return None


def _difference(
    server: ServedBase, adapter: str | None, messages: tuple[Message, ...], ours: list[int], theirs: list[int] | str
) -> DomainkitError:
    of = "the adapter's training" if adapter is not None else "the base here"
    if isinstance(theirs, str):
        there, here = f"refuses it: {theirs[:SHOWN]}", ""
    else:
        same = (a == b for a, b in zip(ours, theirs, strict=False))
        at = next((i for i, equal in enumerate(same) if not equal), min(len(ours), len(theirs)))
        there, here = f"has {_text(server, theirs, at)!r}", f", where {of} has {_text(server, ours, at)!r}"
    kind, turns = AdapterError if adapter is not None else BaseModelError, "-".join(m.role for m in messages)
    return kind(
        f"the server reads another prompt than {of}: for the turns {turns} it {there}{here}",
        where=f"{server._root} ({adapter or server.here.base})",
        next_step="serve the same base, with its own chat template (vLLM, SGLang: --chat-template FILE; llama-server: "
        "--chat-template-file FILE)",
    )


def _text(server: ServedBase, ids: list[int], at: int) -> str:
    """The prompt around its token `at`."""
    try:
        return str(server.here.tokenizer.decode(ids[max(0, at - 8) : at + 16]))[:SHOWN]
    except Exception:  # ids that the tokenizer here does not have
        return f"the ids {ids[at : at + 8]}"
