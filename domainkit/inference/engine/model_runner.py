"""Model runners: what executes a batch of chunks, and which runner a model gets."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import torch

from domainkit.errors import BaseModelError
from domainkit.inference.adapters.pool import AdapterPool
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.shared_prefix_attention import SharedPrefix
from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.encoder_decoder_runner import EncoderDecoderRunner
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.sequential_runner import SequentialRunner
from domainkit.models.encoder_decoder import architecture_of
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
        # Adapters change the model itself, and two passes may differ in adapters, so they are set for each pass.
        self._adapters.enter([chunk.pass_row() for chunk in chunks])
        return runner.forward(chunks)


# ---- which runner a model gets ----


def make_runner(
    model: PreTrainedModel, probe: list[int], acceleration: Acceleration = ALL_ON
) -> tuple[Runner, str | None]:
    """The runner for this model; and why it runs sequences one by one, if it does.

    `probe` are eight ordinary token ids. Whether a model can share batches is tried, because no list of model names
    would be complete. Raises BaseModelError for an encoder-decoder that cannot.
    """
    if architecture_of(model).has_encoder:
        return _encoder_decoder_runner(model, probe), None
    try:
        runner = BatchedRunner(model, acceleration)
    except ValueError as e:  # the configuration names layers whose state is no keys and values
        return SequentialRunner(model), f"answers are computed one by one: the base has {e}"
    # Each row: its prompt's length, its tokens, and how many of them the first pass reads. The rows have different
    # lengths, which shows errors in masks and positions; a second pass shows errors in the cache.
    rows = [(6, probe[:6], 3), (8, probe[:8], 7)]
    why = _batching_error(runner, rows)
    if why is not None:
        runner.close()
        reason = f"answers are computed one by one: the base cannot share batches ({why})"
        return SequentialRunner(model, takes_virtual_tokens=True), reason
    # A model may batch well, and still hand its attention arguments that the shared attention does not know.
    runner.shared_prefix_attention = (
        runner.shared_prefix_attention and _batching_error(runner, rows, n_shared=2) is None
    )
    return runner, None


def _encoder_decoder_runner(model: PreTrainedModel, probe: list[int]) -> EncoderDecoderRunner:
    runner = EncoderDecoderRunner(model)
    # The first pass encodes the prompt and reads two of the decoder's tokens, the opening token and one more.
    rows = [(n + 1, [*probe[:n], *probe[:2], probe[3]], n + 2) for n in (3, 7)]
    # int8 rounds activations in a way that depends on the batch.
    why = _batching_error(runner, rows, tolerance=0.1 if getattr(model, "is_loaded_in_8bit", False) else 0.02)
    if why is not None:
        raise BaseModelError(
            f"this kind of encoder-decoder ({type(model).__name__}) cannot be served: {why}",
            next_step="use a base of the T5 type (T5, Flan-T5, mT5, ByT5), or a decoder-only one",
        )
    return runner


@torch.inference_mode()
def _batching_error(
    runner: BatchedRunner | EncoderDecoderRunner,
    rows: list[tuple[int, list[int], int]],
    *,
    n_shared: int = 0,
    tolerance: float = 0.02,  # loose enough for bfloat16; a wrong mask or position moves logits far more
) -> str | None:
    """How the logits of these rows, read together in two passes, differ from the plain model's, if they do.

    The first `n_shared` tokens are a shared prefix of all rows.
    """
    try:
        with allocated(runner, [prompt_length for prompt_length, _, _ in rows]) as slots:
            if n_shared:
                _share_prefix(runner, slots, rows[0][1][:n_shared])
            pairs = list(zip(slots, rows, strict=True))
            runner.forward([Chunk(s, tokens[s.length : n], s.length) for s, (_, tokens, n) in pairs])
            logits = runner.forward([Chunk(s, tokens[n:], n) for s, (_, tokens, n) in pairs])[:, -1]
            expected = [_plain_logits(runner.model, tokens, slot.n_encoded) for slot, (_, tokens, _) in pairs]
        for row, plain in zip(logits.float(), expected, strict=True):
            if not torch.allclose(row, plain, rtol=tolerance, atol=tolerance * float(plain.abs().max())):
                return "its logits differ when rows share a batch"
    except TRIAL_ERRORS as e:
        return f"{type(e).__name__}: {e}".splitlines()[0]
    return None


def _plain_logits(model: PreTrainedModel, tokens: list[int], n_encoded: int) -> torch.Tensor:
    """float [vocabulary] after the last token, by the model's own pass over one sequence without a cache."""
    ids = torch.tensor([tokens], device=model.device)
    inputs = (
        {"input_ids": ids[:, :n_encoded], "decoder_input_ids": ids[:, n_encoded:]} if n_encoded else {"input_ids": ids}
    )
    return model(**inputs, use_cache=False).logits[0, -1].float()


def _share_prefix(runner: BatchedRunner | EncoderDecoderRunner, slots: list[CacheSlot], tokens: list[int]) -> None:
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
