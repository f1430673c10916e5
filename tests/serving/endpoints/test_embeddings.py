from __future__ import annotations

import openai
import pytest
from openai import OpenAI

from domainkit.retrieval.embeddings import MiniLMEmbeddings

pytestmark = pytest.mark.real


def test_vectors_are_the_packaged_models(client: OpenAI) -> None:
    texts = ["the queen is old", "wax"]
    expected = MiniLMEmbeddings().vectors(texts)
    for form in ({}, {"encoding_format": "float"}):  # openai's client asks for base64 where nothing is said
        found = client.embeddings.create(model="builtin:minilm", input=texts, **form)  # type: ignore[arg-type]
        assert [d.embedding for d in found.data] == [pytest.approx(row.tolist(), abs=1e-6) for row in expected]
    assert found.usage.prompt_tokens == 6 + 3


def test_what_would_be_cut_or_misread_is_refused(client: OpenAI) -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({"input": "wax " * 300}, "the rest would be left out"),
        ({"input": [[1, 2]]}, "ids of another tokenizer"),
        ({"input": " "}, "the text is empty"),
        ({"input": "a", "dimensions": 100}, "has 384 dimensions"),
    ]
    for fields, says in cases:
        with pytest.raises(openai.BadRequestError, match=says):
            client.embeddings.create(model="builtin:minilm", **fields)  # type: ignore[arg-type]
    with pytest.raises(openai.NotFoundError, match="it is builtin:minilm"):
        client.embeddings.create(model="text-embedding-3-small", input="a")
