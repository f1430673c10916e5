"""What all endpoints of one server share."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from domainkit.monitoring.observer import Observer
from domainkit.serving.guards.journal import Record
from domainkit.serving.guards.limits import Admission, Limits
from domainkit.serving.guards.metrics import Metrics
from domainkit.serving.models import Models


@dataclass
class State:
    """One server's models, limits and counts."""

    models: Models
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    observer: Observer | None = None
    """Gets the answers of winners; where none is served, of every chat answer."""
    admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.admission = Admission(self.limits.requests)


def state_of(request: Request) -> State:
    state: State = request.app.state.serving
    return state


def record_of(request: Request) -> Record:
    record: Record = request.scope["state"]["record"]
    return record
