"""What cannot be merged is refused before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.adapters.folder import CARD
from domainkit.errors import ConfigError
from domainkit.export.merge_plan import MergeError, candidates, check_held_out, check_out, find_origin, refuse_method
from domainkit.storage import sha256_lines
from tests.adapters.small_folders import write_folder
from tests.training.small_runs import ROWS, row


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("prompt_tuning", "learnt vectors before each prompt"),
        ("prefix_tuning", "learnt vectors before each prompt"),
        ("loreft", "changes hidden states at some positions"),
    ],
)
def test_what_is_no_change_of_weights_is_refused(method: str, why: str, tmp_path: Path) -> None:
    origin = find_origin(write_folder(tmp_path / "a", method.upper()))
    with pytest.raises(MergeError, match=f"{method} cannot be merged: it .*{why}") as e:
        refuse_method(origin.adapter)
    assert "serve it as an adapter" in str(e.value)


def test_proof_needs_examples_that_are_held_out(tmp_path: Path) -> None:
    trained_on = sha256_lines(e.training_content for e in ROWS)
    adapter = find_origin(write_folder(tmp_path / "a", data_fingerprint=trained_on)).adapter
    with pytest.raises(ConfigError, match="no held-out examples") as e:
        check_held_out([], adapter)
    assert "--data held_out.jsonl" in str(e.value)
    with pytest.raises(ConfigError, match="these are the examples the adapter was trained on"):
        check_held_out(ROWS, adapter)
    held_out = [row("q7", "grey")]
    assert check_held_out(held_out, adapter) == sha256_lines(e.training_content for e in held_out)


def test_nothing_but_a_merged_model_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match="exists and is not a merged model"):
        check_out(tmp_path / "mine")
    (tmp_path / "model").mkdir()
    check_out(tmp_path / "model")
    (tmp_path / "model" / CARD).write_text('{"kind": "merged model"}')
    check_out(tmp_path / "model")
    check_out(tmp_path / "new")


def test_base_and_quantisation_are_the_cards_or_the_callers(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", base="x/y", revision="v1", quantization="int8")
    origin = find_origin(folder)
    assert (origin.base, origin.revision, origin.quantization) == ("x/y", "v1", "int8")
    assert find_origin(folder, base="z", quantization="none").base == "z"
    (folder / CARD).unlink()
    with pytest.raises(ConfigError, match="how the base was quantised in training are unknown") as e:
        find_origin(folder, base="z")
    assert "--quantization" in str(e.value)
    assert find_origin(folder, base="z", quantization="nf4").quantization == "nf4"


def test_an_adapter_of_unrounded_weights_has_one_candidate() -> None:
    assert candidates("auto", "nf4") == ["dequantised", "original"]
    assert candidates("original", "nf4") == ["original"]
    assert candidates("auto", "none") == candidates("dequantised", "none") == ["original"]
    with pytest.raises(ConfigError, match="unknown base 'both'"):
        candidates("both", "nf4")
