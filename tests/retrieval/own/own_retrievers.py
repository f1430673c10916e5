"""Retrievers as users write them: good ones and bad ones."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever


class Listed(BaseRetriever):
    """Gives `found`, whatever it is, to every question."""

    found: Any

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> Any:
        return self.found


class Failing(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise ConnectionError("no store at port 9\nsecond line")


class OnlyAsync(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        raise NotImplementedError

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        await asyncio.sleep(0)
        return [Document(id="d1", page_content=f"about {query}")]


def bees() -> BaseRetriever:
    return Listed(found=[Document(id=f"d{i}", page_content=f"bee {i}") for i in range(5)])


class Picky(BaseRetriever):
    """Raises for one question."""

    fails: str = ""

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if query == self.fails:
            raise TimeoutError("too slow")
        return [Document(page_content=f"about {query}")]
