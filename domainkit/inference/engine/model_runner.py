"""Model runners: what executes a batch of chunks, and which runner a model gets."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

import torch

from domainkit.errors import BaseModelError
from domainkit.inference.adapters.pool import NO_ADAPTER, AdapterPool, PassRow
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.shared_prefix_attention import SharedPrefix
from domainkit.inference.engine.batched_runner import BatchedRunner, attention_windows
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.encoder_decoder_runner import EncoderDecoderRunner
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.sequential_runner import SequentialRunner
from domainkit.inference.engine.trial import (
    TOLERANCE,
    TrialRow,
    allocated,
    difference,
    engine_logits,
    plain_logits,
    trial_rows,
)
from domainkit.models.encoder_decoder import architecture_of
from domainkit.models.memory import KVState
from domainkit.models.quantization import picks_outliers

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

    def allocate(
        self, prompt_length: int, virtual_tokens: KVState | torch.Tensor | None = None, most_tokens: int = 0
    ) -> CacheSlot:
        """A slot for a sequence. It starts with virtual tokens: keys and values, or embeddings for an encoder.

        `most_tokens` is the most that it comes to hold (0: unknown): a cache that grows in steps grows no further.
        """
        ...

    def free(self, slot: CacheSlot) -> None: ...

    def clear(self) -> None:
        """Free every slot and the memory."""
        ...

    def batch_key(self, chunk: Chunk) -> Hashable:
        """Chunks can share a forward pass if their keys are equal."""
        ...

    def pass_row(self, chunk: Chunk) -> PassRow:
        """Which tokens the pass over the chunk reads."""
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
        self._adapters.enter([runner.pass_row(chunk) for chunk in chunks])
        return runner.forward(chunks)

    def wait(self, runner: Runner) -> None:
        """Wait until the device has computed the passes so far. Without that, the time of a pass whose logits nobody
        reads is that of the next one whose logits somebody reads."""
        if runner.model.device.type == "cuda":
            torch.cuda.synchronize(runner.model.device)


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
    if picks_outliers(model):
        reason = "answers are computed one by one: int8 keeps columns exact that hold an outlier in any row of the pass"
        return SequentialRunner(model, takes_virtual_tokens=_has_plain_state(model)), reason
    try:
        runner = BatchedRunner(model, acceleration)
    except ValueError as e:  # the configuration names layers whose state is no keys and values
        return SequentialRunner(model), f"answers are computed one by one: the base has {e}"
    rows = trial_rows(None, probe)
    why = _batching_error(runner, rows)
    if why is not None:
        runner.close()
        reason = f"answers are computed one by one: the base cannot share batches ({why})"
        return SequentialRunner(model, takes_virtual_tokens=True), reason
    # A model may batch well, and still hand its attention arguments that the shared attention does not know.
    runner.shared_prefix_attention = (
        runner.shared_prefix_attention and _batching_error(runner, rows, n_shared=2) is None
    )
    # One row alone, in two passes of three tokens.
    runner.direct_passes = runner.direct_passes and _batching_error(runner, rows[:1]) is None
    return runner, None


def _has_plain_state(model: PreTrainedModel) -> bool:
    try:
        attention_windows(model.config.get_text_config())
    except ValueError:
        return False
    return True


def _encoder_decoder_runner(model: PreTrainedModel, probe: list[int]) -> EncoderDecoderRunner:
    runner = EncoderDecoderRunner(model)
    # int8 rounds activations in a way that depends on the batch.
    tolerance = 0.1 if getattr(model, "is_loaded_in_8bit", False) else TOLERANCE
    why = _batching_error(runner, trial_rows(model.config.decoder_start_token_id, probe), tolerance=tolerance)
    if why is not None:
        raise BaseModelError(
            f"this kind of encoder-decoder ({type(model).__name__}) cannot be served: {why}",
            next_step="use a base of the T5 type (T5, Flan-T5, mT5, ByT5), or a decoder-only one",
        )
    return runner


@torch.inference_mode()
def _batching_error(
    runner: BatchedRunner | EncoderDecoderRunner,
    rows: list[TrialRow],
    *,
    n_shared: int = 0,
    tolerance: float = TOLERANCE,
) -> str | None:
    """How the logits of these rows, read together in two passes, differ from the plain model's, if they do.

    The first `n_shared` tokens are a shared prefix of all rows.
    """
    try:
        with allocated(runner, [row.prompt_length for row in rows]) as slots:
            if n_shared:
                _share_prefix(runner, slots, rows[0].tokens[:n_shared])
            logits = engine_logits(runner.forward, slots, rows, [NO_ADAPTER] * len(rows))
            expected = [plain_logits(runner.model, row, s.n_encoded) for s, row in zip(slots, rows, strict=True)]
        if max(map(difference, logits, expected)) > tolerance:
            return "its logits differ when rows share a batch"
    except TRIAL_ERRORS as e:
        return f"{type(e).__name__}: {e}".splitlines()[0]
    return None


def _share_prefix(runner: BatchedRunner | EncoderDecoderRunner, slots: list[CacheSlot], tokens: list[int]) -> None:
    with allocated(runner, [len(tokens)]) as [slot]:
        runner.forward([Chunk(slot, tokens, 0)])
        prefix = SharedPrefix(runner.copy_state(slot, len(tokens)), len(tokens), len(tokens))
    for slot in slots:
        slot.shared_prefix, slot.tokens = prefix, list(tokens)
