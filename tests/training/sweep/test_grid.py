"""A grid is read whole or refused, before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.errors import ConfigError
from domainkit.training.sweep.grid import Grid, cells, parse_grid


def grid(*tables: dict[str, Any]) -> Grid:
    return parse_grid({"tokens": 300, "grid": list(tables)})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"grid": [{"method": "lora"}]}, "tokens="),
        ({"tokens": 10, "grid": []}, "grid="),
        ({"tokens": 10, "grid": [{"method": "lora"}], "dev_shar": 0.1}, "did you mean 'dev_share'"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as e:
        parse_grid(values)
    assert said in str(e.value)
    assert "[[grid]]" in str(e.value)


def test_a_wrong_cell_is_refused_before_anything_is_trained() -> None:
    for wrong, said in (
        ({"method": "lara"}, "did you mean"),
        ({"method": "lora", "method.rang": 4}, "rank"),
        ({"method": "lora", "epochs": [1, 2]}, "epochs follow from tokens"),
    ):
        with pytest.raises(ConfigError, match=said):
            cells(grid(wrong), {})


def test_a_table_for_the_method_is_an_axis_too() -> None:
    made = cells(grid({"method": {"kind": "lora", "rank": [2, 4]}}), {})
    assert [c.method_options for _, c in made] == [{"rank": 2}, {"rank": 4}]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"learning_rate": []}, "learning_rate: is an empty list: nothing to try"),
        ({"method": {"rank": []}}, "method.rank: is an empty list: nothing to try"),
        ({"learning_rate": [1e-3] * 100_000}, "the grid has 100,000 runs, each of which trains; at most 1,000"),
        ({"seed": list(range(50)), "batch_size": list(range(1, 51))}, "the grid has 2,500 runs"),
    ],
)
def test_a_grid_without_runs_or_with_too_many_is_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cells(parse_grid({"tokens": 50, "grid": [table]}), {})
    assert said in str(caught.value)


def test_method_options_have_one_meaning_in_every_form() -> None:
    forms = [{"method.rank": [4, 8]}, {"method": {"rank": [4, 8]}}, {"method_options": {"rank": [4, 8]}}]
    found = [[c.method_options for _, c in cells(parse_grid({"tokens": 5, "grid": [form]}), {})] for form in forms]
    assert found == [[{"rank": 4}, {"rank": 8}]] * 3


def test_every_combination_is_planned_once_and_settings_outside_the_grid_stay() -> None:
    planned = cells(
        grid({"learning_rate": [1e-3, 1e-2], "seed": [0, 1]}, {"learning_rate": 1e-3, "seed": 0}), {"batch_size": 3}
    )
    assert [options for options, _ in planned] == [
        {"learning_rate": rate, "seed": seed} for rate in (1e-3, 1e-2) for seed in (0, 1)
    ]
    assert {config.batch_size for _, config in planned} == {3}
