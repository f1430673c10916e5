"""How far a trained model has moved from its reference: sampled answers, their reward, length and KL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, cast

import torch

from domainkit.models.precision import precision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domainkit.adapters.tuned_model import AdaptedModel

Grader = Callable[[Sequence[int], Sequence[str]], list[float | None]]
"""(rows' numbers, answers) to their worth."""
SHOWN_ANSWERS = 3
"""Answers shown in the card."""


@dataclass(frozen=True, slots=True)
class ReferenceDivergence:
    """What one sampled answer to each of `prompts` prompts shows."""

    prompts: int
    tokens: int
    """Of all answers together."""
    kl: float
    """KL(model ‖ reference), nats per token. Exact at each position: a sum over the vocabulary, not an estimate."""
    reward: float | None
    """Mean of the scored answers; None without any."""
    length: float
    """Tokens per answer."""
    unfinished: float
    """Share of answers that reached the token limit."""
    answers: tuple[str, ...] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Means of what else was measured, by metric."""

    def facts(self) -> dict[str, object]:
        """Plain values, for a card; without `metrics` where nothing else was measured."""
        return {name: value for name, value in asdict(self).items() if name != "metrics" or value}


def measure_divergence(
    model: AdaptedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    stops: Sequence[int],
    max_new_tokens: int,
    rows: int,
    seed: int,
    reward: Grader | None = None,
    metrics: Mapping[str, Grader] | None = None,
) -> ReferenceDivergence:
    """Sample an answer at temperature 1 to each prompt (token ids), `rows` at a time, with a seed of its own.

    `model` is a PeftModel; its reference is the adapter named "ref" where it has one, and else the base.
    """
    kl, tokens, lengths, unfinished, texts = 0.0, 0, 0, 0, []
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []), _inference(model):
        torch.manual_seed(seed)
        for start in range(0, len(prompts), rows):
            ids, mask, width = _sample(model, tokenizer, prompts[start : start + rows], stops, max_new_tokens)
            answered = _until_stop(ids[:, width:], stops)
            total, count = _divergence(model, ids, mask, answered, width)
            kl, tokens = kl + total, tokens + count
            for answer, length in zip(ids[:, width:].tolist(), answered.sum(1).tolist(), strict=True):
                unfinished += answer[length - 1] not in stops
                lengths += length
                texts.append(cast("str", tokenizer.decode(answer[:length], skip_special_tokens=True)))
    return ReferenceDivergence(
        prompts=len(prompts),
        tokens=tokens,
        kl=kl / max(1, tokens),
        reward=_mean(reward, texts) if reward is not None else None,
        length=lengths / len(prompts),
        unfinished=unfinished / len(prompts),
        answers=tuple(texts[:SHOWN_ANSWERS]),
        metrics={name: _mean(grade, texts) for name, grade in (metrics or {}).items()},
    )


def _mean(grade: Grader, texts: Sequence[str]) -> float | None:
    scores = [s for s in grade(range(len(texts)), texts) if s is not None]
    return sum(scores) / len(scores) if scores else None


@contextmanager
def _inference(model: AdaptedModel) -> Iterator[None]:
    """Without dropout and without gradients, in the base's precision."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), precision(model):
            yield
    finally:
        model.train(was_training)


def _sample(
    model: AdaptedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[int],
    max_new_tokens: int,
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """(ids (B, width + n) of left-padded prompts and answers, mask (B, width) of the prompts, width)."""
    width = max(map(len, prompts))
    pads = [width - len(p) for p in prompts]
    ids = torch.tensor([[tokenizer.pad_token_id] * n + list(p) for n, p in zip(pads, prompts, strict=True)])
    mask = torch.tensor([[0] * n + [1] * (width - n) for n in pads]).to(model.device)
    out = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask,
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(stops),
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    return out, mask, width


def _until_stop(answers: torch.Tensor, stops: Sequence[int]) -> torch.Tensor:
    """Mask (B, n) of the answers' tokens up to and with the first stop token."""
    stopped = torch.isin(answers, torch.tensor(list(stops), device=answers.device)).long()
    return ((stopped.cumsum(1) - stopped) == 0).long()


def _divergence(
    model: AdaptedModel, ids: torch.Tensor, prompt_mask: torch.Tensor, answered: torch.Tensor, width: int
) -> tuple[float, int]:
    """(KL in nats summed over the answers' positions, their number)."""
    mask = torch.cat([prompt_mask, answered], dim=1)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    keep = ids.shape[1] - width + 1

    def log_probs() -> torch.Tensor:
        logits = model(**inputs, use_cache=False, logits_to_keep=keep).logits[:, :-1]
        return torch.log_softmax(logits[answered.bool()].float(), dim=-1)

    trained = log_probs()
    with reference(model):
        before = log_probs()
    return float((trained.exp() * (trained - before)).sum()), len(trained)


def reference(model: AdaptedModel) -> AbstractContextManager[None]:
    """While open, `model` is its reference: the adapter "ref" where it has one, and else the base."""
    if "ref" not in model.peft_config:
        return model.disable_adapter()
    return _reference_adapter(model)


@contextmanager
def _reference_adapter(model: AdaptedModel) -> Iterator[None]:
    model.set_adapter("ref")
    try:
        yield
    finally:
        model.set_adapter("default")
