"""Tokenized examples to micro-batches: packed into one row, exactly, their common prefix computed once; or padded."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from domainkit.adapters.micro_batch import MicroBatch
from domainkit.models.encoder_decoder import architecture_of
from domainkit.models.precision import precision
from domainkit.training.attention import SEGMENTED, lay_segments
from domainkit.training.examples_to_ids import TokenizedExample

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel


@dataclass(frozen=True, slots=True)
class Batch:
    """The examples of one optimizer step, in groups that are one micro-batch each."""

    micro_batches: tuple[tuple[TokenizedExample, ...], ...]

    @property
    def tokens(self) -> int:
        return sum(len(e.ids) for group in self.micro_batches for e in group)

    @property
    def supervised(self) -> int:
        return sum(e.supervised for group in self.micro_batches for e in group)


class Batches(Sequence[Batch]):
    """All optimizer steps of a run: item k is step k, decided by the seed alone, so any step can be made again.

    Each epoch is a permutation of the examples drawn from (seed, epoch); its last batch holds what is left.
    """

    def __init__(
        self,
        tokenized: Sequence[TokenizedExample],
        *,
        batch_size: int,
        epochs: float,
        seed: int,
        max_tokens: int,
        packing: bool,
        segmented: bool = False,
        boundary: int | None = None,
    ) -> None:
        self.tokenized = tokenized
        self.batch_size = batch_size
        self.seed = seed
        self.max_tokens = max_tokens
        self.packing = packing
        self.segmented = segmented
        self.boundary = boundary
        self.steps_per_epoch = -(-len(tokenized) // batch_size)
        self._length = max(1, round(epochs * self.steps_per_epoch))
        self._orders: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, step: int) -> Batch:  # type: ignore[override]
        if not 0 <= step < self._length:
            raise IndexError(step)
        epoch, number = divmod(step, self.steps_per_epoch)
        indices = self._order(epoch)[number * self.batch_size : (number + 1) * self.batch_size]
        return Batch(self.micro_batches([self.tokenized[i] for i in indices]))

    def micro_batches(self, examples: Sequence[TokenizedExample]) -> tuple[tuple[TokenizedExample, ...], ...]:
        """The examples in groups that are one forward pass each."""
        return split(examples, self.max_tokens, packing=self.packing, boundary=self.boundary)

    def _order(self, epoch: int) -> list[int]:
        if epoch not in self._orders:
            order = list(range(len(self.tokenized)))
            random.Random(f"{self.seed}/{epoch}").shuffle(order)
            self._orders = {epoch: order}
        return self._orders[epoch]


def split(
    examples: Sequence[TokenizedExample], max_tokens: int, *, packing: bool, boundary: int | None = None
) -> tuple[tuple[TokenizedExample, ...], ...]:
    """Groups of examples, longest first, of at most `max_tokens` positions; a longer example is a group of its own.

    The rotary frequencies of a pass are those of its longest row, so rows on both sides of the base's `boundary` (a
    number of positions) never share one.
    """
    beyond = [boundary is not None and len(e.ids) - 1 > boundary for e in examples]
    if len(set(beyond)) > 1:
        sides = [[e for e, is_long in zip(examples, beyond, strict=True) if is_long is side] for side in (True, False)]
        return tuple(group for side in sides for group in split(side, max_tokens, packing=packing))
    if examples and examples[0].opening is not None:
        return _split_pairs(examples, max_tokens)
    prefix = common_prefix(examples) if packing else 0
    ordered = sorted(examples, key=lambda r: -len(r.ids))

    def filled(most: int) -> list[list[TokenizedExample]]:
        return _fill(ordered, most, prefix, packing=packing)

    passes = len(filled(max_tokens))
    # Passes of like size: the largest decides the peak of memory, and a small last one costs as much as a larger one.
    even = bisect_left(range(max_tokens), True, key=lambda most: len(filled(most)) <= passes)
    return tuple(map(tuple, filled(even)))


def _fill(
    ordered: Sequence[TokenizedExample], max_tokens: int, prefix: int, *, packing: bool
) -> list[list[TokenizedExample]]:
    """The examples, in their order, in groups of at most `max_tokens` positions."""
    groups: list[list[TokenizedExample]] = []
    room = 0
    for example in ordered:
        # Padded rows are as long as their group's first; packed ones share the prefix.
        cost = len(example.ids) - prefix if packing or not groups else len(groups[-1][0].ids)
        if not groups or cost > room:
            groups.append([])
            room = max_tokens - prefix
            cost = len(example.ids) - prefix
        groups[-1].append(example)
        room -= cost
    return groups


def _split_pairs(examples: Sequence[TokenizedExample], max_tokens: int) -> tuple[tuple[TokenizedExample, ...], ...]:
    """As `split`, for an encoder-decoder's examples: prompts and answers are padded each to their own longest."""
    groups: list[list[TokenizedExample]] = []
    prompt = answer = 0
    for example in sorted(examples, key=lambda r: (-r.start, -r.supervised)):
        prompt, answer = max(prompt, example.start), max(answer, example.supervised)
        if not groups or (prompt + answer) * (len(groups[-1]) + 1) > max_tokens:
            groups.append([])
            prompt, answer = example.start, example.supervised
        groups[-1].append(example)
    return tuple(map(tuple, groups))


