"""A loaded variant answers as the measured one did, from what the run folder holds alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from domainkit import load_variant, load_winner
from domainkit.errors import AdapterError, BaseModelError, ConfigError, DataError
from tests.winner.conftest import VARIANTS, questions, rows_of

pytestmark = pytest.mark.real  # MiniLM finds the nearest examples and the passages


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_answers_as_it_was_measured(run: Path, name: str) -> None:
    rows = rows_of(run, name)
    answers = load_variant(run, name).batch(questions(run))
    assert [a.text for a in answers] == [row["text"] for row in rows]
    for answer, row in zip(answers, rows, strict=True):
        usage = answer.usage_metadata
        if usage is None:
            assert row["prompt_tokens"] is None
        else:
            assert (usage["input_tokens"], usage["output_tokens"]) == (row["prompt_tokens"], row["completion_tokens"])
        passages = [p["id"] for p in answer.response_metadata.get("passages", ())]
        assert passages == [p["id"] for p in row["passages"]]


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "run")


def edit(file: Path, **fields: Any) -> None:
    values = json.loads(file.read_text("utf-8"))
    values.update({k: {**values[k], **v} if isinstance(v, dict) else v for k, v in fields.items()})
    file.write_text(json.dumps(values), encoding="utf-8")


def test_the_winner_is_the_recommended_variant(copied: Path) -> None:
    edit(copied / "results.json", verdict={"answer": "prompt", "choice": "few-shot"})
    assert load_winner(copied).name == "few-shot"
    edit(copied / "results.json", verdict={"answer": "cannot tell yet", "choice": "few-shot", "tied": ["rag"]})
    with pytest.raises(ConfigError) as error:
        load_winner(str(copied))
    assert "the comparison has no winner." in str(error.value)
    assert "The others in question: rag." in str(error.value)
    assert f'next: load_variant("{copied}", "few-shot") loads the simplest' in str(error.value)
    edit(copied / "results.json", verdict={"choice": "", "tied": []})
    with pytest.raises(ConfigError, match=r"the comparison recommends nothing: .*\n.*loads one of: trivial, classical"):
        load_winner(copied)


def test_an_unknown_variant_and_a_runnable_of_ones_own(copied: Path) -> None:
    with pytest.raises(ConfigError, match="'fewshot' is not a variant of this comparison\n  next: did you mean 'few-"):
        load_variant(copied, "fewshot")
    flags = {"flags": {"name": "mine", "description": "d", "family": "custom"}, "key": "k", "own": True}
    edit(copied / "variants.json", variants={"mine": flags})
    with pytest.raises(ConfigError, match="'mine' is a Runnable of your own program, and code is not stored"):
        load_variant(copied, "mine")


def test_a_part_that_changed_or_is_missing_is_named(copied: Path, tmp_path: Path) -> None:
    [adapter] = (copied / "adapters").glob("tuned-*")
    with (adapter / "adapter_config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(AdapterError, match=rf"{adapter}: is not what was measured: adapter_config.json has changed"):
        load_variant(copied, "tuned")
    shutil.rmtree(adapter)
    with pytest.raises(AdapterError, match="is no longer there; the variant answers with it\n  next: copy the whole"):
        load_variant(copied, "tuned-knn")
    edit(copied / "variants.json", adapter={"folder": str(tmp_path / "elsewhere")})
    with pytest.raises(AdapterError, match=r"elsewhere: is no longer there; .*\n.*put it back there, or run the same"):
        load_variant(copied, "tuned-knn")
    [rows] = (copied / "inputs").glob("examples-*.jsonl")
    rows.write_text(rows.read_text("utf-8").replace("gold", "lead"), encoding="utf-8")
    with pytest.raises(DataError, match=r"examples-.*: cannot be read: it is not what the comparison wrote"):
        load_variant(copied, "few-shot")
    assert load_variant(copied, "rag").invoke("a amber 0?").text  # reads no solved examples


def test_the_base_and_the_embedding_model_are_those_that_were_measured(
    copied: Path, tiny_base: str, tiny_pair: str
) -> None:
    with pytest.raises(BaseModelError, match="is not the base that was measured"):
        load_variant(copied, "zero-shot", base=tiny_pair)
    edit(copied / "variants.json", base={"name": "/nowhere/base"}, embeddings="sha256:other")
    with pytest.raises(BaseModelError, match=r"/nowhere/base: the base that was measured is not here: no such file"):
        load_variant(copied, "zero-shot")
    assert load_variant(copied, "zero-shot", base=tiny_base).invoke("a amber 0?").text
    with pytest.raises(ConfigError, match="the embedding model is not the one that was measured"):
        load_variant(copied, "knn-few-shot", base=tiny_base)


def test_another_device_and_other_versions_are_said(copied: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_variant(copied, "zero-shot")
    assert not caplog.text
    record = json.loads((copied / "variants.json").read_text("utf-8"))
    assert record["base"]["device"] == "cpu"
    edit(copied / "variants.json", base={**record["base"], "device": "cuda"}, versions={"torch": "1.0"})
    load_variant(copied, "zero-shot")
    assert "was measured on cuda, and answers on cpu here: rounding differs, so texts may" in caplog.text
    assert "was measured with torch 1.0, here" in caplog.text
    caplog.clear()
    load_variant(copied, "classical", base="builtin:other")
    assert "base is not used: classical does not answer with the comparison's base" in caplog.text
    assert "cuda" not in caplog.text
