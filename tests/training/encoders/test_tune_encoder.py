"""A small encoder learns labels, the same way each time, and leaves nothing behind in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from domainkit.training.encoders import tune_encoder as training
from domainkit.training.encoders.tune_encoder import tune_encoder
from domainkit.training.encoders.tuned_encoder import TunedEncoder

WORDS = ("my", "dog", "cat", "car", "bus", "runs", "fast", "the")
TEXTS = [f"{a} {b} {c}" for a in ("my", "the") for b in ("dog", "cat", "car", "bus") for c in ("runs", "runs fast")] * 3
TARGETS = ["animal" if {"dog", "cat"} & set(t.split()) else "vehicle" for t in TEXTS]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny BERT of two layers that knows WORDS."""
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)), "utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=13, max_position_embeddings=32, **size)).save_pretrained(folder)
    return str(folder)


def frozen(source: str) -> np.ndarray:
    model, tokenizer = training.load_encoder(source)
    encoder = TunedEncoder(model, tokenizer, ["a"], training.new_head(16, 1))
    with torch.inference_mode():
        return encoder.vectors(encoder.encode(TEXTS)).numpy()


def test_it_learns_and_says_what_that_took(source: str) -> None:
    steps: list[tuple[int, int]] = []
    tuned = tune_encoder(source, TEXTS, TARGETS, frozen(source), on_step=lambda *step: steps.append(step))
    assert tuned.predict(["the cat", "my bus"]) == ["animal", "vehicle"]
    assert tuned.predict([]) == []
    assert steps == [(i, 9) for i in range(1, 10)]
    receipt = tuned.receipt
    assert receipt is not None
    assert (receipt.examples, receipt.tokens) == (48, 3 * sum(len(t.split()) + 2 for t in TEXTS))
    assert receipt.adapter_bytes == 4 * receipt.trainable_parameters
    assert tuned.read.startswith("48 rows, 3 epochs, ")


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_as_it_was(source: str) -> None:
    before, vectors = torch.get_rng_state(), frozen(source)
    one, two = (tune_encoder(source, TEXTS, TARGETS, vectors, seed=1) for _ in range(2))
    pairs = [*zip(one.model.parameters(), two.model.parameters(), strict=True), (one.head.weight, two.head.weight)]
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not any(a.requires_grad or a.grad is not None for a, _ in pairs)
    assert torch.equal(torch.get_rng_state(), before)
    other = tune_encoder(source, TEXTS, TARGETS, vectors, seed=2)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_a_saved_encoder_answers_as_before(source: str, tmp_path: Path) -> None:
    tuned = tune_encoder(source, TEXTS, TARGETS, frozen(source))
    tuned.save(tmp_path, "tiny")
    again = TunedEncoder.load(tmp_path, source)
    assert torch.equal(again.head.weight, tuned.head.weight)
    assert again.predict(TEXTS) == tuned.predict(TEXTS)
    assert (again.labels, again.receipt, again.read) == (tuned.labels, tuned.receipt, tuned.read)
    stored = (tmp_path / "encoder.json").read_text("utf-8")
    assert source not in stored, "no path of this machine"


def test_a_large_set_is_read_in_part_and_says_so(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MOST_TOKENS", 300)
    tuned = tune_encoder(source, TEXTS, TARGETS, frozen(source))
    assert tuned.receipt is not None
    assert tuned.receipt.tokens <= 300
    assert "of 3, the most that 300 word pieces allow" in tuned.read
