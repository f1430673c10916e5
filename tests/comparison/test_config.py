"""The options of a comparison."""

from __future__ import annotations

import pytest

from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import parse_options
from domainkit.errors import ConfigError
from domainkit.evaluation.metrics.judge import judge
from domainkit.retrieval import RETRIEVERS


@pytest.mark.parametrize("name", RETRIEVERS)
def test_every_retriever_of_the_table_may_be_chosen(name: str) -> None:
    assert CompareConfig(retriever=name).retriever == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retriever": "fusd"}, "retriever='fusd': did you mean 'fused'"),
        ({"retriever": "semantic"}, "retriever='semantic': one of: dense, fused, lexical"),
        ({"margn": 0.1}, r"unknown option 'margn' \(did you mean 'margin'\?\)"),
        ({"shots": 0, "passages": 0}, "shots=0: .*; passages=0: "),
    ],
)
def test_every_wrong_option_is_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_options(options)


def test_metrics_are_names_or_a_judge() -> None:
    assert CompareConfig.model_validate({"metrics": "token_f1, exact_match"}).metrics == ("token_f1", "exact_match")
    made = judge(None, "Good.")  # type: ignore[arg-type]
    assert CompareConfig(metrics=(made, "token_f1")).metrics == (made, "token_f1")
    with pytest.raises(ConfigError, match="metrics"):
        parse_options({"metrics": [3]})


def test_every_option_says_what_it_means() -> None:
    assert all(field.description for field in CompareConfig.model_fields.values())
    assert "metrics" in CompareConfig.model_json_schema()["properties"]
