"""Checks of documents: copies, and traits of single ones."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.corpus.checks.traits import DOCUMENT_TRAITS, TraitCounts
from domainkit.corpus.document import Document
from domainkit.errors import Problem
from domainkit.text.words import fold


def check_documents(documents: Sequence[Document]) -> list[Problem]:
    """Everything suspicious in the documents."""
    problems = []
    first: dict[int, Document] = {}
    traits = TraitCounts(DOCUMENT_TRAITS)
    for index, document in enumerate(documents):
        traits.add(document, index)
        earlier = first.setdefault(hash(fold(f"{document.title}\n{document.text}")), document)
        if earlier.source != document.source:
            next_step = "keep one: copies push other passages out of the results"
            problems.append(document.problem(f"the same as {earlier.source}", next_step, "warning"))
    return [*problems, *traits.problems(lambda i, what, cure: documents[i].problem(what, cure, "warning"))]
