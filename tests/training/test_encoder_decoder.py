"""Encoder-decoder bases in training: how a row is read, what is refused, and that the loss is transformers' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit import DomainLLM
from domainkit.adapters.methods import attach, parse_method
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.export.merge import merge
from domainkit.models.load import LoadedBase, load_base
from domainkit.models.quantization import packing_of
from domainkit.training.batches import pad, split, use_segments, why_not_pack
from domainkit.training.config import TrainConfig
from domainkit.training.examples_to_ids import TokenizedExample, preview, tokenize_examples
from domainkit.training.objectives.supervised import supervised_loss
from domainkit.training.train import train
from tests.conftest import build_tiny_pair

TAUGHT = {"q1": "red", "q2": "blue", "what now": "green", "x": "no"}


def row(*turns: str, system: str | None = None) -> Example:
    roles = [
        Turn(role="assistant" if i % 2 else "user", content=text)  # type: ignore[arg-type]
        for i, text in enumerate(turns)
    ]
    opening = [Turn(role="system", content=system)] if system else []
    return Example(turns=(*opening, *roles), source="x.jsonl:1")


ROWS = [row(q, a) for q, a in TAUGHT.items()]


@pytest.fixture(scope="module")
def base(tiny_pair: str) -> LoadedBase:
    return load_base(tiny_pair, quantization="none")


def test_the_encoder_reads_the_prompt_and_the_decoder_writes_the_answer(base: LoadedBase) -> None:
    [one, many] = tokenize_examples(
        [row("why?", "so", system="Be brief."), row("a", "b", "c", "d")], base.chat_template, 100
    )
    assert preview(one, base.tokenizer) == "Be brief.\n\nwhy?<|end|>⟦so<|end|>⟧"
    assert preview(many, base.tokenizer) == "User: a\nAssistant: b\nUser: c\nAssistant:<|end|>⟦d<|end|>⟧"
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "why?"}]
    assert base.chat_template.encode_chat(asked, add_generation_prompt=True) == list(one.ids[: one.start])
    assert one.opening == base.model.config.decoder_start_token_id == 0


def test_a_question_cannot_spell_the_end(base: LoadedBase) -> None:
    [one] = tokenize_examples([row("stop <|end|> here", "no <|end|>")], base.chat_template, 100)
    assert [i for i, token in enumerate(one.ids) if token == 2] == [one.start - 1, len(one.ids) - 1]


def test_the_loss_is_that_of_transformers(base: LoadedBase) -> None:
    rows = tokenize_examples(ROWS, base.chat_template, 100)
    one = pad(rows, 0)
    labels = torch.full(one.decoder_ids.shape, -100)  # type: ignore[union-attr]
    labels[one.rows, one.columns] = one.targets
    base.model.eval()
    wanted = base.model(input_ids=one.input_ids, attention_mask=one.attention_mask, labels=labels).loss
    model = attach(parse_method("lora", {}), base.model)
    try:
        found = supervised_loss(model, one)
    finally:
        model.unload()
    torch.testing.assert_close(found / len(one.targets), wanted)


def test_accumulated_gradients_are_those_of_one_pass(tiny_pair: str) -> None:
    base = load_base(tiny_pair, quantization="none")
    rows = tokenize_examples(
        [*ROWS, row("a question of many words, long before its answer", "maybe")], base.chat_template, 100
    )
    torch.manual_seed(0)
    # In float32 the steep losses of random weights leave rounding of up to some thousandths.
    model = attach(parse_method("lora", {}), base.model).double()
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.1)
    found = []
    for most in (4096, 24):
        groups = split(rows, most, packing=False)
        assert (len(groups) > 1) == (most == 24)
        model.zero_grad()
        for group in groups:
            supervised_loss(model, pad(group, 0)).backward()
        found.append([p.grad.clone() for p in model.parameters() if p.requires_grad])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * float(a.abs().max()))


def test_passes_are_no_larger_than_asked() -> None:
    rows = [
        TokenizedExample(tuple(range(p + a)), p, "", opening=0)
        for p, a in ((50, 2), (3, 40), (10, 10), (9, 11), (1, 1))
    ]
    groups = split(rows, 60, packing=False)
    assert sorted(r.start for g in groups for r in g) == [1, 3, 9, 10, 50]
    for group in groups:
        width, height = max(r.start for r in group), max(r.supervised for r in group)
        assert len(group) == 1 or (width + height) * len(group) <= 60


def test_rows_are_never_packed(base: LoadedBase) -> None:
    rows = tokenize_examples(ROWS, base.chat_template, 100)
    assert not use_segments(base.model)
    assert "rows of their own" in str(why_not_pack(base.model, rows))


def test_unpacked_nf4_is_packed_nf4(tiny_pair: str) -> None:
    """Also for the layers that transformers leaves as they are."""
    logits = []
    for packed in (True, False):
        base = load_base(tiny_pair, quantization="nf4", keep_packed=packed)
        assert (packing_of(base.model) == "nf4") == packed
        base.model.eval()
        with torch.no_grad():
            logits.append(base.model(**pad(tokenize_examples(ROWS, base.chat_template, 100), 0).inputs).logits)
    torch.testing.assert_close(*logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_it_learns_answers_and_merges(tiny_pair: str, tmp_path: Path, quantization: Any) -> None:
    config = TrainConfig(base=tiny_pair, quantization=quantization, epochs=25, batch_size=4, learning_rate=1e-2)
    adapter = train(ROWS, config, tmp_path / "adapter", on_progress=lambda _: None)
    assert adapter.card
    assert adapter.card.losses[-1][1] < 0.05 * adapter.card.losses[0][1]
    assert adapter.card.prompt_format == "{question}<|end|>"
    assert any("rows are padded" in note for note in adapter.card.notes)
    config_file = json.loads((adapter.folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config_file["task_type"] == "SEQ_2_SEQ_LM"
    tuned, untuned = DomainLLM(adapter=str(adapter.folder), max_tokens=8), DomainLLM(base=tiny_pair, max_tokens=8)
    assert sum(tuned.invoke(q).text == a for q, a in TAUGHT.items()) >= 3
    assert sum(untuned.invoke(q).text == a for q, a in TAUGHT.items()) == 0
    merged = merge(adapter.folder, tmp_path / "merged", [*ROWS[:3]])
    assert merged.card.proof.kept == pytest.approx(1.0, abs=0.01)
    whole = DomainLLM(base=str(merged.folder), max_tokens=8)
    assert [whole.invoke(q).text for q in TAUGHT] == [tuned.invoke(q).text for q in TAUGHT]


def test_resumed_equals_uninterrupted_with_the_bases_own_dropout(tmp_path: Path) -> None:
    base = str(build_tiny_pair(tmp_path / "base", dropout_rate=0.1))
    config = TrainConfig(base=base, quantization="none", epochs=4, batch_size=4, learning_rate=1e-2)

    def stop(progress: Any) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    whole = train(ROWS, config, tmp_path / "whole", on_progress=lambda _: None)
    with pytest.raises(KeyboardInterrupt, match="step 2 is saved"):
        train(ROWS, config, tmp_path / "cut", on_progress=stop)
    resumed = train(ROWS, config, tmp_path / "cut", resume=True, on_progress=lambda _: None)
    assert resumed.weights_sha256 == whole.weights_sha256


# ---- refused


def test_documents_are_refused(tiny_pair: str, tmp_path: Path) -> None:
    config = TrainConfig(base=tiny_pair, quantization="none")
    with pytest.raises(ConfigError, match=r"raw documents hold neither[\s\S]*train on examples"):
        train([], config, tmp_path / "a", documents=[Document(id="d", text="Some text.", source="d")])


def test_eva_is_refused(tiny_pair: str) -> None:
    base = load_base(tiny_pair, quantization="none")
    with pytest.raises(ConfigError, match=r"eva measures[\s\S]*init=default"):
        attach(parse_method("lora", {"init": "eva"}), base.model)
