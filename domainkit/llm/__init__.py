"""DomainLLM: a LangChain chat model over a base and its adapters."""

from domainkit.llm.chat_model import DomainLLM

__all__ = ["DomainLLM"]
