"""Model runners: what executes a batch of chunks, and which runner a model gets."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import torch

from domainkit.inference.adapters.pool import AdapterPool
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.shared_prefix_attention import SharedPrefix
from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.encoder_decoder_runner import make_encoder_decoder_runner
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.sequential_runner import SequentialRunner
from domainkit.models.encoder_decoder import is_encoder_decoder
from domainkit.models.memory import KVState

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TRIAL_ERRORS = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError)
"""What a model may raise that does not fit a runner."""


class Runner(Protocol):
    """Runs a model over chunks, and holds the states of their sequences."""

    @property
    def model(self) -> PreTrainedModel: ...

    @property
    def one_by_one(self) -> bool:
        """A forward pass reads one chunk only."""
        ...

    @property
    def takes_virtual_tokens(self) -> bool:
        """A sequence can begin with virtual tokens."""
        ...

    def allocate(self, prompt_length: int, virtual_tokens: KVState | torch.Tensor | None = None) -> CacheSlot:
        """A slot for a sequence. It starts with virtual tokens: keys and values, or embeddings for an encoder."""
        ...

    def free(self, slot: CacheSlot) -> None: ...

    def clear(self) -> None:
        """Free every slot and the memory."""
        ...

    def batch_key(self, chunk: Chunk) -> Hashable:
        """Chunks can share a forward pass if their keys are equal."""
        ...

    def forward(self, chunks: list[Chunk]) -> torch.Tensor:
        """One pass. Returns float [chunks, positions, vocabulary]; row i ends with what chunk i wants."""
        ...

    def isolated(self) -> Runner:
        """Another runner of the same model, with states of its own."""
        ...


class Executor:
    """Executes batches of chunks. Every forward pass of the engine goes through `execute`."""

    def __init__(self, adapters: AdapterPool) -> None:
        self._adapters = adapters
        self.n_passes = 0

    def execute(self, runner: Runner, chunks: list[Chunk]) -> torch.Tensor:
        """One forward pass with each chunk's adapter; all adapters have one batch key.

        Returns float [chunks, positions, vocabulary]; row i ends with the logits that chunk i wants.
        """
        self.n_passes += 1
        # Adapters change the model itself, so they are set again for each pass.
        self._adapters.enter([chunk.pass_row() for chunk in chunks])
        return runner.forward(chunks)


# ---- which runner a model gets ----


def make_runner(
    model: PreTrainedModel, probe: list[int], acceleration: Acceleration = ALL_ON
) -> tuple[Runner, str | None]:
    """The runner for this model; and why it runs sequences one by one, if it does.

    `probe` are eight ordinary token ids. Whether a model can share batches is tried, because no list of model names
    would be complete.
    """
    if is_encoder_decoder(model):
        return make_encoder_decoder_runner(model, probe), None
    try:
        runner = BatchedRunner(model, acceleration)
    except ValueError as e:
        return SequentialRunner(model), f"answers are computed one by one: the base has {e}"
    why = _batching_error(runner, probe)
    if why is not None:
        runner.close()
        reason = f"answers are computed one by one: the base cannot share batches ({why.splitlines()[0]})"
        return SequentialRunner(model, takes_virtual_tokens=True), reason
    # A model may batch well, and still hand its attention arguments that the shared attention does not know.
    runner.shared_prefix_attention = (
        runner.shared_prefix_attention and _batching_error(runner, probe, n_shared=2) is None
    )
    return runner, None


@torch.inference_mode()
def _batching_error(runner: BatchedRunner, probe: list[int], n_shared: int = 0) -> str | None:
    """How the logits of two sequences, read together in two passes, differ from the plain model's, if they do.

    The first `n_shared` tokens are a shared prefix of both.
    """
    # Different lengths show errors in masks and positions; two passes show errors in the cache.
    texts, firsts = (probe[:6], probe[:8]), (3, 7)
    try:
        with allocated(runner, [len(tokens) for tokens in texts]) as slots:
            if n_shared:
                _share_prefix(runner, slots, probe[:n_shared])
            pairs = list(zip(slots, texts, strict=True))
            first = [Chunk(s, tokens[s.length : n], s.length) for (s, tokens), n in zip(pairs, firsts, strict=True)]
            runner.forward(first)
            logits = runner.forward([Chunk(s, tokens[s.length :], s.length) for s, tokens in pairs])[:, -1]
        for row, tokens in zip(logits, texts, strict=True):
            ids = torch.tensor([tokens], device=runner.model.device)
            expected = runner.model(input_ids=ids, use_cache=False).logits[0, -1].float()
            # Loose enough for bfloat16; a wrong mask or position moves logits far more.
            if not torch.allclose(row.float(), expected, rtol=0.02, atol=0.02 * float(expected.abs().max())):
                return "its logits differ when rows share a batch"
    except TRIAL_ERRORS as e:
        return f"{type(e).__name__}: {e}"
    return None


def _share_prefix(runner: BatchedRunner, slots: list[CacheSlot], tokens: list[int]) -> None:
    with allocated(runner, [len(tokens)]) as [slot]:
        runner.forward([Chunk(slot, tokens, 0)])
        prefix = SharedPrefix(runner.copy_state(slot, len(tokens)), len(tokens), len(tokens))
    for slot in slots:
        slot.shared_prefix, slot.tokens = prefix, list(tokens)


@contextmanager
def allocated(runner: Runner, prompt_lengths: list[int]) -> Iterator[list[CacheSlot]]:
    """Slots that are freed at the end."""
    slots = [runner.allocate(n) for n in prompt_lengths]
    try:
        yield slots
    finally:
        for slot in reversed(slots):
            runner.free(slot)


__all__ = ["Executor", "Runner", "allocated", "make_runner"]
