"""GRPO: sampled answers, each weighed by its reward within its group, the KL in the loss (arXiv 2402.03300)."""

from __future__ import annotations

from trl import GRPOConfig, GRPOTrainer

from domainkit.training.objectives.sampled import Sampling
from domainkit.training.objectives.trl_overrides import TrlOverrides


class Trainer(TrlOverrides, GRPOTrainer):
    """TRL's, on token ids."""


class Grpo(Sampling):
    """Advantage (r − mean) / standard deviation within the group; the loss is a mean over all tokens of the batch
    (DAPO, arXiv 2503.14476: the paper's mean per answer prefers short right and long wrong ones), plus β times the KL
    of each token."""

    beta = 0.04
    beta_source = "GRPO's (arXiv 2402.03300, section 4.2); TRL's default of 0 holds the model to nothing"
    kl_unit = "nats per token of the sampled answers (Schulman's k3 estimate)"
    trl = (Trainer, GRPOConfig)
