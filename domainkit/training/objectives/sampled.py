"""What GRPO and RLOO share: prompts as token ids, several sampled answers each, a reward for each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from domainkit.corpus.example import Example
from domainkit.corpus.rows.turns import refuse_tools
from domainkit.errors import DataError
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.training.config import PreferenceConfig
from domainkit.training.objectives import EncodedRow, Objective, Plan, TrainerInputs
from domainkit.training.objectives.trl_overrides import TrlOverrides, arguments, build


class Sampling(Objective):
    """An objective over sampled answers; a subclass names its published β, its KL and TRL's classes."""

    row_kind = "examples"
    samples = True
    curve: ClassVar[dict[str, str]] = {
        "reward": "reward",
        "reward_spread": "reward_std",
        "kl": "kl",
        "length": "completions/mean_length",
        "unfinished": "completions/clipped_ratio",
        "tied": "frac_reward_zero_std",
        "entropy": "entropy",
    }

    @classmethod
    def rows_per_item(cls, config: PreferenceConfig) -> int:
        return config.group

    @classmethod
    def encode(
        cls, rows: Sequence[Example], template: ChatTemplate, max_length: int, config: PreferenceConfig
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

    @classmethod
    def options(cls, plan: Plan, inputs: TrainerInputs) -> dict[str, object]:
        config = plan.config
        return {
            "num_generations": config.group,
            "max_completion_length": config.max_new_tokens,
            "temperature": config.temperature,
            # The base in memory is set for training, without a cache.
            "generation_kwargs": {"use_cache": True},
            "mask_truncated_completions": not config.score_unfinished,
        }

    @classmethod
    def trainer(cls, plan: Plan, inputs: TrainerInputs) -> TrlOverrides:
        """TRL asks a function for the rewards, and for ids by the number of a row."""
        reward, stops = inputs.reward, set[int]()
        assert reward is not None  # refused before

        def score(
            prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: object
        ) -> list[float | None]:
            ended = [bool(ids) and ids[-1] in stops for ids in completion_ids]
            finished = [i for i, end in enumerate(ended) if end or plan.config.score_unfinished]
            scores = reward([int(prompts[i]) for i in finished], [completions[i] for i in finished])
            values: list[float | None] = [None] * len(prompts)
            for i, value in zip(finished, scores, strict=True):
                values[i] = value
            return values

        kind, config = cls.trl
        prompts = replace(inputs, encoded=[{"prompt": e["prompt"]} for e in inputs.encoded])
        trainer = build(kind, plan, prompts, arguments(config, plan, **cls.options(plan, inputs)), reward_funcs=score)
        trainer.prompt_ids = [e["ids"] for e in inputs.encoded]
        stops.update(trainer.eos_token_ids)
        return trainer