def common_prefix(examples: Sequence[TokenizedExample]) -> int:
    """Number of input tokens that all examples start with. An example's last token is a target only, never an input."""
    inputs = [r.ids[:-1] for r in examples]
    first, last = min(inputs), max(inputs)
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def pack(examples: Sequence[TokenizedExample], dtype: torch.dtype, *, segmented: bool = False) -> MicroBatch:
    """One row: the common prefix, then the rest of each example, which attends to the prefix and itself only.

    `segmented` describes that by segments, for models that use segmented attention, and otherwise by a mask of `dtype`.
    Positions are those each example has alone, so every hidden state, loss and gradient is what separate rows give; the
    prefix, often the system prompt, is computed once instead of once per example.
    """
    prefix, alone = common_prefix(examples), len(examples) == 1
    ids = list(examples[0].ids[:prefix])
    positions = list(range(prefix))
    lengths: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    for example in examples:
        offset = len(ids) - prefix
        ids += example.ids[prefix:-1]
        positions += range(prefix, len(example.ids) - 1)
        lengths.append(len(example.ids) - 1 - prefix)
        for i in example.learnt:
            columns.append(i - 1 if i <= prefix else offset + i - 1)
            targets.append(example.ids[i])
    return MicroBatch(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        attention_mask=None if alone or segmented else tree_mask(prefix, lengths, dtype),
        rows=torch.zeros(len(targets), dtype=torch.long),
        columns=torch.tensor(columns),
        targets=torch.tensor(targets),
        segments=lay_segments(prefix, lengths) if segmented and not alone else None,
    )


def tree_mask(prefix: int, lengths: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Additive mask (1, 1, L, L): position i sees j when j ≤ i and j is in i's segment or in segment 0, the prefix."""
    numbers = torch.arange(len(lengths) + 1)
    segments = numbers.repeat_interleave(torch.tensor([prefix, *lengths]))
    order = torch.arange(len(segments))
    visible = (order[:, None] >= order) & ((segments[:, None] == segments) | (segments == 0))
    mask = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, torch.finfo(dtype).min)
    return mask[None, None]


def pad(examples: Sequence[TokenizedExample], pad_id: int) -> MicroBatch:
    """One row each, padded on the right; padding is known by length, never by token: EOS may be the pad token."""
    if examples[0].opening is not None:
        return _pad_pairs(examples, pad_id)
    lengths = torch.tensor([len(r.ids) - 1 for r in examples])
    width = int(lengths.max())
    supervised = [(row, i) for row, r in enumerate(examples) for i in r.learnt]
    return MicroBatch(
        input_ids=torch.tensor([[*r.ids[:-1], *[pad_id] * (width + 1 - len(r.ids))] for r in examples]),
        position_ids=torch.arange(width).expand(len(examples), width),
        attention_mask=(torch.arange(width) < lengths[:, None]).long(),
        rows=torch.tensor([row for row, _ in supervised]),
        columns=torch.tensor([i - 1 for _, i in supervised]),
        targets=torch.tensor([examples[row].ids[i] for row, i in supervised]),
        tasks=torch.tensor([r.task for r in examples]),
    )


