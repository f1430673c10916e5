"""The hub: a name that is none is refused; where nobody answers, that is said at once."""

from __future__ import annotations

import time

import pytest

from domainkit import hub_connection
from domainkit.corpus.rows.formats.hub import open_hub


@pytest.mark.parametrize("name", ["hf:", "hf:owner", "hf:owner/name/a/b", "hf:owner/name:a:b"])
def test_a_name_that_is_none_is_refused_with_its_form(name: str) -> None:
    [problem] = open_hub(name).problems
    assert (problem.what, problem.next_step) == (
        "is not the name of a data set of the hub",
        "write hf:owner/name[:config][/split]",
    )


def test_a_hub_that_does_not_answer_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(hub_connection, "WAITS", (0.0, 0.0))
    began = time.monotonic()
    [problem] = open_hub("hf:nobody/nothing").problems
    assert time.monotonic() - began < 8  # the hub's own library tries for half a minute
    assert problem.what.startswith("cannot be loaded: Couldn't reach")
    assert problem.next_step is not None
    assert "check the connection to the hub" in problem.next_step
    assert datasets.config.HF_HUB_OFFLINE is False
