"""answer_agent: a forced search by grammar, then an answer; the calls are limited."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.retrievers import BaseRetriever

from chains.agent import answer_agent
from domainkit import DomainLLM


class Shelf(BaseRetriever):
    asked: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.asked.append(query)
        return [Document("Bees sleep.", metadata={"id": "d1", "title": "Bees"})]


def test_the_agent_searches_once_and_answers(tiny_base: str) -> None:
    """The tiny base knows nothing, so only the grammar can make it search: a sure sign that the first call is forced."""
    shelf = Shelf(asked=[])
    agent = answer_agent(DomainLLM(base=tiny_base, quantization="none", max_tokens=200), shelf, instruction="Be brief.")
    message = agent.invoke("do bees sleep?")
    assert isinstance(message, AIMessage)
    assert len(shelf.asked) == 1
    assert message.response_metadata["passages"] == [{"id": "d1", "title": "Bees", "text": "Bees sleep."}]
    assert not message.tool_calls
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] > 0
