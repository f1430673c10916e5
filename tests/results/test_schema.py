"""results.json is read and written as one versioned schema, of one comparison or of several."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.errors import DataError
from domainkit.results.schema import Portfolio, Results, load_results

RUN = Path(__file__).parents[1] / "laws" / "goldens" / "run"


def test_a_run_of_before_loads_and_is_written_as_it_was(tmp_path: Path) -> None:
    results = load_results(RUN)
    assert isinstance(results, Results)
    results.save(tmp_path / "results.json")
    before = json.loads((RUN / "results.json").read_text(encoding="utf-8"))
    after = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    # An older file holds the training machine as a text.
    assert after["training"].pop("hardware") is None
    assert before["training"].pop("hardware") == ""
    assert after == before


def test_several_comparisons_load_as_a_portfolio(tmp_path: Path) -> None:
    portfolio = Portfolio(title="Both", comparisons=(Results.load(RUN), Results.load(RUN)))
    portfolio.save(tmp_path / "results.json")
    assert load_results(tmp_path) == portfolio


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a domainkit.results/1 file"),
        ("[]", "is not a domainkit.results/1 file"),
        ('{"schema_version": "domainkit.portfolio/1"}', "is not a domainkit.portfolio/1 file: title"),
    ],
)
def test_another_file_is_refused_with_its_schema_and_the_next_step(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(DataError, match="name the folder that a finished") as caught:
        load_results(tmp_path)
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Results.load(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "5", "null"])
def test_a_file_of_another_shape_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(text)
    for load in (load_results, Results.load):
        with pytest.raises(DataError, match=r"results\.json: is not a domainkit\.results/1 file"):
            load(tmp_path)
