"""A retriever of the user's own, any LangChain BaseRetriever, held to what the variants need of one."""

from domainkit.retrieval.own.find import find_retriever
from domainkit.retrieval.own.retriever import OwnRetriever

__all__ = ["OwnRetriever", "find_retriever"]
