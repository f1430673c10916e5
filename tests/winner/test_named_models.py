"""A winner on a model beside the base: found again by what named it, or given."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import pytest

from domainkit import compare, load_variant
from domainkit.comparison.planning import models as named
from domainkit.errors import BaseModelError, ConfigError
from domainkit.winner.pack import pack
from tests.comparison.planning.test_models import Scripted

FACTORY = "tests.winner.test_named_models:made"


def made() -> Scripted:
    return Scripted(word="blue")


@pytest.fixture(scope="module")
def run(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [{"input": f"question {i}", "target": ("red", "blue")[i % 2]} for i in range(6)]
    out = tmp_path_factory.mktemp("ladder") / "run"
    models = {"own": tiny_base, "made": FACTORY, "object": Scripted()}
    names = ["few-shot@own", "few-shot@made", "few-shot@object"]
    options = {"kind": "label", "latency_items": 0, "base": tiny_base}
    compare(rows[:2], names, out, train=rows[2:], models=models, **options)
    return out


def test_a_model_is_found_again_by_what_named_it(run: Path) -> None:
    winner = load_variant(run, "few-shot@made")
    assert winner.invoke("question 9").text == "blue"
    assert pickle.loads(pickle.dumps(winner)).invoke("question 9").text == "blue"
    assert load_variant(run, "few-shot@own").invoke("question 9").text in ("blue", "red")


def test_an_object_is_not_stored_and_is_asked_for(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"load_winner\(…, models=\{'object': llm\}\)"):
        load_variant(run, "few-shot@object")
    assert load_variant(run, "few-shot@object", models={"object": Scripted()}).invoke("question 9").text == "red"
    with pytest.raises(ConfigError, match="no pack can hold"):
        pack(run, run.parent / "none", variant="few-shot@object")


def test_another_model_is_named_or_refused(run: Path, tiny_pair: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="does not answer with the model 'made'"):
        load_variant(run, "few-shot@own", models={"made": Scripted()})
    with pytest.raises(BaseModelError, match="is not the model 'own' that was measured"):
        load_variant(run, "few-shot@own", models={"own": tiny_pair})
    load_variant(run, "few-shot@object", models={"object": Scripted(word="other")})
    assert "the model object is not the one that was measured (Scripted)" in caplog.text


def test_a_pack_says_what_it_needs_and_holds_no_base(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    packed = pack(run, run.parent / "packed", variant="few-shot@made")
    assert [n for n in packed.manifest.needs if FACTORY in n and "API key, which is not in this pack" in n]
    record = json.loads((packed.folder / "variants.json").read_text(encoding="utf-8"))
    assert (record["base"], [*record["models"]]) == (None, ["made"])
    with caplog.at_level(logging.WARNING):
        assert load_variant(packed.folder, "few-shot@made").invoke("question 9").text == "blue"
    assert f"questions go to {FACTORY}" in caplog.text


def test_an_address_with_a_password_is_refused() -> None:
    with pytest.raises(ConfigError, match="holds a user name or a password") as error:
        named.read_models({"a": "server:http://me:secret@host:1"})
    assert "secret" not in str(error.value)
