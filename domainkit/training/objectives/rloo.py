"""RLOO: sampled answers, each weighed by its reward less the others' mean, the KL in the reward (arXiv 2402.14740)."""

from __future__ import annotations

from trl import RLOOConfig, RLOOTrainer

from domainkit.training.objectives.sampled import Sampling
from domainkit.training.objectives.trl_overrides import TrlOverrides


class Trainer(TrlOverrides, RLOOTrainer):
    """TRL's, on token ids."""


class Rloo(Sampling):
    """Reward r − β Σ log π/π_ref over the answer's tokens; advantage: it less the mean of the group's others."""

    beta = 0.05
    beta_source = "TRL's for RLOO"
    kl_unit = "nats per token of the sampled answers (mean log-ratio, which can be below 0)"
    trl = (Trainer, RLOOConfig)
