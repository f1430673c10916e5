"""A document may try to give orders to the model that reads it: such a sentence is not a fact of the domain."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context

_ORDERS = (
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:above|previous|prior|earlier|preceding|all|any|your|the)\b"
    r".{0,30}\b(?:instruction|prompt|rule|text|message|context|direction|guideline)s?\b",
    r"\b(?:ignore|disregard|forget) (?:everything|all|the) ?(?:of )?(?:the )?(?:above|before|previous)\b",
    r"\bsystem prompt\b|\bas an ai (?:language )?model\b",
    r"\byou are (?:now )?(?:an? )?(?:ai|chatgpt|language model)\b",
    r"\b(?:ignorier\w*|vergiss|missachte)\b.{0,40}\b(?:obige|vorherige|bisherige|alle)\w*\b.{0,30}"
    r"\b(?:anweisung|text|regel)\w*",
    r"\bignore[zr]?\b.{0,40}\b(?:instructions?|consignes?)\b.{0,20}\b(?:précédent|ci-dessus)",
    r"\bignor[ae]\b.{0,40}\binstrucciones\b.{0,20}\b(?:anteriores|previas)",
)
_ORDER = re.compile("|".join(_ORDERS), re.IGNORECASE | re.DOTALL)


def is_an_instruction(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    for text in (candidate.quote, candidate.question, candidate.answer):
        if match := _ORDER.search(" ".join(text.split())):
            return Reason("orders to a model", match[0])
    return None
