"""Comparisons as fixtures; `comparisons` builds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainkit.results.schema import Results
from tests.report.comparisons import HOSTILE, build, cost, enrich, forgetting


@pytest.fixture(scope="session")
def label_results() -> Results:
    return build(240)


@pytest.fixture(scope="session")
def answer_results() -> Results:
    return build(60, kind="answer")


@pytest.fixture
def build_results() -> Callable[..., Results]:
    return build


@pytest.fixture
def run_folder(tmp_path: Path, label_results: Results) -> Path:
    """A folder with results.json."""
    label_results.save(tmp_path / "results.json")
    return tmp_path


@pytest.fixture(scope="session")
def rich(label_results: Results) -> Results:
    return enrich(label_results)


@pytest.fixture
def full(label_results: Results) -> Results:
    """A comparison with its cost and its forgetting."""
    return label_results.model_copy(update={"cost": cost(), "forgetting": forgetting()})


@pytest.fixture
def hostile_full() -> Results:
    """The same with hostile names and answers."""
    return build(12).model_copy(update={"cost": cost(rival=HOSTILE), "forgetting": forgetting(HOSTILE)})
