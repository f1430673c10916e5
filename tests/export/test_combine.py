"""Several adapters by weights: the exact sum where PEFT gives it, a card that names the parents, proof or refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import attach, peft_warnings_muted
from domainkit.adapters.methods.low_rank.lora import Lora
from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.export.combine import combine
from domainkit.export.merge_plan import MergeError
from domainkit.models.load import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

WORDS = ("red", "blue", "green")


def rows(suffix: str, numbers: range) -> list[Example]:
    return [
        Example(
            turns=(Turn(role="user", content=f"{word} {suffix}{i}"), Turn(role="assistant", content=word + suffix)),
            source="x.jsonl:1",
        )
        for i in numbers
        for word in WORDS
    ]


HELD_OUT = rows("a", range(4, 8)) + rows("b", range(4, 8))


@pytest.fixture(scope="module")
def pair(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("combine")
    made = []
    for name in ("a", "b"):
        config = TrainConfig(
            base=tiny_base, quantization="nf4", epochs=8, batch_size=4, learning_rate=1e-2, method_options={"rank": 4}
        )
        made.append(train(rows(name, range(4)), config, folder / name, on_progress=lambda _: None).folder)
    return made


def deltas(base: str, folder: Path) -> dict[str, torch.Tensor]:
    from peft.tuners.lora.layer import LoraLayer

    model: Any = load_adapted(load_base(base, quantization="nf4", purpose="infer").model, folder).eval()
    return {n: m.get_delta_weight("default") for n, m in model.named_modules() if isinstance(m, LoraLayer)}


@pytest.mark.parametrize("combination", ["cat", "svd"])
def test_cat_is_the_exact_sum_and_svd_close_to_it(
    combination: Any, pair: list[Path], tiny_base: str, tmp_path: Path
) -> None:
    done = combine(pair, tmp_path / "both", HELD_OUT, weights=[0.7, 0.4], combination=combination, keep=0)
    first, second = (deltas(tiny_base, p) for p in pair)
    found = deltas(tiny_base, tmp_path / "both")
    assert found.keys() == first.keys()
    for name, delta in found.items():
        wanted = 0.7 * first[name] + 0.4 * second[name]
        error = float((delta - wanted).norm() / wanted.norm())
        assert error < (1e-5 if combination == "cat" else 0.75)
    assert done.proof.candidate == combination


def test_rslora_parents_are_not_scaled_twice(tiny_base: str, tmp_path: Path) -> None:
    folders = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = attach(Lora(rank=4, rslora=True, target=("q_proj",)), load_base(tiny_base, quantization="none").model)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.add_(torch.randn_like(weight) * 0.1)
        folders.append(tmp_path / f"r{seed}")
        with peft_warnings_muted():
            model.save_pretrained(str(folders[-1]))
    combine(folders, tmp_path / "both", HELD_OUT, weights=[1, 1], keep=-100, base=tiny_base, quantization="none")
    first, second = (deltas(tiny_base, p) for p in folders)
    for name, delta in deltas(tiny_base, tmp_path / "both").items():
        torch.testing.assert_close(delta, first[name] + second[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("combination", ["linear", "ties", "dare_linear", "dare_ties"])
def test_the_rough_ways_write_an_adapter_too(combination: Any, pair: list[Path], tmp_path: Path) -> None:
    combine(pair, tmp_path / "both", HELD_OUT, combination=combination, keep=-100)
    card = Adapter.load(tmp_path / "both").card
    assert card is not None
    assert card.config == {"combination": combination, "weights": [0.5, 0.5], "rank": 4}


def test_the_card_names_the_parents_and_holds_the_proof(pair: list[Path], tmp_path: Path) -> None:
    done = combine(pair, tmp_path / "both", HELD_OUT, weights=[0.8, 0.6])
    card = Adapter.load(tmp_path / "both").card
    assert card is not None
    parents = [Adapter.load(p) for p in pair]
    assert card.parents == [
        {
            "adapter": p.folder.name,
            "weight": w,
            "weights_sha256": p.weights_sha256,
            "data_fingerprint": p.card.data_fingerprint if p.card else None,
        }
        for p, w in zip(parents, [0.8, 0.6], strict=True)
    ]
    assert card.proof == done.proof.model_dump()
    assert card.examples == 24
    # Each parent knows its own half of the questions; together they know more than either.
    assert done.proof.merged_nll < done.proof.adapter_nll == min(done.parents_nll.values())


def test_a_combination_that_loses_the_tune_is_refused(pair: list[Path], tmp_path: Path) -> None:
    with pytest.raises(MergeError, match="the combination would lose the tune") as e:
        combine(pair, tmp_path / "both", HELD_OUT, weights=[0.01, 0.01])
    assert "the parents alone" in str(e.value)
    assert not list(tmp_path.iterdir())


def test_wrong_options_say_what_is_right(pair: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="3 weights for 2 adapters"):
        combine(pair, tmp_path / "both", HELD_OUT, weights=[1, 1, 1])
    with pytest.raises(ConfigError, match="unknown combination 'tie'") as e:
        combine(pair, tmp_path / "both", HELD_OUT, combination="tie")  # type: ignore[arg-type]
    assert "did you mean 'ties'" in str(e.value)


def test_what_peft_would_pass_over_in_silence_is_refused(pair: list[Path], tiny_base: str, tmp_path: Path) -> None:
    from peft import get_peft_model

    with peft_warnings_muted():
        model = get_peft_model(
            load_base(tiny_base, quantization="none").model,
            LoraConfig(r=4, use_dora=True, target_modules=["q_proj"], task_type="CAUSAL_LM"),
        )
        model.save_pretrained(str(tmp_path / "dora"))
    with pytest.raises(MergeError, match="this one has use_dora"):
        combine([pair[0], tmp_path / "dora"], tmp_path / "both", HELD_OUT, base=tiny_base, quantization="nf4")
