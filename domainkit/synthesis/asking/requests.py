"""What the writer, the judge and the base are asked. Documents and model output are data: they stand between marks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from domainkit.corpus.chunk import count_words
from domainkit.messages import JsonObject
from domainkit.storage import sha256_json
from domainkit.synthesis.documents.sections import Section
from domainkit.synthesis.prompts import fill, prompt_text

OUTPUT_TOKENS = 220
"""Of a question with its answer and quote: what the budget holds ready, and what a local model may write."""
SHORT_TOKENS = 48
"""Of a verdict or a short answer."""
SHORTEST, LONGEST = 3, 120
"""Words of a quote. A shorter one proves nothing, a longer one no more than the section itself."""
_QUOTABLE = 40
"""Sentences that a grammar offers."""
_ANSWER_LETTERS, _QUESTION_LETTERS = 160, 320
"""A small model may repeat itself without end."""
BYTES_A_TOKEN = 3
"""A token of English has about four bytes; the budget rather counts too many."""


@dataclass(frozen=True)
class Request:
    """One call: the messages, and how long the reply may be."""

    messages: tuple[tuple[str, str], ...]
    """(role, text), with LangChain's names of roles."""
    output_tokens: int
    """Most tokens expected in the reply."""
    attempt: int = 0
    """Asked again with another number, a model may reply otherwise."""
    schema: JsonObject | None = None
    """For models that can be held to one."""
    choices: tuple[str, ...] = field(default=())
    """The same, where the reply is one of a few words."""

    @property
    def digest(self) -> str:
        """By which its reply is found on disk."""
        return sha256_json([self.messages, self.attempt, self.schema, self.choices])

    @property
    def input_tokens(self) -> int:
        """An estimate, before the model has counted."""
        return sum(len(text.encode()) for _, text in self.messages) // BYTES_A_TOKEN + 16


def writing(section: Section, count: int, asked: Sequence[str], attempt: int) -> Request:
    """Ask for `count` rows about the section, other ones than the questions `asked` before."""
    document = section.document
    title, headings = document.title or document.id, " › ".join(section.headings)
    mark = mark_of(title, headings, section.text, *asked)
    before = fill(prompt_text("asked"), mark=mark, questions="\n".join(f"- {q}" for q in asked)) if asked else ""
    number = "1 row" if count == 1 else f"{count} rows"
    text = fill(
        prompt_text("request"),
        mark=mark,
        title=title,
        headings=headings,
        section=section.text,
        asked=f"\n{before}\n" if before else "",
        count=number,
    )
    messages = (("system", fill(prompt_text("write"), mark=mark)), ("human", text))
    return Request(messages, OUTPUT_TOKENS * count, attempt, schema=_rows_schema(count, section.sentences))


def judging(quote: str, question: str, answer: str) -> Request:
    """Ask whether the answer follows from the quote."""
    mark = mark_of(quote, question, answer)
    text = fill(prompt_text("judge_request"), mark=mark, quote=quote, question=question, answer=answer)
    return Request(
        (("system", fill(prompt_text("judge"), mark=mark)), ("human", text)), SHORT_TOKENS, choices=("yes", "no")
    )


def closed_book(question: str) -> Request:
    """Ask the question alone."""
    return Request((("system", prompt_text("closed_book")), ("human", question)), SHORT_TOKENS)


def mark_of(*parts: str) -> str:
    """Begins the lines around the parts. It is made from them all, so that none of them can contain it."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]


def _rows_schema(count: int, sentences: Sequence[str]) -> JsonObject:
    """Rows whose quote is a sentence of the section, where there are not too many: a small model cannot copy well."""
    quotable = [s for s in dict.fromkeys(sentences) if SHORTEST <= count_words(s) <= LONGEST]
    quote = {"enum": quotable} if 0 < len(quotable) <= _QUOTABLE else {"type": "string", "minLength": 1}
    answer = {"type": "string", "minLength": 1, "maxLength": _ANSWER_LETTERS}
    question = {"type": "string", "minLength": 1, "maxLength": _QUESTION_LETTERS}
    # The question comes last: what it asks for is then fixed.
    fields = {"quote": quote, "answer": answer, "question": question}
    row = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": count}
    return {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}
