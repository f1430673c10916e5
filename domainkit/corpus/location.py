"""Located: an item of a data file that knows the file and the line it was read from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from domainkit.errors import Problem, place


class Located(BaseModel):
    """An item read from a file: an example or a document."""

    model_config = ConfigDict(frozen=True)

    source: str = ""
    """Where it was read, as messages show it: `path`, or `path:line` or `path, row 3` for a row of a file."""
    # Not dumped: where a row stands is not part of its content, so no fingerprint may depend on it.
    line: int | None = Field(default=None, exclude=True)
    """The line in the file, from 1; None where the whole file is the item."""
    unit: str = Field(default="", exclude=True)
    """What `line` counts where the file has no lines: "row"."""

    @property
    def path(self) -> str:
        """The file of `source`."""
        return self.source if self.line is None else self.source.removesuffix(place("", self.line, self.unit))

    def problem(self, what: str, next_step: str | None, severity: Literal["error", "warning"] = "error") -> Problem:
        """A Problem of this item."""
        return Problem(self.path, self.line, what, next_step, severity, self.unit)
