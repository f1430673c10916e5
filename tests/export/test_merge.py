"""A merge adds the difference to the weights it was trained on, is read back and measured, and is refused when the tune
is lost."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError, MachineError
from domainkit.export.merge import Merged, _load, merge, round_weights
from domainkit.export.merge_plan import MergeError, find_origin
from domainkit.models.load import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

WORDS = ("red", "blue", "green")


def row(question: str, answer: str) -> Example:
    return Example(
        turns=(Turn(role="user", content=question), Turn(role="assistant", content=answer)), source="x.jsonl:1"
    )


ROWS = [row(f"{word} q{i}", word) for i in range(4) for word in WORDS]
HELD_OUT = [row(f"{word} q{i}", word) for i in range(4, 9) for word in WORDS]


def trained(base: str, out: Path, **changes: Any) -> Path:
    values: dict[str, Any] = {
        "base": base,
        "quantization": "nf4",
        "epochs": 8,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "method_options": {"rank": 4},
    }
    return train(ROWS, TrainConfig(**{**values, **changes}), out, on_progress=lambda _: None).folder


@pytest.fixture(scope="module")
def adapter(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tiny_base, tmp_path_factory.mktemp("merge") / "adapter")


@pytest.fixture(scope="module")
def merged(adapter: Path) -> Merged:
    return merge(adapter, adapter.parent / "beside" / "model", HELD_OUT)


def logits(folder: str, quantization: Any, adapter: Path | None = None) -> torch.Tensor:
    loaded = load_base(folder, quantization=quantization, purpose="infer")
    model = load_adapted(loaded.model, adapter).eval() if adapter else loaded.model.eval()
    with torch.no_grad():
        return model(input_ids=torch.arange(40)[None] + 60).logits


def test_the_merge_answers_as_the_adapter_does(adapter: Path, merged: Merged, tiny_base: str) -> None:
    proof = merged.card.proof
    assert proof.candidate == merged.card.merged_into == "dequantised"
    assert proof.base_nll > proof.adapter_nll + 1
    assert proof.merged_nll == pytest.approx(proof.adapter_nll, abs=1e-3)
    assert proof.kept == pytest.approx(1, abs=1e-3)
    assert proof.agreement == 1
    assert (proof.examples, proof.tokens) == (15, 5 * (4 + 5 + 6))
    wanted, found = logits(tiny_base, "nf4", adapter), logits(str(merged.folder), "none")
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", ["int1", "x", "float"])
def test_an_unknown_number_format_is_refused(adapter: Path, tmp_path: Path, dtype: Any) -> None:
    with pytest.raises(ConfigError, match=f"unknown number format '{dtype}'"):
        merge(adapter, tmp_path / "model", HELD_OUT, dtype=dtype)


def test_the_folder_is_a_plain_model_with_its_birth_certificate(adapter: Path, merged: Merged, tiny_base: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = merged.folder
    names = {p.name for p in out.iterdir()}
    assert {"card.json", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {"adapter_config.json", "adapter_model.safetensors"} & names
    assert [p.name for p in out.parent.iterdir()] == ["model"]
    assert "quantization_config" not in json.loads((out / "config.json").read_text())
    assert AutoTokenizer.from_pretrained(str(out)).chat_template
    assert AutoModelForCausalLM.from_pretrained(str(out)).generation_config.eos_token_id == [2]
    card = json.loads((out / "card.json").read_text())
    trained_by = json.loads((adapter / "card.json").read_text())
    assert card["kind"] == "merged model"
    assert card["adapter_sha256"] == trained_by["weights_sha256"]
    assert card["adapter_card"] == trained_by
    assert card["base_fingerprint"] == trained_by["base_fingerprint"]
    assert card["trained_on"] == "nf4"
    assert str(out.parent) not in json.dumps({k: card[k] for k in card if k != "adapter_card"}).replace(tiny_base, "")


def test_auto_tries_both_and_keeps_the_better(adapter: Path, tmp_path: Path) -> None:
    card = merge(adapter, tmp_path / "model", HELD_OUT, into="auto").card
    (other,) = card.other_candidates
    assert {card.proof.candidate, other.candidate} == {"dequantised", "original"}
    assert card.proof.merged_nll <= other.merged_nll


def test_a_merge_that_loses_the_tune_is_refused(adapter: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(MergeError, match="would lose the tune") as e:
        merge(adapter, out, HELD_OUT, into="original", keep=1.01)
    assert e.value.exit_code == 2
    assert e.value.proofs[0].candidate == "original"
    for text in ("NLL", "as trained", "base", "the least is 101%", "--into dequantised", "nothing was written"):
        assert text in str(e.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bytes_per_file", [1_000, 200_000], ids=["the first file", "the weights"])
def test_where_a_file_cannot_be_written_whole_nothing_is_left(
    adapter: Path, tmp_path: Path, bytes_per_file: int
) -> None:
    out = tmp_path / "out" / "model"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, hard))
    try:
        with pytest.raises(MachineError, match="too large for this file system or this user's limit"):
            merge(adapter, out, HELD_OUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not any(out.parent.iterdir())


def test_rounding_the_merge_to_4_bits_again_is_measured_and_reported(merged: Merged) -> None:
    card = merged.card
    assert card.proof.nf4_nll is not None
    assert card.proof.nf4_nll > card.proof.merged_nll
    assert "in 4 bits again" in card.notes[0]


def test_an_int8_adapter_merges_into_what_int8_left(tiny_base: str, tmp_path: Path) -> None:
    adapter = trained(tiny_base, tmp_path / "adapter", quantization="int8", epochs=4)
    card = merge(adapter, tmp_path / "model", HELD_OUT).card
    assert (card.trained_on, card.merged_into) == ("int8", "dequantised")
    assert card.proof.kept is not None
    assert card.proof.kept > 0.95


def test_dequantised_int8_is_what_bitsandbytes_holds(tiny_base: str) -> None:
    packed = load_base(tiny_base, quantization="int8").model.model.layers[0].mlp.up_proj.weight
    plain = load_base(tiny_base, quantization="none").model
    round_weights(plain, "int8")
    held = packed.CB.float() * packed.SCB.float()[:, None] / 127 if packed.CB is not None else packed.data.float()
    torch.testing.assert_close(plain.model.layers[0].mlp.up_proj.weight.data, held, rtol=1e-3, atol=1e-3)


def test_methods_that_scale_activations_merge_too(tiny_base: str, tmp_path: Path) -> None:
    """IA3 beside packed weights has no merge of PEFT's; into the dequantised base it is a scaling of rows or
    columns."""
    adapter = trained(tiny_base, tmp_path / "adapter", method="ia3", method_options={}, learning_rate=3e-2, epochs=4)
    assert merge(adapter, tmp_path / "model", HELD_OUT, keep=0.5).card.proof.agreement > 0.99


def test_a_folder_without_a_card_needs_its_base_and_quantisation(adapter: Path, tiny_base: str, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(adapter, bare)
    (bare / "card.json").unlink()
    with pytest.raises(ConfigError, match="how the base was quantised in training are unknown") as e:
        merge(bare, tmp_path / "model", HELD_OUT)
    assert "--quantization" in str(e.value)
    card = merge(bare, tmp_path / "model", HELD_OUT, base=tiny_base, quantization="nf4").card
    assert card.adapter_card is None
    assert card.proof.kept == pytest.approx(1, abs=1e-3)


def test_the_file_is_written_in_the_asked_number_format(adapter: Path, merged: Merged, tmp_path: Path) -> None:
    half = merge(adapter, tmp_path / "half", HELD_OUT, dtype="bfloat16")
    assert (merged.card.dtype, half.card.dtype) == ("float32", "bfloat16")
    size = [(one.folder / "model.safetensors").stat().st_size for one in (merged, half)]
    assert size[1] < 0.6 * size[0]
    assert half.card.proof.kept is not None
    assert half.card.proof.kept > 0.9


# ---- the proof itself


def test_a_merged_base_has_the_template_of_its_adapter(tiny_base: str, adapter: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(adapter, tmp_path / "own"))
    template = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}<|pad|>{% endfor %}"
    (own / "chat_template.jinja").write_text(template + "{% if add_generation_prompt %}[assistant] {% endif %}")
    loaded = _load(find_origin(own, tiny_base, "nf4"))
    assert loaded.tokenizer.chat_template.startswith(template)
    assert set(loaded.stop_token_ids) == {0, 2}
    assert set(loaded.model.generation_config.eos_token_id) == {0, 2}
    assert "[" not in _load(find_origin(adapter, tiny_base, "nf4")).tokenizer.chat_template[:1]
