"""Fine-tune a small sentence encoder and its linear head on labelled texts: minutes on one core.

The head first learns alone from the frozen encoder's vectors, then both learn (linear probing, then fine-tuning: Kumar
et al. 2022, arXiv 2202.10054). The word vectors stay as they are: they are half of the parameters, and a step sees few
of them. Nothing is drawn from torch's global random numbers.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from domainkit.machine import hardware, memory_in_use
from domainkit.results.schema import Hardware, TrainingReceipt
from domainkit.threads import run_in_short_lived_thread
from domainkit.training.encoders.tuned_encoder import TunedEncoder, load_encoder, new_head

EPOCHS, BATCH = 3, 16
RATE, HEAD_RATE = 1e-4, 1e-2
STRENGTH = 3.0
"""C of the head's logistic regression. A head that fits the rows perfectly leaves the encoder nothing to learn: with
30, the best of a frozen encoder, fine-tuning gains less."""
WARMUP = 0.1
"""Share of the steps in which the rate rises; then it falls along a cosine."""
MOST_TOKENS = 200_000
"""Word pieces read in training, padding included: some five minutes on one core. Larger sets are read in part."""
RECIPE = 1
"""Version of the training: a change of its weights needs another."""

StepCallback = Callable[[int, int], None]
"""(steps done, steps in all)."""


def tune_encoder(
    source: str,
    texts: Sequence[str],
    targets: Sequence[str],
    vectors: np.ndarray,
    seed: int = 0,
    on_step: StepCallback | None = None,
) -> TunedEncoder:
    """The encoder of the folder or hub id `source`, trained to give each text its target.

    `vectors` are the frozen encoder's of the texts, float32 (texts, width), rows of length 1. Deterministic on one
    machine.
    """
    return run_in_short_lived_thread(lambda: _tune(source, texts, targets, vectors, seed, on_step or (lambda *_: None)))


def _tune(
    source: str, texts: Sequence[str], targets: Sequence[str], vectors: np.ndarray, seed: int, on_step: StepCallback
) -> TunedEncoder:
    started, labels = time.perf_counter(), sorted(set(targets))
    position = {label: i for i, label in enumerate(labels)}
    wanted = torch.tensor([position[t] for t in targets])
    model, tokenizer = load_encoder(source)
    with torch.enable_grad():
        known = torch.tensor(vectors)  # a copy: vectors of a saved index cannot be written to
        tuned = TunedEncoder(model, tokenizer, labels, _probe(known, wanted, len(labels)))
        rows = tuned.encode(texts)
        batches = list(_batches([len(r) for r in rows], random.Random(seed)))
        tokens, loss, memory = _train(tuned, rows, wanted, batches, on_step)
    learnt = list(model.encoder.parameters()) + list(tuned.head.parameters())
    for parameter in learnt:
        parameter.requires_grad_(False).grad = None
    size = sum(p.numel() for p in learnt)
    tuned.receipt = TrainingReceipt(
        method="encoder with a linear head",
        examples=len(texts),
        tokens=tokens,
        seconds=time.perf_counter() - started,
        trainable_parameters=size,
        adapter_bytes=4 * size,
        final_loss=loss,
        hardware=Hardware.model_validate(hardware()),
    )
    epochs = sum(map(len, batches)) / len(texts)
    part = "" if epochs == EPOCHS else f" of {EPOCHS}, the most that {MOST_TOKENS:,} word pieces allow"
    tuned.read = f"{len(texts):,} rows, {epochs:.3g} epochs{part}, {memory / 2**20:,.0f} MiB of memory"
    return tuned


def _probe(vectors: torch.Tensor, wanted: torch.Tensor, labels: int) -> torch.nn.Linear:
    """Logistic regression on the frozen vectors: the head that training begins with."""
    head = new_head(vectors.shape[1], labels)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        penalty = head.weight.square().sum() / (2 * STRENGTH * len(vectors))
        loss = cross_entropy(head(vectors), wanted) + penalty
        loss.backward()
        return loss

    optimizer.step(closure)
    return head


def _batches(lengths: Sequence[int], rng: random.Random) -> Iterator[list[int]]:
    """EPOCHS times all rows in batches of like length, in any order; fewer where MOST_TOKENS are read before."""
    tokens = 0
    for _ in range(EPOCHS):
        order = sorted(range(len(lengths)), key=lambda i: (lengths[i], rng.random()))
        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        rng.shuffle(batches)
        for batch in batches:
            tokens += len(batch) * max(lengths[i] for i in batch)
            if tokens > MOST_TOKENS:
                return
            yield batch


def _train(
    tuned: TunedEncoder, rows: list[list[int]], wanted: torch.Tensor, batches: list[list[int]], on_step: StepCallback
) -> tuple[int, float, int]:
    """(word pieces read, mean loss of the last steps, most bytes in use)."""
    groups = [
        {"params": list(tuned.model.encoder.requires_grad_(True).parameters()), "lr": RATE},
        {"params": list(tuned.head.parameters()), "lr": HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_rate(step, len(batches)))
    tokens, losses, memory = 0, [], memory_in_use()
    for step, batch in enumerate(batches, 1):
        loss = cross_entropy(tuned.head(tuned.vectors([rows[i] for i in batch])), wanted[batch])
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        tokens += sum(len(rows[i]) for i in batch)
        if step % 10 == 1:
            memory = max(memory, memory_in_use())
        on_step(step, len(batches))
    return tokens, float(np.mean(losses[-50:])) if losses else math.nan, memory


def _share_of_rate(step: int, steps: int) -> float:
    rise = max(1.0, WARMUP * steps)
    return min(1.0, (step + 1) / rise) * 0.5 * (1 + math.cos(math.pi * step / steps))
