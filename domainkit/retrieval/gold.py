"""GoldRetriever: an oracle that knows which documents answer a question. It shows the most that better retrieval could
gain."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import PrivateAttr

from domainkit.retrieval.lexical.retriever import LexicalRetriever
from domainkit.retrieval.passages import PassageRetriever, Ranking


class GoldRetriever(PassageRetriever):
    """Finds only the passages of the documents that `gold` names for a question, those with the best BM25 first."""

    gold: dict[str, tuple[str, ...]]
    """Question to the ids of the documents that answer it."""

    _lexical: LexicalRetriever = PrivateAttr()
    _rows: dict[str, list[int]] = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        self._lexical = LexicalRetriever(documents=self.documents, cache=self.cache, k=self.k)
        self._rows = {}
        for row, document in enumerate(self.documents):
            for name in {document.id, str(document.meta.get("parent", document.id))}:
                self._rows.setdefault(name, []).append(row)

    def rank(self, question: str, k: int) -> Ranking:
        rows = list(dict.fromkeys(row for name in self.gold.get(question, ()) for row in self._rows.get(name, ())))
        if len(rows) > 1:
            scores = dict(self._lexical.rank(question, len(self.documents)))
            rows.sort(key=lambda row: -scores.get(row, 0.0))
        return [(row, 1.0) for row in rows[:k]]

    def prepare(self, questions: Sequence[str]) -> None:
        self._lexical.prepare(questions)
