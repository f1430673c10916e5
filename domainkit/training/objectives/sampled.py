"""What GRPO and RLOO share: prompts as token ids, several sampled answers each, a reward for each answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from domainkit.corpus.example import Example
from domainkit.corpus.example_layouts import refuse_tools
from domainkit.errors import DataError
from domainkit.models.chat_template import ChatTemplate
from domainkit.training.config import PreferenceConfig
from domainkit.training.objectives import EncodedRow, Plan, RewardFunction, RowKind
from domainkit.training.objectives.trl_overrides import TrlOverrides, arguments, build

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, TrainingArguments

    from domainkit.adapters.tuned_model import AdaptedModel

CURVE = {
    "reward": "reward",
    "reward_spread": "reward_std",
    "kl": "kl",
    "length": "completions/mean_length",
    "unfinished": "completions/clipped_ratio",
    "tied": "frac_reward_zero_std",
    "entropy": "entropy",
}
"""Curve columns that the sampling objectives share, by TRL's names."""


def encode_prompts(
    rows: Sequence[Example], template: ChatTemplate, max_length: int, config: PreferenceConfig
) -> list[EncodedRow]:
    """Each example's prompt as ids; the longest answer must fit after it."""
    refuse_tools(rows, "sampling answers for a reward")
    encoded, problems = [], []
    for number, row in enumerate(rows):
        ids = template.encode_prompt(row.prompt)
        if len(ids) + config.max_new_tokens > max_length:
            what = (
                f"its prompt of {len(ids)} tokens and an answer of max_new_tokens={config.max_new_tokens}"
                f" are more than {max_length}"
            )
            problems.append(row.problem(what, "shorten the row, or lower max_new_tokens"))
        # TRL expects a text as the prompt: it gets the row's number, and asks for that row's ids.
        encoded.append({"prompt": str(number), "ids": ids})
    if problems:
        raise DataError(problems)
    return encoded


def sampling_trainer(
    kind: Callable[..., TrlOverrides],
    config_kind: Callable[..., TrainingArguments],
    plan: Plan,
    model: AdaptedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: list[EncodedRow],
    reward: RewardFunction,
    **options: object,
) -> TrlOverrides:
    """TRL's trainer of class `kind`. `reward` scores answers to the rows of the given numbers; None leaves an answer
    out.
    """
    config = plan.config
    args = arguments(
        config_kind,
        plan,
        num_generations=config.group,
        max_completion_length=config.max_new_tokens,
        temperature=config.temperature,
        # The base in memory is set for training, without a cache.
        generation_kwargs={"use_cache": True},
        mask_truncated_completions=not config.score_unfinished,
        **options,
    )
    stops: set[int] = set()

    def score(
        prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: object
    ) -> list[float | None]:
        ended = [bool(ids) and ids[-1] in stops for ids in completion_ids]
        finished = [i for i, end in enumerate(ended) if end or config.score_unfinished]
        values: list[float | None] = [None] * len(prompts)
        for i, value in zip(
            finished, reward([int(prompts[i]) for i in finished], [completions[i] for i in finished]), strict=True
        ):
            values[i] = value
        return values

    trainer = build(kind, plan, model, tokenizer, [{"prompt": e["prompt"]} for e in encoded], args, reward_funcs=score)
    trainer.prompt_ids = [e["ids"] for e in encoded]
    stops.update(trainer.eos_token_ids)
    return trainer


class Sampling:
    """An objective over sampled answers; a subclass names its published β, its KL and TRL's `kinds`."""

    row_kind: ClassVar[RowKind] = "examples"
    samples: ClassVar[bool] = True
    least: ClassVar[int] = 1
    curve: ClassVar[dict[str, str]] = CURVE
    kinds: ClassVar[tuple[Callable[..., TrlOverrides], Callable[..., TrainingArguments]]]
    """(trainer, its configuration)."""

    @staticmethod
    def rows_per_item(config: PreferenceConfig) -> int:
        return config.group

    encode = staticmethod(encode_prompts)

    @classmethod
    def trainer(
        cls,
        plan: Plan,
        model: AdaptedModel,
        tokenizer: PreTrainedTokenizerBase,
        encoded: list[EncodedRow],
        reward: RewardFunction | None,
    ) -> TrlOverrides:
        assert reward is not None  # refused before
        return sampling_trainer(*cls.kinds, plan, model, tokenizer, encoded, reward)
