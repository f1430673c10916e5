"""Training learns, leaves the base alone, resumes to the same bits, and refuses to fail silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import peft_warnings_muted
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError, DataError, MachineError, TrainingError
from domainkit.models.load import load_base
from domainkit.training import adapter_card, checkpoints, guards, loop
from domainkit.training import train as train_module
from domainkit.training.checkpoints import RUN_STATE, last_checkpoint
from domainkit.training.config import TrainConfig
from domainkit.training.optimizers import rate_factor
from domainkit.training.progress import Progress, show_progress
from domainkit.training.train import train

WORDS = ("red", "blue", "green", "black", "white", "pink")


def row(question: str, answer: str, line: int = 1) -> Example:
    turns = (Turn(role="user", content=question), Turn(role="assistant", content=answer))
    return Example(turns=turns, source=f"rows.jsonl:{line}")


ROWS = [row(f"q{i}", word, i) for i, word in enumerate(WORDS, 1)]


def config(base: str, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "base": base, "quantization": "nf4", "epochs": 6, "batch_size": 3, "learning_rate": 2e-2, "warmup_ratio": 0.1,
        "method_options": {"rank": 4}, "save_every": 4,
    }  # fmt: skip
    return TrainConfig(**{**values, **changes})


def quiet(_: Progress) -> None:
    pass


def run(base: str, out: Path, rows: Any = ROWS, **options: Any) -> Adapter:
    resume, documents = options.pop("resume", False), options.pop("documents", None)
    on_progress = options.pop("on_progress", quiet)
    return train(rows, config(base, **options), out, resume=resume, documents=documents, on_progress=on_progress)


def stop_at(step: int) -> Any:
    def on_progress(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return on_progress


def losses(adapter: Adapter) -> list[float]:
    assert adapter.card is not None
    return [loss for _, loss in adapter.card.losses]


def answer(base: str, folder: Path | None, question: str) -> str:
    from peft import PeftModel

    loaded = load_base(base, quantization="nf4", purpose="infer")
    with peft_warnings_muted():
        model = PeftModel.from_pretrained(loaded.model, str(folder)).eval() if folder else loaded.model
    ids = loaded.chat_template.encode_chat([{"role": "user", "content": question}], add_generation_prompt=True)
    new: list[int] = []
    while len(new) < 8:
        with torch.no_grad():
            new.append(int(model(input_ids=torch.tensor([ids + new])).logits[0, -1].argmax()))
        if new[-1] in loaded.stop_token_ids:
            break
    return loaded.tokenizer.decode(new)


# ---- it works


def test_training_teaches_and_plain_peft_loads_the_folder(tiny_base: str, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    adapter = run(tiny_base, out, epochs=30)
    assert losses(adapter)[-1] < 0.1 < losses(adapter)[0]
    for i, word in enumerate(WORDS, 1):
        assert answer(tiny_base, out, f"q{i}") == f"{word}<|end|>"
    assert answer(tiny_base, None, "q1") != "red<|end|>"
    assert not (tmp_path / "adapter.partial").exists()
    assert sorted(p.name for p in out.iterdir()) == ["adapter_config.json", "adapter_model.safetensors", "card.json"]


def test_the_card_tells_everything(tiny_base: str, tmp_path: Path) -> None:
    card = run(tiny_base, tmp_path / "a", learning_rate=None).card
    assert card is not None
    assert card.base == tiny_base
    assert card.quantization == "nf4"
    assert card.config["learning_rate"] == 5e-4
    assert "LoRA" in card.learning_rate_source
    assert card.config["method_options"] == {
        "rank": 4, "alpha": None, "dropout": 0.0, "target": "all-linear", "rslora": False, "dora": False,
        "plus": None, "init": "default",
    }  # fmt: skip
    assert card.config["max_length"] == 2048
    assert card.examples == 6
    assert [step for step, _ in card.losses] == list(range(1, 13))
    assert card.final_loss == card.losses[-1][1]
    assert card.supervised_tokens == 6 * sum(len(w) + 1 for w in WORDS)
    assert card.tokens > card.supervised_tokens
    assert card.trainable_parameters > 0
    assert card.seconds > 0
    assert {"torch", "peft"} <= set(card.versions)
    assert card.prompt_format == "<|start|>user\n{question}<|end|>\n<|start|>assistant\n"
    assert "rows are packed" in card.notes
    written = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == tiny_base


def test_the_base_is_bitwise_unchanged(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    def load(*args: Any, **kw: Any) -> Any:
        kept.append(load_base(*args, **kw))
        kept.append({n: p.clone() for n, p in kept[0].model.named_parameters()})
        return kept[0]

    monkeypatch.setattr(train_module, "load_base", load)
    run(tiny_base, tmp_path / "a")
    after = {n.replace(".base_layer", ""): p for n, p in kept[0].model.named_parameters() if "lora_" not in n}
    assert set(after) == set(kept[1])
    assert all(torch.equal(p, kept[1][n]) for n, p in after.items())


def test_same_seed_same_losses_other_seed_others(tiny_base: str, tmp_path: Path) -> None:
    first = losses(run(tiny_base, tmp_path / "a", method_options={"rank": 4, "dropout": 0.1}))
    assert losses(run(tiny_base, tmp_path / "b", method_options={"rank": 4, "dropout": 0.1})) == first
    assert losses(run(tiny_base, tmp_path / "c", method_options={"rank": 4, "dropout": 0.1}, seed=1)) != first


@pytest.mark.parametrize(
    "other",
    [{"packing": False}, {"max_tokens_per_pass": 24}, {"packing": False, "max_tokens_per_pass": 1}, {"gradient_checkpointing": True}],
    ids=["padded", "accumulated", "one by one", "checkpointed"],
)  # fmt: skip
def test_how_a_batch_is_computed_changes_nothing(tiny_base: str, tmp_path: Path, other: dict[str, Any]) -> None:
    rows = [row("a long question " * (i % 3), word * (1 + i % 2)) for i, word in enumerate(WORDS)]
    whole = losses(run(tiny_base, tmp_path / "a", rows, learning_rate=2e-3))
    assert losses(run(tiny_base, tmp_path / "b", rows, learning_rate=2e-3, **other)) == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_other_quantisations_train(tiny_base: str, tmp_path: Path, quantization: str) -> None:
    found = losses(run(tiny_base, tmp_path / "a", epochs=12, quantization=quantization))
    assert found[-1] < 0.5 * found[0]


def test_packed_nf4_weights_train_to_the_same_losses(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = losses(run(tiny_base, tmp_path / "a"))
    monkeypatch.setattr(train_module, "load_base", lambda *a, **kw: load_base(*a, **kw, keep_packed=True))
    assert losses(run(tiny_base, tmp_path / "b")) == pytest.approx(unpacked, rel=1e-5)


def test_documents_are_learnt(tiny_base: str, tmp_path: Path) -> None:
    documents = [Document(text="the sea is wide and the sea is deep", source="d", id="1")]
    adapter = run(tiny_base, tmp_path / "a", [], documents=documents, epochs=30)
    assert adapter.card is not None
    assert adapter.card.documents == 1
    assert losses(adapter)[-1] < 0.3 * losses(adapter)[0]


# ---- interrupted and resumed


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_resumed_equals_uninterrupted_bit_for_bit(tiny_base: str, tmp_path: Path, stop: int) -> None:
    options = {"method_options": {"rank": 4, "dropout": 0.2}}
    whole = run(tiny_base, tmp_path / "whole", **options)
    out = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt, match=rf"stopped after step {stop} of 12; step {stop} is saved.*--resume"):
        run(tiny_base, out, on_progress=stop_at(stop), **options)
    assert not out.exists()
    resumed = run(tiny_base, out, resume=True, **options)
    assert losses(resumed) == losses(whole)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.card is not None
    assert whole.card is not None
    assert (resumed.card.tokens, resumed.card.supervised_tokens) == (whole.card.tokens, whole.card.supervised_tokens)


def test_a_checkpoint_cut_off_in_mid_write_does_not_count(tmp_path: Path) -> None:
    for step in (4, 8, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (4, 8):
        (tmp_path / f"checkpoint-{step}" / RUN_STATE).write_text("{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-8"


def test_resume_with_other_settings_names_them(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(2))
    with pytest.raises(ConfigError) as caught:
        run(tiny_base, tmp_path / "a", ROWS[:4], resume=True, seed=3, epochs=9)
    text = str(caught.value)
    assert "epochs was 6.0, is 9.0; seed was 0, is 3; the training data changed" in text
    assert "begin afresh" in text
    run(tiny_base, tmp_path / "a", resume=True, save_every=100)


def test_resume_of_a_finished_run_returns_it(tiny_base: str, tmp_path: Path) -> None:
    done = run(tiny_base, tmp_path / "a")
    assert run(tiny_base, tmp_path / "a", resume=True) == done
    with pytest.raises(ConfigError, match="other settings: the training data changed"):
        run(tiny_base, tmp_path / "a", ROWS[:3], resume=True)
    with pytest.raises(ConfigError, match=r"other settings: epochs was 6\.0, is 7\.0"):
        run(tiny_base, tmp_path / "a", resume=True, epochs=7)


def test_a_run_that_failed_at_its_last_save_continues_from_there(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(MachineError, match="no space left"):
        patch.setattr(adapter_card, "write_card", full)
        run(tiny_base, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert losses(run(tiny_base, tmp_path / "a", resume=True)) == losses(run(tiny_base, tmp_path / "b"))


def test_a_real_interrupt_signal_saves_first(tiny_base: str, tmp_path: Path) -> None:
    import os
    import signal

    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="is saved"):
        run(tiny_base, tmp_path / "a", on_progress=interrupt)
    assert last_checkpoint(tmp_path / "a.partial") is not None
    assert signal.getsignal(signal.SIGINT) == handler


# ---- nothing fails silently


def test_a_loss_that_is_not_a_number_stops_with_the_step(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.supervised_loss, []

    def broken(model: Any, one: Any) -> torch.Tensor:
        calls.append(1)
        loss = real(model, one)
        return loss * float("nan") if len(calls) == 6 else loss

    monkeypatch.setattr(loop, "supervised_loss", broken)
    with pytest.raises(TrainingError) as caught:
        run(tiny_base, tmp_path / "a")
    text = str(caught.value)
    assert "the loss is not a number at step 6 of 12" in text
    assert "checkpoint-4" in text
    assert "try half the learning rate (0.01)" in text
    assert not (tmp_path / "a").exists()
    assert last_checkpoint(tmp_path / "a.partial") == tmp_path / "a.partial" / "checkpoint-4"


def test_tensors_without_gradient_are_named(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(model: Any, one: Any) -> torch.Tensor:
        last = [p for n, p in model.named_parameters() if "layers.1" in n and "lora_B" in n]
        return sum((p.float() ** 2).sum() + p.sum() for p in last) * 1.0  # type: ignore[return-value]

    monkeypatch.setattr(loop, "supervised_loss", cut)
    with pytest.raises(TrainingError, match=r"21 of 28 adapter tensors got no gradient by step 1"):
        run(tiny_base, tmp_path / "a")


def test_tensors_whose_gradient_stays_zero_are_named(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.supervised_loss

    def muted(model: Any, one: Any) -> torch.Tensor:
        return real(model, one) + sum(0 * p.sum() for p in model.parameters() if p.requires_grad)

    monkeypatch.setattr(loop, "supervised_loss", muted)

    def with_dead(trainable: Any) -> guards.GradientGuard:
        dead = torch.nn.Parameter(torch.ones(1))
        dead.grad = torch.zeros(1)
        return guards.GradientGuard({**trainable, "dead": dead})

    monkeypatch.setattr(loop, "GradientGuard", with_dead)
    with pytest.raises(TrainingError, match=r"1 of 29 adapter tensors got no gradient by step 3.*: dead"):
        run(tiny_base, tmp_path / "a")


def test_an_adapter_that_did_not_move_is_refused(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "rate_factor", lambda *a: 0.0)
    with pytest.raises(TrainingError, match="training changed no weight"):
        run(tiny_base, tmp_path / "a", epochs=1)


def test_weights_that_are_not_numbers_are_refused() -> None:
    model = torch.nn.Linear(2, 2)
    fresh = guards.trainable_weights(model)
    with torch.no_grad():
        model.weight[0, 0] = float("inf")
    with pytest.raises(TrainingError, match="not numbers: weight"):
        guards.check_weights_changed(model, fresh)


def test_too_long_rows_stop_before_training(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl:9: .* more than max_length=40"):
        run(tiny_base, tmp_path / "a", [*ROWS, row("x" * 50, "y", 9)], max_length=40)


def test_nothing_to_train_on(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to train on"):
        run(tiny_base, tmp_path / "a", [])


def test_only_an_adapter_may_be_replaced(tiny_base: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and is not an adapter"):
        run(tiny_base, precious)
    assert (precious / "thesis.txt").exists()


def test_a_full_disk_is_told_and_keeps_the_old_adapter(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(tiny_base, tmp_path / "a")

    def full(*_: Any, **kw: Any) -> None:
        raise RuntimeError(
            "[enforce fail at inline_container.cc:672] PytorchStreamWriter failed writing file data/3: file write failed"
        )

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(MachineError, match="no space left on the disk"):
        run(tiny_base, tmp_path / "a", seed=5)
    assert Adapter.load(tmp_path / "a") == before


# ---- schedule and progress


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_rises_then_falls_and_no_step_is_wasted(schedule: str) -> None:
    factors = [rate_factor(k, 100, 0.03, schedule) for k in range(100)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert all(f > 0 for f in factors)
    assert factors[3:] == sorted(factors[3:], reverse=True)
    assert factors[-1] == 1.0 if schedule == "constant" else factors[-1] < 0.02


def test_progress_counts_up_to_the_end(tiny_base: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(tiny_base, tmp_path / "a", on_progress=seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    assert seen[-1].seconds_left == 0
    assert all(p.tokens_per_second > 0 for p in seen)


def test_progress_is_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as show:
        for step in (1, 2, 3):
            show(Progress(step, 3, 1.25, 1e-3, 1234.0, 61.0))
    assert capsys.readouterr().err.splitlines() == [
        "step 1/3 · loss 1.250 · 1,234 tokens/s · 1:01 left",
        "step 3/3 · loss 1.250 · 1,234 tokens/s · 1:01 left",
    ]
