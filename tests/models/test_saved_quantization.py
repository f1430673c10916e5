"""A base whose files hold 4-bit or 8-bit weights is loaded, recorded and counted as what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from domainkit.errors import BaseModelError, ConfigError
from domainkit.models.load import load_base, plan_quantization
from domainkit.models.source import count_parameters
from tests.training.small_runs import losses, run

SAVED = {
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16"},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
}


@pytest.fixture(scope="module")
def saved(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folders = {}
    for name, options in SAVED.items():
        folder = tmp_path_factory.mktemp(name) / "base"
        settings: dict[str, Any] = {"quantization_config": BitsAndBytesConfig(**options), "device_map": {"": "cpu"}}
        AutoModelForCausalLM.from_pretrained(tiny_base, **settings).save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny_base).save_pretrained(folder)
        folders[name] = str(folder)
    return folders


def test_the_card_says_what_the_files_hold(saved: dict[str, str], tiny_base: str, tmp_path: Path) -> None:
    assert plan_quantization(saved["nf4"]) == "nf4"
    assert count_parameters(Path(saved["nf4"])) == count_parameters(Path(tiny_base))
    made = run(saved["nf4"], tmp_path / "a", quantization="auto", epochs=8)
    assert made.card is not None
    assert made.card.quantization == "nf4"
    assert "quantization: nf4, as the base is saved" in made.card.notes
    assert losses(made)[-1] < losses(made)[0]
    # As the card says, so it is served.
    again = load_base(saved["nf4"], quantization="nf4", purpose="infer")
    with torch.no_grad():
        auto = load_base(saved["nf4"], purpose="infer").model(torch.arange(20)[None] + 60).logits
        assert torch.equal(again.model(torch.arange(20)[None] + 60).logits, auto)


@pytest.mark.parametrize("asked", ["none", "int8"])
def test_another_quantisation_is_refused_in_words(saved: dict[str, str], asked: Any) -> None:
    for ask in (load_base, plan_quantization):
        with pytest.raises(ConfigError, match="the base is saved in 4 bits, and its original weights are not") as e:
            ask(saved["nf4"], quantization=asked)
        assert f"quantization={asked}: " in str(e.value)
        assert "use quantization=nf4, or name the base that it was made from" in str(e.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"quant_method": "gptq", "bits": 4}, "saved quantised by gptq, which"),
        ({"quant_method": "bitsandbytes"}, r"saved quantised by bitsandbytes \(None\)"),
        ({"quant_method": ["awq"]}, "saved quantised by"),
        ("fp8", "saved quantised by fp8"),
        (7, "saved quantised by 7"),
        ([], r"saved quantised by \[\]"),
    ],
)
def test_what_is_not_known_is_refused_before_it_is_loaded(
    config: Any, said: str, tiny_base: str, tmp_path: Path
) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    file = tmp_path / "base" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quantization_config": config}))
    with pytest.raises(BaseModelError, match=said) as e:
        load_base(str(tmp_path / "base"))
    assert "use the base's unquantised weights" in str(e.value)


def test_fp4_is_not_taken_for_nf4(saved: dict[str, str]) -> None:
    with pytest.raises(BaseModelError, match=r"saved quantised by bitsandbytes \(fp4\)"):
        load_base(saved["fp4"])


def test_weights_beside_the_models_own_are_not_counted(tiny_base: str, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    shutil.copy(tmp_path / "base" / "model.safetensors", tmp_path / "base" / "consolidated.safetensors")
    assert count_parameters(tmp_path / "base") == count_parameters(Path(tiny_base))
