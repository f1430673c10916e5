"""Methods with virtual tokens: rows are padded, tokens can start from words, and each task has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit import read_examples
from domainkit.adapters.methods import attach, parse_method
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError, DataError
from domainkit.models.load import load_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

PROMPTED = ("prefix_tuning", "p_tuning", "prompt_tuning", "multitask_prompt_tuning")


def row(question: str, answer: str, task: str | None = None, line: int = 1) -> Example:
    turns = (Turn(role="user", content=question), Turn(role="assistant", content=answer))
    return Example(turns=turns, source=f"rows.jsonl:{line}", task=task)


def run(base: str, out: Path, method: str, rows: list[Example], **changes: Any) -> Any:
    values = {
        "base": base,
        "quantization": "none",
        "method": method,
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 1e-2,
    }
    return train(rows, TrainConfig(**{**values, **changes}), out, on_progress=lambda _: None)


@pytest.mark.parametrize("method", PROMPTED)
def test_rows_are_never_packed(tiny_base: str, tmp_path: Path, method: str) -> None:
    card = run(tiny_base, tmp_path / "a", method, [row("q1", "red"), row("q2", "blue")], packing=True).card
    assert f"rows are padded: the method {method} cannot share rows" in card.notes
    assert card.config["max_length"] == 2048 - 20


def test_prompt_tuning_starts_from_the_texts_embeddings(tiny_base: str) -> None:
    base = load_base(tiny_base, quantization="none")
    model = attach(parse_method("prompt_tuning", {"init": "text", "text": "ab", "tokens": 5}), base.model)
    ids = base.tokenizer("ababa", add_special_tokens=False)["input_ids"]
    wanted = base.model.get_input_embeddings().weight[torch.tensor(ids)]
    assert torch.equal(model.prompt_encoder["default"].embedding.weight, wanted)


def test_a_prefix_from_text_answers_as_the_text_itself_would(tiny_base: str) -> None:
    base = load_base(tiny_base, quantization="none")
    ids = base.tokenizer("be brief", add_special_tokens=False)["input_ids"]
    question = torch.tensor([[1, 30, 40, 50]])
    with torch.no_grad():
        wanted = base.model.eval()(torch.cat([torch.tensor([ids]), question], 1)).logits[:, len(ids) :]
        model = attach(parse_method("prefix_tuning", {"text": "be brief", "tokens": len(ids)}), base.model).eval()
        found = model(question, use_cache=True).logits
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


def test_a_text_without_tokens_is_refused(tiny_base: str) -> None:
    with pytest.raises(ConfigError, match=r"method\.text: holds no token"):
        attach(
            parse_method("prompt_tuning", {"init": "text", "text": ""}), load_base(tiny_base, quantization="none").model
        )


def test_prefix_tuning_refuses_gradient_checkpointing(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prefix_tuning does not reach layers whose activations are recomputed"):
        run(tiny_base, tmp_path / "a", "prefix_tuning", [row("q", "a")], gradient_checkpointing=True)


def test_tasks_are_learnt_apart(tiny_base: str, tmp_path: Path) -> None:
    """The same question has another answer in each task, which only the task's own factor can tell."""
    rows = [row("q", "red", "colour"), row("q", "owl", "bird")]
    options = {"tasks": ["colour", "bird"], "rank": 2}
    card = run(
        tiny_base, tmp_path / "a", "multitask_prompt_tuning", rows, method_options=options, epochs=60, learning_rate=0.1
    ).card
    mixed = 0.69 / 2  # what is left per token when the first letter is a guess between two
    assert min(loss for _, loss in card.losses[-10:]) < mixed < card.losses[0][1]


def test_rows_of_no_or_an_unknown_task_are_all_named(tiny_base: str, tmp_path: Path) -> None:
    rows = [row("q", "red", "colour", 1), row("q", "owl", None, 2), row("q", "owl", "birds", 3)]
    with pytest.raises(DataError) as caught:
        run(tiny_base, tmp_path / "a", "multitask_prompt_tuning", rows, method_options={"tasks": ["colour", "bird"]})
    text = str(caught.value)
    assert "rows.jsonl:2: has no field 'task'" in text
    assert "rows.jsonl:3: is of the task 'birds'" in text
    assert "did you mean 'bird'?" in text


def test_a_rows_task_is_read_from_its_field(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "q", "target": "a", "task": "bird"}\n{"input": "q", "target": "a"}\n')
    assert [e.task for e in read_examples(path)] == ["bird", None]
