"""Document: a piece of the domain's own text."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from domainkit.corpus.location import Located


class Document(Located):
    """A text to retrieve from, or to continue pretraining on."""

    text: str
    source: str
    """The file it was read from: `path` or `path:line`."""
    id: str
    """The name by which answers cite it."""
    title: str = ""
    meta: dict[str, Any] = Field(default_factory=dict)
    """The row's other fields; JSON values."""
