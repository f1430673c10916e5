"""find_retriever: a retriever of the user's own, given ready or by the name of what makes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import cast

from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from domainkit.errors import ConfigError
from domainkit.evaluation.identity import identity_of
from domainkit.own_code import made_by
from domainkit.retrieval.own.retriever import OwnRetriever
from domainkit.storage import sha256_json

IDENTITY = "identity"
"""The key of a retriever's `metadata` that tells its store from another, where its parts cannot."""


def find_retriever(given: str | BaseRetriever, k: int, gold: Collection[str] = ()) -> OwnRetriever:
    """`given`, or what the function makes that it names (module:function), with at most `k` passages a question.

    `gold` are the document ids that the task's questions name. Raises ConfigError for what is no BaseRetriever.
    """
    name = given if isinstance(given, str) else type(given).__name__
    where = f"retriever {name}"
    if isinstance(given, str):
        found = cast("BaseRetriever", made_by(given, where, _is_retriever, "BaseRetriever"))
    elif _is_retriever(given):
        found = given
    else:
        what = "is not a retriever: LangChain's BaseRetriever is what is searched"
        raise ConfigError(what, where=where, next_step="give store.as_retriever(), or a subclass of BaseRetriever")
    spec = given if isinstance(given, str) else ""
    name = spec or _name(found)
    return OwnRetriever(inner=found, name=name, spec=spec, identity=_identity(found), k=k, gold=frozenset(gold))


def _name(retriever: BaseRetriever) -> str:
    """The class, and that of the store behind it."""
    store = getattr(retriever, "vectorstore", None)
    return type(retriever).__name__ + (f" of {type(store).__name__}" if store is not None else "")


def _is_retriever(made: object) -> bool:
    return isinstance(made, BaseRetriever)


def _identity(retriever: BaseRetriever) -> str | None:
    """What the user says it is, else a digest of code, settings and whatever texts it holds."""
    said = (retriever.metadata or {}).get(IDENTITY)
    if said is not None:
        return sha256_json([type(retriever).__name__, str(said)])
    store = getattr(retriever, "vectorstore", None)
    if type(store) is InMemoryVectorStore and isinstance(retriever, VectorStoreRetriever):
        return _identity_in_memory(retriever, store)
    return identity_of(retriever)


def _identity_in_memory(retriever: VectorStoreRetriever, store: InMemoryVectorStore) -> str | None:
    """Of LangChain's store in memory: its vectors follow from its texts, and ids that it made are new in each run."""
    settings = identity_of([type(retriever), retriever.search_type, retriever.search_kwargs, store.embedding])
    if settings is None:
        return None
    digest = hashlib.sha256(settings.encode())
    for entry in store.store.values():
        row = json.dumps([entry["text"], entry["metadata"]], sort_keys=True, default=repr)
        digest.update(row.encode() + b"\n")
    return digest.hexdigest()
