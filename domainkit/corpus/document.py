"""Document: a piece of the domain's own text."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """`text` with the `id` it is cited by, its `title`, and its `source` (the file, `path` or `path:line`)."""

    model_config = ConfigDict(frozen=True)

    text: str
    source: str
    id: str
    title: str = ""
    meta: dict[str, Any] = {}
