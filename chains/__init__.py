"""LangChain compositions of domainkit's public parts: the answer chain, and the ladder of variants a comparison
climbs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chains.answer import AnswerChain, answer_chain
    from chains.ladder import LADDER, Parts, build_chain

_PUBLIC = {
    "AnswerChain": "chains.answer",
    "LADDER": "chains.ladder",
    "Parts": "chains.ladder",
    "answer_chain": "chains.answer",
    "build_chain": "chains.ladder",
}

__all__ = ["LADDER", "AnswerChain", "Parts", "answer_chain", "build_chain"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'chains' has no attribute '{name}'")
