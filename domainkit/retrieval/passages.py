"""PassageRetriever: the base class of retrievers. It has the documents and k, and turns a ranking into LangChain
documents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document as Passage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import run_in_executor
from pydantic import Field, field_validator

from domainkit.corpus.document import Document
from domainkit.errors import ConfigError, DataError

_PAGES = {"pptx": "slide", "pptm": "slide", "xlsx": "sheet", "xlsm": "sheet", "xls": "sheet", "ods": "sheet"}
"""What a page is called in a format."""
Ranking = list[tuple[int, float]]
"""(row of the document, score), best first."""


class PassageRetriever(BaseRetriever):
    """Retrieves the `k` best of `documents`. Each passage's metadata has id, title, source, parent and score, and the
    document's own `meta`; a field of one of these names is there as row_source, row_score, ….

    `invoke(question, k=…)` changes k for one call; `batch` prepares all its questions together. The index is built
    once, at the first question. Calls from many threads are safe.
    """

    documents: tuple[Document, ...]
    """What is searched. Ids are unique."""
    k: int = Field(default=4, ge=1)
    """Passages to return; fewer when there are fewer documents, or fewer that match at all."""
    cache: bool = False
    """Keep the index between runs, under the cache folder."""

    @field_validator("documents")
    @classmethod
    def _searchable(cls, documents: tuple[Document, ...]) -> tuple[Document, ...]:
        if not documents:
            raise ConfigError("no documents to search", next_step="give at least one, or leave retrieval out")
        first: dict[str, Document] = {}
        repeated = [d for d in documents if first.setdefault(d.id, d) is not d]
        if repeated:
            next_step = "give each document an id of its own"
            raise DataError(
                [d.problem(f"the id '{d.id}' is already that of {first[d.id].source}", next_step) for d in repeated]
            )
        return documents

    @abstractmethod
    def rank(self, question: str, k: int) -> Ranking:
        """The k best rows; ties keep the order of the documents."""

    @abstractmethod
    def prepare(self, questions: Sequence[str]) -> None:
        """Build the index, and do together what is cheaper for many questions."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Passage]:
        if k is not None and k < 1:
            raise ConfigError(f"k={k}: at least one passage is needed", next_step="leave k out, or use k=1")
        return [self._passage(row, score) for row, score in self.rank(query, k or self.k)]

    def batch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Passage]]:
        # When preparation fails, each call fails with the same error and returns it.
        with suppress(Exception) if return_exceptions else nullcontext():
            self.prepare(inputs)
        return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Passage]]:
        with suppress(Exception) if return_exceptions else nullcontext():
            await run_in_executor(None, self.prepare, inputs)
        return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    def _passage(self, row: int, score: float) -> Passage:
        document = self.documents[row]
        fields = {"id": document.id, "title": document.title, "source": document.source, "score": score}
        own = {f"row_{name}" if name in fields else name: value for name, value in document.meta.items()}
        metadata = {"parent": document.id, **own, **fields}
        return Passage(id=document.id, page_content=placed_text(document), metadata=metadata)


def indexed_text(document: Document) -> str:
    """The text that is searched. The title belongs to it: often only the title names the subject."""
    text = placed_text(document)
    return f"{document.title}\n{text}" if document.title else text


def placed_text(passage: Document) -> str:
    """The passage below a line with its headings and page, where it has any, so that an answer can name them."""
    mark = passage.mark_at(0)
    if mark is None:
        return passage.text
    headings = [h for h in mark.headings if h != passage.title]
    if headings and passage.text.lstrip("# ").startswith(headings[-1]):
        headings.pop()  # the text says it itself
    where = [" > ".join(headings)] if headings else []
    if mark.page is not None:
        where.append(f"{_PAGES.get(str(passage.meta.get('format')), 'page')} {mark.page}")
    return f"[{', '.join(where)}]\n{passage.text}" if where else passage.text


def best(scores: np.ndarray, k: int) -> Ranking:
    """The k highest of scores (documents,), ties in the order of the documents."""
    if k < len(scores):
        # Only what reaches the k-th score is sorted: a large corpus has many more documents.
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        rows = np.flatnonzero(scores >= least)
    else:
        rows = np.arange(len(scores))
    order = rows[np.argsort(-scores[rows], kind="stable")[:k]]
    return [(int(row), float(scores[row])) for row in order]
