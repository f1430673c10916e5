"""Finding: something that is likely wrong with a row, and what to do about it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FindingKind = Literal[
    "personal data", "contradiction", "wrong label", "near-duplicate", "other language", "outlier", "rare label"
]
Action = Literal["relabel", "delete", "mask", ""]


class Finding(BaseModel):
    """One finding. Nothing is changed before `accept` is true and `domainkit check --fix` is run."""

    model_config = ConfigDict(extra="forbid")

    accept: bool = False
    """Set to true to have `action` done."""
    kind: FindingKind
    place: str
    """The row's file and line."""
    row: int = Field(ge=1)
    """The row's number among the rows that were read, from 1."""
    reason: str
    suggestion: str
    sure: float = Field(ge=0, le=1)
    """An order within its kind, and no share of findings that are right. Of a wrong label it is the model's
    probability that the label is not the one given, and such models are surer than they are right."""
    action: Action
    """relabel: the target becomes `value`; delete: the row is left out; mask: personal data of the kind `value` becomes
    a placeholder; empty: nothing can be done by a program."""
    value: str = ""
    text: str
    """The beginning of the row's text, without personal data."""
    data: str
    """Hash of the rows that the finding is about."""
