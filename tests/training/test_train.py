"""Training learns, leaves the base alone, and refuses what cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.methods import peft_warnings_muted
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError, DataError
from domainkit.models.load import load_base
from domainkit.training import train as train_module
from domainkit.training.config import TrainConfig
from tests.training.small_runs import ROWS, WORDS, losses, row, run


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


def test_training_teaches_and_plain_peft_loads_the_folder(tiny_base: str, tmp_path: Path) -> None:
    out = tmp_path / "adapter"
    adapter = run(tiny_base, out, epochs=30)
    assert losses(adapter)[-1] < 0.1 < losses(adapter)[0]
    for i, word in enumerate(WORDS, 1):
        assert answer(tiny_base, out, f"q{i}") == f"{word}<|end|>"
    assert answer(tiny_base, None, "q1") != "red<|end|>"
    assert not (tmp_path / "adapter.partial").exists()
    assert sorted(p.name for p in out.iterdir()) == ["adapter_config.json", "adapter_model.safetensors", "card.json"]


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
    [
        {"packing": False},
        {"max_tokens_per_pass": 24},
        {"packing": False, "max_tokens_per_pass": 1},
        {"gradient_checkpointing": True},
    ],
    ids=["padded", "accumulated", "one by one", "checkpointed"],
)
def test_how_a_batch_is_computed_changes_nothing(tiny_base: str, tmp_path: Path, other: dict[str, Any]) -> None:
    rows = [row("a long question " * (i % 3), word * (1 + i % 2)) for i, word in enumerate(WORDS)]
    whole = losses(run(tiny_base, tmp_path / "a", rows, learning_rate=2e-3))
    assert losses(run(tiny_base, tmp_path / "b", rows, learning_rate=2e-3, **other)) == pytest.approx(whole, rel=1e-4)


def test_passes_that_are_asked_for_and_not_made_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    asked = TrainConfig(max_tokens_per_pass=5000)
    said = "passes have 256 tokens at most, not 5,000: longer ones save little time on this CPU"
    assert train_module._shorter_passes(asked, torch.device("cpu")) == [said]
    for config, device in ((TrainConfig(), "cpu"), (TrainConfig(max_tokens_per_pass=99), "cpu"), (asked, "cuda")):
        assert not train_module._shorter_passes(config, torch.device(device))


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


def test_tasks_that_the_method_does_not_tell_apart_are_reported_once(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row.model_copy(update={"task": task}) for row in ROWS for task in ("a", "b")]
    adapter = run(tiny_base, tmp_path / "adapter", rows, epochs=1)
    found = [m for m in caplog.messages if "'task'" in m]
    assert found == [
        f"the field 'task' of {len(rows)} rows is not used: lora trains the same weights on all of them "
        "(multitask_prompt_tuning tells tasks apart)"
    ]
    assert adapter.card is not None
    assert found[0] in adapter.card.notes
    caplog.clear()
    tasks = {"method": "multitask_prompt_tuning", "method_options": {"tasks": ["a", "b"], "tokens": 2}}
    run(tiny_base, tmp_path / "other", rows, epochs=1, **tasks)
    assert not any("'task'" in m for m in caplog.messages)


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


@pytest.mark.parametrize("config", ["lora", {"method": "lora"}])
def test_a_configuration_of_another_type_is_named(config: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the configuration is of the type \w+\n  next: give TrainConfig\(method="):
        train_module.train([{"input": "a", "target": "b"}], config, tmp_path / "out")


@pytest.mark.parametrize("turns", ["all", "last"])
def test_all_turns_or_the_last_are_learnt(tiny_base: str, tmp_path: Path, turns: str) -> None:
    rows = [
        Example(turns=(*first.turns, *second.turns), source=second.source)
        for first, second in zip(ROWS[:3], ROWS[3:], strict=True)
    ]
    out = tmp_path / "adapter"
    card = run(tiny_base, out, rows, epochs=30, turns=turns).card
    assert card is not None
    assert (answer(tiny_base, out, "q1") == "red<|end|>") is (turns == "all")
    told = [note for note in card.notes if note.startswith("6 turns of the assistant are learnt from 3 rows")]
    assert bool(told) is (turns == "all")
    assert ("turns" in card.config) is (turns == "all")
