"""Preference training learns, stays near its reference, encodes text as text, and sends nothing over the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.corpus.preferences import Pair
from domainkit.errors import ConfigError
from domainkit.llm.chat_model import DomainLLM
from domainkit.models.load import load_base
from domainkit.training.config import PreferenceConfig, parse_config
from domainkit.training.objectives import OBJECTIVES, load_objective, trl_overrides
from domainkit.training.optimization.checkpoints import last_checkpoint
from domainkit.training.preference import train_preference as preference_module
from domainkit.training.preference.plan import works_for_preferences
from domainkit.training.preference.train_preference import train_preference
from tests.training.preference.small_preferences import (
    EXAMPLES,
    example,
    low_bytes,
    record_of,
    run,
    watch,
)
from tests.training.small_runs import stop_at

# ---- the objectives


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_from_its_reference_and_reports_its_curve(
    objective: str, tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch(monkeypatch)
    adapter = run(tiny_base, tmp_path / "a", objective, epochs=2)
    card, kind = adapter.card, load_objective(objective)
    assert card is not None
    curve, facts = record_of(adapter)["curve"], record_of(adapter)
    assert [s["step"] for s in curve] == list(range(1, len(curve) + 1))
    assert set(kind.curve) | {"loss", "length"} <= set(curve[0])
    start = curve[0]["margin"] if "margin" in curve[0] else curve[0]["kl"]
    assert start == 0  # a fresh adapter is its reference
    assert facts["before"]["kl"] == 0 < facts["after"]["kl"]
    assert (facts["objective"], facts["beta"]) == (objective, kind.beta)
    assert facts["reference"] == "the base, with the adapter switched off"
    assert all(s["adapters"] == ["default"] for s in seen)  # no second copy of anything
    assert card.losses == [(s["step"], pytest.approx(s["loss"], abs=1e-5)) for s in curve]
    assert card.supervised_tokens == sum(int(s["completion_mask"].sum()) for s in seen)
    assert card.tokens > card.supervised_tokens > 0
    assert "trl" in card.versions
    assert any(note.startswith(f"β {kind.beta:g}: ") for note in card.notes)
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "card.json",
    ]


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_preferred_answers_gain(objective: str, tiny_base: str, tmp_path: Path) -> None:
    curve = record_of(run(tiny_base, tmp_path / "a", objective, epochs=6))["curve"]
    assert curve[-1]["margin"] > 2
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]


def test_a_chat_model_answers_with_the_adapter(tiny_base: str, tmp_path: Path) -> None:
    rows = [Pair(chosen=example("q", "yes"), rejected=example("q", "no"))]
    out = run(tiny_base, tmp_path / "a", "dpo", rows, epochs=60, beta=0.05).folder
    assert "yes" in DomainLLM(adapter=str(out), max_tokens=6).invoke("q").text
    assert "yes" not in DomainLLM(base=tiny_base, quantization="none", max_tokens=6).invoke("q").text


def test_the_base_is_bitwise_unchanged(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def load(*args: Any, **kw: Any) -> Any:
        kept.append(load_base(*args, **kw))
        kept.append({n: p.clone() for n, p in kept[0].model.named_parameters()})
        return kept[0]

    monkeypatch.setattr(preference_module, "load_base", load)
    run(tiny_base, tmp_path / "a")
    after = {n.replace(".base_layer", ""): p for n, p in kept[0].model.named_parameters() if "lora_" not in n}
    assert set(after) == set(kept[1])
    assert all(torch.equal(p, kept[1][n]) for n, p in after.items())


def test_same_seed_same_curve_other_seed_another(tiny_base: str, tmp_path: Path) -> None:
    first = record_of(run(tiny_base, tmp_path / "a"))["curve"]
    assert record_of(run(tiny_base, tmp_path / "b"))["curve"] == first
    assert record_of(run(tiny_base, tmp_path / "c", seed=1))["curve"] != first


@pytest.mark.parametrize("objective", ["dpo", "grpo"])
def test_how_a_batch_is_computed_changes_nothing(objective: str, tiny_base: str, tmp_path: Path) -> None:
    """The first step's answers are sampled alike; later ones may differ by rounding."""
    whole = record_of(run(tiny_base, tmp_path / "a", objective, rows_per_pass=12))["curve"]
    cut = record_of(run(tiny_base, tmp_path / "b", objective, rows_per_pass=2))["curve"]
    for name in ("loss", "length"):
        assert cut[0][name] == pytest.approx(whole[0][name], rel=1e-4, abs=1e-6)
    if objective == "dpo":
        assert cut[1]["loss"] == pytest.approx(whole[1]["loss"], rel=1e-3)


@pytest.mark.parametrize("method", [m for m in works_for_preferences() if m != "lora"])
def test_the_methods_that_are_said_to_work_do(method: str, tiny_base: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"method.rank": 4} if method in ("loha", "lokr", "vera") else {}
    values = {"base": tiny_base, "quantization": "none", "learning_rate": 1e-2, "batch_size": 3, "group": 4, "probe": 3}
    config = parse_config(
        {**values, **options, "method": method, "objective": "grpo", "max_new_tokens": 4, "score_unfinished": True},
        PreferenceConfig,
    )
    made = train_preference(EXAMPLES, config, tmp_path / "a", reward=low_bytes, on_progress=lambda _: None)
    assert record_of(made)["before"]["kl"] == 0 < record_of(made)["after"]["kl"]


# ---- the reference


