"""LoRA attaches to every linear layer but the head, and changes nothing before it is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from domainkit.adapters.methods import attach, parse_method, peft_warnings_muted
from domainkit.adapters.methods.low_rank.lora import Lora
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.models.load import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

IDS = torch.tensor([[1, 30, 40, 50, 2]])


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("options", [{}, {"rslora": True, "rank": 4}, {"dora": True, "rank": 4}])
def test_a_fresh_adapter_changes_no_logit(tiny_base: str, quantization: Any, options: dict[str, Any]) -> None:
    model = load_base(tiny_base, quantization=quantization).model
    with torch.no_grad():
        before = model(IDS).logits
        tuned = attach(parse_method("lora", options), model)
        difference = (tuned(IDS).logits - before).abs().max()
    assert difference <= (1e-4 if options.get("dora") else 0)  # DoRA divides by a norm and multiplies by it again


def test_rank_alpha_and_targets(tiny_base: str) -> None:
    model = attach(parse_method("lora", {"rank": 8}), load_base(tiny_base, quantization="none").model)
    config = model.peft_config["default"]
    assert (config.r, config.lora_alpha) == (8, 16)
    adapted = [n for n, _ in model.named_parameters() if "lora_A" in n]
    assert len(adapted) == 14
    assert not any("lm_head" in n for n in adapted)
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)


def test_only_named_targets(tiny_base: str) -> None:
    model = attach(parse_method("lora", {"target": ["q_proj"]}), load_base(tiny_base, quantization="none").model)
    assert len([n for n, p in model.named_parameters() if p.requires_grad]) == 4


def test_wrong_options_name_the_near_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_method("lora", {"ranks": 4, "dropout": 2})
    text = str(caught.value)
    assert "unknown option 'ranks' (did you mean 'rank'?)" in text
    assert "method.dropout=2" in text
    with pytest.raises(ConfigError, match="did you mean 'lora'"):
        parse_method("lorra", {})


def test_plus_gives_b_its_own_rate(tiny_base: str) -> None:
    method = parse_method("lora", {"rank": 4, "plus": 16})
    model = attach(method, load_base(tiny_base, quantization="none").model)
    trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
    slow, fast = method.parameter_groups(trainable, 1e-4) or []
    assert (slow["lr"], fast["lr"]) == (1e-4, pytest.approx(16e-4))
    assert {id(p) for p in fast["params"]} == {id(p) for n, p in trainable.items() if "lora_B" in n}
    assert len(slow["params"]) == len(fast["params"]) == 14


@pytest.mark.parametrize("options", [{"init": "pissa"}, {"init": "olora", "rslora": True}, {"init": "eva"}], ids=str)
def test_starts_are_saved_as_plain_lora_over_the_untouched_base(
    tiny_base: str, tmp_path: Path, options: dict[str, Any]
) -> None:
    rows = [Example(turns=(Turn(role="user", content="q"), Turn(role="assistant", content="red")), source="r:1")] * 2
    config = TrainConfig(
        base=tiny_base,
        quantization="none",
        method_options={"rank": 4, **options},
        epochs=3,
        batch_size=2,
        learning_rate=1e-2,
    )
    kept: list[Any] = []
    save = Lora.save

    def spy(self: Any, model: Any, folder: Path, fresh: Any) -> None:
        with torch.no_grad():
            kept.append(model.eval()(IDS).logits)
        save(self, model, folder, fresh)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lora, "save", spy)
        train(rows, config, tmp_path / "a", on_progress=lambda _: None)
    written = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert written["init_lora_weights"] is True
    with peft_warnings_muted(), torch.no_grad():
        base = load_base(tiny_base, quantization="none").model.eval()
        before = base(IDS).logits
        loaded = PeftModel.from_pretrained(base, str(tmp_path / "a")).eval()
        torch.testing.assert_close(loaded(IDS).logits, kept[0], atol=1e-3, rtol=1e-3)
        with loaded.disable_adapter():
            assert torch.equal(loaded(IDS).logits, before)


@pytest.mark.parametrize("init", ["pissa", "olora"])
@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_starts_that_rewrite_the_base_are_refused_on_quantised_ones(
    tiny_base: str, init: str, quantization: Any
) -> None:
    with pytest.raises(ConfigError, match=rf"no longer {quantization}\n  next: use quantization=none, or init=default"):
        attach(parse_method("lora", {"init": init}), load_base(tiny_base, quantization=quantization).model)


def test_dora_is_refused_on_int8_on_the_cpu(tiny_base: str) -> None:
    with pytest.raises(ConfigError, match=r"DoRA does not work on an int8 base on the CPU\n  next: use nf4 or none"):
        attach(parse_method("lora", {"dora": True}), load_base(tiny_base, quantization="int8").model)
