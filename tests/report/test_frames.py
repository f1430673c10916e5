"""Every table of results as a frame of pandas."""

from __future__ import annotations

import builtins

import pytest

from domainkit.errors import ConfigError, MachineError
from domainkit.report.frames import FRAMES
from domainkit.results.schema import Results


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_holds_what_the_results_hold(rich: Results, full: Results, name: str) -> None:
    results = rich.model_copy(update={"cost": full.cost})
    frame = results.frame(name)
    assert len(frame)
    assert not frame.columns.duplicated().any()
    columns, rows = FRAMES[name]
    assert set(columns(results)) == {column for row in rows(results) for column in row}


def test_scores_are_fractions_and_an_item_has_a_row_for_each_variant(label_results: Results) -> None:
    variants, items = label_results.frame("variants"), label_results.frame("items")
    assert variants.set_index("variant").loc["tuned", "label_accuracy"] == pytest.approx(0.8958, abs=1e-4)
    assert variants.loc[variants["recommended"], "variant"].tolist() == ["tuned"]
    assert len(items) == len(label_results.items) * len(label_results.variants)
    means = items.fillna({"label_accuracy": 0.0}).groupby("variant")["label_accuracy"].mean()
    assert means["tuned"] == pytest.approx(0.8958, abs=1e-4)


def test_an_empty_table_keeps_its_columns(label_results: Results) -> None:
    assert label_results.model_copy(update={"cost": None}).frame("cost").columns[0] == "variant"


def test_an_unknown_name_is_told_with_all_names(label_results: Results) -> None:
    with pytest.raises(ConfigError, match="there is no frame 'scores'") as told:
        label_results.frame("scores")
    assert str(told.value).endswith("next: one of: " + ", ".join(FRAMES))


def test_without_pandas_the_next_step_is_named(label_results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: object, **named: object) -> object:
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MachineError, match="pandas is not installed\n  next: pip install pandas"):
        label_results.frame("variants")