def test_an_adapter_to_start_from_is_the_reference(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tiny_base, tmp_path / "first", "dpo", epochs=4)
    seen = watch(monkeypatch)
    second = run(tiny_base, tmp_path / "second", "dpo", start=first.folder, epochs=2)
    assert seen[0]["adapters"] == ["default", "ref"]
    facts = record_of(second)
    assert facts["curve"][0]["margin"] == pytest.approx(0, abs=1e-5)
    assert facts["before"]["kl"] == pytest.approx(0, abs=1e-6)
    assert facts["reference"].startswith("the adapter first as it was")
    assert facts["start"] == first.weights_sha256 != second.weights_sha256
    # It went on from the first: on a base of its own it prefers what both have taught.
    base = load_base(tiny_base, quantization="none")
    model = load_adapted(base.model, second.folder)
    assert set(model.peft_config) == {"default"}


# ---- overrides of TRL


# ---- runs that cannot learn


# ---- a run that is stopped


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_goes_on_is_what_was_never_stopped(objective: str, tiny_base: str, tmp_path: Path) -> None:
    """Two epochs of two steps, or of three (kto): stopped in the first, and in the second."""
    whole = run(tiny_base, tmp_path / "whole", objective, epochs=2)
    seen: list[int] = []
    for step in (1, 3):
        stopped = rf"stopped after step {step} of \d; step {step} is saved. Continue with the same command and --resume"
        with pytest.raises(KeyboardInterrupt, match=stopped):
            run(tiny_base, tmp_path / "a", objective, epochs=2, resume=True, on_progress=stop_at(step))
        assert not (tmp_path / "a").exists()
    resumed = run(
        tiny_base, tmp_path / "a", objective, epochs=2, resume=True, on_progress=lambda p: seen.append(p.step)
    )
    assert seen[0] == 4
    assert record_of(resumed) == record_of(whole)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.card
    assert whole.card
    for name in ("losses", "tokens", "supervised_tokens"):
        assert getattr(resumed.card, name) == getattr(whole.card, name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "whole"], "no checkpoints are left"


def test_what_goes_on_from_an_adapter_keeps_its_reference(tiny_base: str, tmp_path: Path) -> None:
    run(tiny_base, tmp_path / "first", "dpo")
    start = tmp_path / "first"
    whole = run(tiny_base, tmp_path / "whole", "dpo", start=start, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", "dpo", start=start, epochs=2, on_progress=stop_at(2))
    resumed = run(tiny_base, tmp_path / "a", "dpo", start=start, epochs=2, resume=True)
    assert (record_of(resumed), resumed.weights_sha256) == (record_of(whole), whole.weights_sha256)


def test_a_run_killed_between_checkpoints_goes_on_from_the_last(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tiny_base, tmp_path / "whole", epochs=3)
    real, calls = trl_overrides.TrlOverrides.compute_loss, []

    def killed(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 10:  # in the fifth step, of two passes each
            raise MemoryError
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(trl_overrides.TrlOverrides, "compute_loss", killed)
        run(tiny_base, tmp_path / "a", epochs=3, save_every=2)
    assert last_checkpoint(tmp_path / "a.partial") == tmp_path / "a.partial" / "checkpoint-4"
    resumed = run(tiny_base, tmp_path / "a", epochs=3, save_every=2, resume=True)
    assert (record_of(resumed), resumed.weights_sha256) == (record_of(whole), whole.weights_sha256)


def test_another_run_is_not_gone_on_with(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(1))
    with pytest.raises(ConfigError) as caught:
        run(tiny_base, tmp_path / "a", resume=True, beta=0.5, reward="token_f1")
    assert "started with other settings: beta was None, is 0.5; the reward changed" in str(caught.value)
    done = run(tiny_base, tmp_path / "a", resume=True)
    assert run(tiny_base, tmp_path / "a", resume=True) == done, "a finished run is returned"
    with pytest.raises(
        ConfigError, match="holds a finished adapter made with other settings: the training data changed"
    ):
        run(tiny_base, tmp_path / "a", rows=EXAMPLES[:5], resume=True)


# ---- what is asked for


# ---- the law, on the packaged model

QUESTIONS = ("Name a colour.", "Name a fruit.", "Name a bird.", "What is tea?")


def brevity(sample: Any, answer: str) -> float:
    return -len(answer) / 50


@pytest.fixture(scope="module")
def held_and_free(tmp_path_factory: pytest.TempPathFactory) -> dict[float, dict[str, Any]]:
    """Two runs of four steps that differ only in β. Short answers are rewarded.

    Long form: benchmarks/training/preference.py."""
    folder, rows = tmp_path_factory.mktemp("law"), []
    for question in QUESTIONS:
        turns = (Turn(role="system", content="Be brief."), *example(question, "x").turns)
        rows.append(Example(turns=turns))
    found = {}
    for beta in (0.0, 1.0):
        config = parse_config(
            {
                "objective": "grpo",
                "beta": beta,
                "quantization": "none",
                "learning_rate": 1e-2,
                "schedule": "constant",
                "warmup_ratio": 0.0,
                "batch_size": 1,
                "group": 4,
                "max_new_tokens": 6,
                "score_unfinished": True,
                "probe": 4,
                # The last layers alone: the gradient goes no further down, which is half the time.
                "method.rank": 8,
                "method.target": ["27.mlp.down_proj", "28.mlp.down_proj", "29.mlp.down_proj"],
            },
            PreferenceConfig,
        )
        found[beta] = record_of(
            train_preference(rows, config, folder / str(beta), reward=brevity, on_progress=lambda _: None)
        )
    return found


@pytest.mark.real
def test_reward_rises_kl_is_bounded_and_beta_zero_drifts_further(
    held_and_free: dict[float, dict[str, Any]],
) -> None:
    free, held = held_and_free[0.0], held_and_free[1.0]
    assert free["after"]["reward"] > free["before"]["reward"] + 0.05
    assert held["before"] == free["before"]
    assert held["after"]["kl"] < 0.5 * free["after"]["kl"]
