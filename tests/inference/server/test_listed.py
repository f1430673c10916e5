"""A model that a server does not list is refused before anything is asked of it."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit import compare
from domainkit.errors import ConfigError
from domainkit.inference.server.listed import check_listed
from domainkit.llm.named_model import find_model
from tests.inference.server.scripted_server import models, scripted


def test_a_wrong_name_is_refused_with_what_is_there() -> None:
    with scripted({"/v1/models": models("big-8b", "ft:desk")}) as server:
        with pytest.raises(ConfigError) as raised:
            find_model(f"server:{server.url}#bigg", "model gpt")
        assert [path for path, _ in server.asked] == ["/v1/models", "/openapi.json"], "nothing is asked of a model"
    assert str(raised.value) == (
        f"model gpt server:{server.url}: the server has no model 'bigg'; it has big-8b, ft:desk\n"
        f"  next: write server:{server.url}#NAME with one of these"
    )


def test_a_comparison_is_refused_before_its_folder_is_made(tmp_path: Any) -> None:
    rows = [{"input": "a", "target": "b"}, {"input": "c", "target": "d"}]
    with scripted({"/v1/models": models("big-8b")}) as server, pytest.raises(ConfigError, match="it has big-8b"):
        compare(rows, ["zero-shot@gpt"], tmp_path / "run", models={"gpt": f"server:{server.url}/v1#small"})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "listed",
    [
        models("big", "other"),
        models("big:latest"),  # Ollama's
        models(),
        {"data": [{"name": "no id"}]},
        {"data": "big"},
        lambda body: (404, {}),
        lambda body: (401, {}),
        lambda body: (500, {}),
        lambda body: (0, {}),
    ],
)
def test_a_listed_name_and_a_server_that_lists_nothing_pass(listed: Any) -> None:
    with scripted({"/v1/models": listed}) as server:
        check_listed(server.url, "big", "judge")
    check_listed(server.url, "big", "judge")  # it is gone


def test_a_server_that_loads_on_demand_has_more_than_it_lists() -> None:
    on_demand = {"/v1/models": models("cached"), "/openapi.json": {"paths": {"/load_model": {}}}}
    with scripted(on_demand) as server:
        check_listed(server.url, "/a/folder", "judge")
    with scripted({**on_demand, "/openapi.json": {"paths": ["/load_model"]}}) as server, pytest.raises(ConfigError):
        check_listed(server.url, "/a/folder", "judge")


def test_a_long_list_is_cut() -> None:
    names = [f"model-{i}" for i in range(30)]
    with scripted({"/v1/models": models(*names, "x" * 500)}) as server, pytest.raises(ConfigError) as raised:
        check_listed(server.url, "y" * 500, "judge")
    assert "model-7 and 23 more" in str(raised.value)
    assert len(str(raised.value)) < 400