def _pad_pairs(examples: Sequence[TokenizedExample], pad_id: int) -> MicroBatch:
    """Prompts for the encoder; for the decoder its opening token and the answers, shifted by one position."""
    lengths = torch.tensor([r.start for r in examples])
    width, height = int(lengths.max()), max(r.supervised for r in examples)
    answers = [[r.opening, *r.ids[r.start : -1]] for r in examples]
    return MicroBatch(
        input_ids=torch.tensor([[*r.ids[: r.start], *[pad_id] * (width - r.start)] for r in examples]),
        position_ids=torch.arange(width).expand(len(examples), width),
        attention_mask=(torch.arange(width) < lengths[:, None]).long(),
        rows=torch.tensor([row for row, r in enumerate(examples) for _ in range(r.supervised)]),
        columns=torch.tensor([i for r in examples for i in range(r.supervised)]),
        targets=torch.tensor([token for r in examples for token in r.ids[r.start :]]),
        tasks=torch.tensor([r.task for r in examples]),
        decoder_ids=torch.tensor([[*answer, *[pad_id] * (height - len(answer))] for answer in answers]),
    )


def use_segments(model: PreTrainedModel) -> bool:
    """Switch the model to segmented attention, when a small trial shows that its answers stay the same."""
    if architecture_of(model).why_not_packed:
        return False
    before = model.config.get_text_config()._attn_implementation
    if before != "sdpa":
        return before == SEGMENTED
    trial = [
        TokenizedExample(ids, 1, "") for ids in ((1, 2, 3, 4, 5), (1, 2, 6, 7), (1, 2, 8, 9, 10, 11, 12), (1, 2, 3))
    ]
    alone = _try(model, [pack([r], model.dtype) for r in trial])
    try:
        model.set_attn_implementation(SEGMENTED)
        together = _try(model, [pack(trial, model.dtype, segmented=True)])
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError):
        together = None
    if together is None or _difference(together, alone) > _limit(model):
        model.set_attn_implementation(before)
        return False
    return True


def why_not_pack(
    model: PreTrainedModel | AdaptedModel, examples: Sequence[TokenizedExample], *, segmented: bool = False
) -> str | None:
    """None when packing is exact for this model, otherwise the reason it is not.

    Sliding-window layers replace their window by a given mask; recurrent layers carry state across examples; models
    without explicit positions see one long text. The first is read from the configuration, the others show in a small
    trial.
    """
    if why_not := architecture_of(model).why_not_packed:
        return why_not
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if window and getattr(config, "use_sliding_window", True) and max(len(r.ids) for r in examples) > window:
        return f"some examples are longer than the model's attention window of {window} tokens"
    trial = [TokenizedExample(r.ids[:24], 1, "") for r in (examples[0], examples[-1])]
    trial.append(TokenizedExample(trial[0].ids[: len(trial[0].ids) // 2 + 1], 1, ""))
    try:
        together = _try(model, [pack(trial, model.dtype, segmented=segmented)])
        alone = _try(model, [pack([r], model.dtype) for r in trial])
    except (TypeError, ValueError, RuntimeError) as e:
        return f"the model does not take a packed row ({type(e).__name__})"
    error = _difference(together, alone)
    return None if error <= _limit(model) else f"the model's answers change when examples share a row (by {error:.0%})"


@torch.no_grad()
def _try(model: PreTrainedModel | AdaptedModel, micro_batches: Sequence[MicroBatch]) -> torch.Tensor:
    """Logits (n, vocabulary) at the supervised positions of packed micro-batches."""
    was_training = model.training
    model.eval()
    try:
        moved = [one.to(model.device) for one in micro_batches]
        with precision(model):
            return torch.cat([model(**one.inputs).logits[0, one.columns].float() for one in moved])
    finally:
        model.train(was_training)


def _difference(logits: torch.Tensor, reference: torch.Tensor) -> float:
    return float((logits - reference).abs().max() / reference.abs().max())


def _limit(model: PreTrainedModel | AdaptedModel) -> float:
    # 16-bit arithmetic and int8 activations (quantised by the row's own range) differ by themselves.
    exact = model.dtype == torch.float32 and not getattr(model, "is_loaded_in_8bit", False)
    return 1e-3 if exact else 5e-2
