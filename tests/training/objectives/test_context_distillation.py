"""Context distillation: its loss and gradient are those of the formula, the teacher stays as it is, and the student
learns what it could only answer with the context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.models.load import load_base
from domainkit.training.batches import pack, pad
from domainkit.training.examples_to_ids import tokenize_examples
from domainkit.training.objectives import context_distillation as module
from domainkit.training.objectives.context_distillation import ContextTeacher, divergence, teacher_states
from domainkit.training.objectives.supervised import supervised_logits
from domainkit.training.train import train
from tests.training.small_runs import ROWS, config, losses, quiet, stop_at


@pytest.fixture(autouse=True)
def own_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))


def with_context(rows: Any = ROWS) -> list[Example]:
    def solved(row: Example) -> Example:
        before = Turn(role="user", content=f"{row.question} is {row.target}")
        return row.model_copy(update={"turns": (before, Turn(role="assistant", content="ok"), *row.turns)})

    return [solved(row) for row in rows]


def states(base: str, teacher: ContextTeacher, rows: Any = ROWS) -> Any:
    loaded = load_base(base, quantization="none")
    tokenized = tokenize_examples(rows, loaded.chat_template, 512)
    found = teacher_states(teacher, tokenized, loaded, config(base, quantization="none", max_tokens_per_pass=200))
    return loaded, tokenized, found


def reference(student: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor, gold: float) -> torch.Tensor:
    """The formula, written out in float64."""
    p, q = student.double().softmax(-1), teacher.double().softmax(-1)
    kl = (q * (q / p).log()).sum()
    return (1 - gold) * kl - gold * p[torch.arange(len(p)), targets].log().sum()


@pytest.mark.parametrize("gold", [0.0, 0.3, 1.0])
def test_loss_and_gradient_are_those_of_the_formula_in_float64(gold: float) -> None:
    torch.manual_seed(1)
    mine, theirs, targets = torch.randn(7, 30) * 3, torch.randn(7, 30) * 3, torch.randint(30, (7,))
    found, exact = mine.clone().requires_grad_(), mine.double().requires_grad_()
    loss, expected = divergence(found, theirs, targets, gold), reference(exact, theirs, targets, gold)
    loss.backward()
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    torch.testing.assert_close(found.grad.double(), exact.grad, rtol=1e-4, atol=1e-5)


def test_nothing_is_to_learn_where_teacher_student_and_prompt_are_the_same(tiny_base: str) -> None:
    loaded, tokenized, found = states(tiny_base, ContextTeacher(ROWS))
    model = attach(parse_method("lora", {"rank": 2}), loaded.model)
    loss = found.loss(model, pack(tokenized, model.dtype), tokenized)
    loss.backward()
    norm = max(float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None)
    assert abs(float(loss.detach())) < 1e-4
    assert norm < 1e-3


@pytest.mark.parametrize("laid", ["packed", "padded", "in chunks", "no plain head"])
def test_every_token_is_compared_with_the_teacher_behind_its_own_prompt(
    tiny_base: str, laid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, tokenized, found = states(tiny_base, ContextTeacher(with_context()))
    prompted = tokenize_examples(with_context(), loaded.chat_template, 512)
    alone = [supervised_logits(loaded.model, pad([row], 0)).detach() for row in prompted]
    model = attach(parse_method("lora", {"rank": 2}), loaded.model)
    if laid == "in chunks":
        monkeypatch.setattr(module, "CHUNK", 5)
    if laid == "no plain head":  # the model scales or caps its logits, so only its own forward gives them
        monkeypatch.setattr(module, "head_is_plain", lambda _: False)
    rows = tuple(reversed(tokenized))
    one = pad(rows, 0) if laid == "padded" else pack(rows, model.dtype)
    bare = [supervised_logits(model, pad([row], 0)).detach() for row in tokenized]
    expected = sum(float(reference(b, a, b[:, 0].long() * 0, 0.0)) for b, a in zip(bare, alone, strict=True))
    assert float(found.loss(model, one, rows).detach()) == pytest.approx(expected, rel=1e-3)
    assert expected > 1


def test_the_teacher_is_read_once_and_again_after_damage(tiny_base: str, caplog: pytest.LogCaptureFixture) -> None:
    teacher = ContextTeacher(with_context(ROWS[:2]))
    _, rows, first = states(tiny_base, teacher, ROWS[:2])
    module_read, reads = module._read_rows, []

    def counted(*args: Any) -> Any:
        reads.append(args)
        return module_read(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_read_rows", counted)
        states(tiny_base, teacher, ROWS[:2])
        assert not reads
        [file] = (module.cache_dir() / "teachers").rglob("*.safetensors")
        file.write_bytes(file.read_bytes()[:100])
        _, again, second = states(tiny_base, teacher, ROWS[:2])
    assert len(reads) == 1
    assert all(torch.equal(first.by_row[a], second.by_row[b]) for a, b in zip(rows, again, strict=True))


def test_a_base_learns_to_answer_without_the_context(tiny_base: str, tmp_path: Path) -> None:
    """The teacher needs its context: on the bare questions it is wrong. The student has nothing but its probabilities,
    and is right on the bare questions."""
    copier = train(with_context(), config(tiny_base, epochs=15), tmp_path / "teacher", on_progress=quiet)
    before = (copier.folder / "adapter_model.safetensors").read_bytes()
    teacher = ContextTeacher(with_context(), copier, facts={"run": "RUN", "variant": "tuned-knn"})
    baked = train(ROWS, config(tiny_base, epochs=25), tmp_path / "baked", on_progress=quiet, teacher=teacher)
    assert (copier.folder / "adapter_model.safetensors").read_bytes() == before
    assert losses(baked)[-1] < 0.2 < 1 < losses(baked)[0]
    assert right(tiny_base, copier, with_context()) == right(tiny_base, baked, ROWS) == len(ROWS)
    assert right(tiny_base, copier, ROWS) < len(ROWS)
    assert baked.card is not None
    assert baked.card.teacher is not None
    tokens = {"teacher": 49.0, "student": 20.0}
    facts = {"run": "RUN", "variant": "tuned-knn", "prompt_tokens": tokens, "identity": teacher.identity}
    assert {**baked.card.teacher, "prompt_tokens": tokens} == facts
    assert baked.card.teacher["prompt_tokens"]["teacher"] > 2 * baked.card.teacher["prompt_tokens"]["student"]


def right(base: str, adapter: Adapter, rows: list[Example]) -> int:
    """Answers whose every token is the most probable one."""
    loaded = load_base(base, quantization="nf4")
    model = load_adapted(loaded.model, adapter.folder)
    tokenized = tokenize_examples(rows, loaded.chat_template, 512)
    found = [supervised_logits(model, pad([row], 0)).argmax(-1).tolist() for row in tokenized]
    return sum(f == list(row.ids[row.start :]) for f, row in zip(found, tokenized, strict=True))


def test_a_resumed_run_is_the_uninterrupted_one(tiny_base: str, tmp_path: Path) -> None:
    teacher = ContextTeacher(with_context())
    whole = train(ROWS, config(tiny_base), tmp_path / "whole", on_progress=quiet, teacher=teacher)
    with pytest.raises(KeyboardInterrupt):
        train(ROWS, config(tiny_base), tmp_path / "cut", on_progress=stop_at(5), teacher=teacher)
    with pytest.raises(ConfigError, match="the teacher changed"):
        train(ROWS, config(tiny_base), tmp_path / "cut", on_progress=quiet, resume=True)
    cut = train(ROWS, config(tiny_base), tmp_path / "cut", on_progress=quiet, resume=True, teacher=teacher)
    assert losses(cut) == losses(whole)
    assert cut.weights_sha256 == whole.weights_sha256


@pytest.mark.parametrize("method", ["full", "last_layers"])
def test_a_student_that_trains_the_head_is_refused(tiny_base: str, tmp_path: Path, method: str) -> None:
    options = config(tiny_base, method=method, method_options={}, quantization="none", learning_rate=1e-3)
    teacher = ContextTeacher(with_context())
    if method == "last_layers":  # its layers lie before the head
        train(ROWS, options, tmp_path / "out", on_progress=quiet, teacher=teacher)
        return
    with pytest.raises(ConfigError, match="the student's method trains the head that both models share"):
        train(ROWS, options, tmp_path / "out", on_progress=quiet, teacher=teacher)


def test_rows_and_their_teachers_belong_together(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of its own for each"):
        train(ROWS, config(tiny_base), tmp_path / "a", on_progress=quiet, teacher=ContextTeacher(ROWS[:2]))
    other = [row.with_target("wrong") for row in ROWS]
    with pytest.raises(ConfigError, match=r"rows.jsonl:1: the chat template writes the answer otherwise"):
        train(ROWS, config(tiny_base), tmp_path / "b", on_progress=quiet, teacher=ContextTeacher(other))
