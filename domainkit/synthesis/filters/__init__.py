"""What keeps a candidate out: one file a filter, one line here, in the order in which they look.

A filter gets the candidates that those before it let pass, and gives each a Reason to drop it, or None. Cheap filters
come first; those that ask a model come last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from domainkit.registry import Table
from domainkit.synthesis.asking.asker import Asker
from domainkit.synthesis.candidate import Candidate, Reason


@dataclass
class Context:
    """What the filters compare with, and the models that they ask."""

    kept: Sequence[Candidate] = ()
    """Of earlier rounds."""
    against: Sequence[str] = ()
    """Questions of people's own rows."""
    judge: Asker | None = None
    base: Asker | None = None
    not_done: dict[str, str] = field(default_factory=dict)
    """Filters that cannot look, and why."""


Filter: TypeAlias = Callable[[Sequence[Candidate], Context], list[Reason | None]]

FORM = "form"
"""Rows that cannot be read are taken before there is a candidate (`asking.replies`)."""
FILTERS: Table[Filter] = Table(
    "filter",
    {
        "quote": "domainkit.synthesis.filters.quote:not_in_the_document",
        "language": "domainkit.synthesis.filters.language:other_language",
        "reference": "domainkit.synthesis.filters.reference:speaks_of_the_document",
        "alone": "domainkit.synthesis.filters.alone:cannot_stand_alone",
        "topic": "domainkit.synthesis.filters.topic:is_about_something_else",
        "given away": "domainkit.synthesis.filters.given_away:gives_its_answer_away",
        "instruction": "domainkit.synthesis.filters.instruction:is_an_instruction",
        "follows": "domainkit.synthesis.filters.follows:not_in_the_quote",
        "amount": "domainkit.synthesis.filters.amount:is_no_amount",
        "duplicate": "domainkit.synthesis.filters.duplicate:was_asked_before",
        "judge": "domainkit.synthesis.filters.judge:judged_wrong",
        "closed book": "domainkit.synthesis.filters.closed_book:known_without_the_document",
    },
    group="domainkit.filters",
)
MEANINGS = {
    FORM: "the reply is not the JSON that was asked for",
    "quote": "the quote does not stand word for word in the document",
    "language": "question or answer is in another language than the document",
    "reference": "the question speaks of the text, the document or a figure",
    "alone": "the question cannot be understood by itself",
    "topic": "nothing that the question names stands in its document",
    "given away": "the question contains its answer",
    "instruction": "the quote gives orders to a model",
    "follows": "words or numbers of the answer are not in the quote",
    "amount": "the question asks for an amount, and the answer has none",
    "duplicate": "nearly the same question, or the same fact, was asked before",
    "judge": "the judge says that the answer does not follow from the quote",
    "closed book": "the base answers it without the document",
}
"""What each filter takes; one of another package is called by its name alone."""
