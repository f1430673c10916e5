"""The variants without a language model: what they learn from the training rows, and which model was chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from domainkit.comparison.inputs import Inputs
from domainkit.errors import MachineError
from domainkit.evaluation.classical import Choice, SimpleModel, Vectors, choose_classical, fit_classical
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.metrics import BatchMetric, PassageMetric, declared, lower_is_better, score_answer
from domainkit.evaluation.task import Sample
from domainkit.evaluation.trivial import COMMONEST, COPY, Likeness, fit_trivial
from domainkit.evaluation.variant import Variant
from domainkit.results.schema import JsonObject
from domainkit.retrieval import MiniLMEmbeddings
from domainkit.retrieval.dense import sentence_vectors
from domainkit.verdict.sentences import percent

if TYPE_CHECKING:
    from domainkit.training.encoders.tuned_encoder import TunedEncoder

EMBEDDED_AT_MOST = 20_000
"""Training rows that are embedded: some minutes on two cores."""


@dataclass(frozen=True)
class Chosen:
    """What an earlier comparison chose on the same rows."""

    classical: str
    """The name of the classical model."""
    trivial: str | None
    """The trivial answer; None copies the input."""


class SimpleModels:
    """Made when they are first used. With `chosen` nothing is chosen again."""

    def __init__(self, inputs: Inputs, chosen: Chosen | None = None) -> None:
        self._inputs = inputs
        self._chosen = chosen
        self._embeddings = MiniLMEmbeddings()
        self._learnt: dict[str, np.ndarray] = {}

    def model(self, variant: Variant) -> SimpleModel:
        """What answers for a variant without a language model."""
        inputs = self._inputs
        if variant.classical == "encoder":
            return SimpleModel(self.encoder.predict)
        if variant.classical == "trivial":
            answer = self.trivial[1]
            return SimpleModel(lambda questions: [answer(q) for q in questions], reads_turns=False)
        return SimpleModel(fit_classical(inputs.task.kind, inputs.solved, self.vectors, self.choice.name))

    def description(self, variant: Variant) -> str:
        """What the variant is here, for the report's reader."""
        if variant.classical == "trivial":
            return f"No model: {self.trivial[0]}."
        if variant.classical == "encoder":
            model = "MiniLM with a linear layer for the labels, fine-tuned"
            return f"No model that writes: {model} ({self.encoder.read})."
        choice = self.choice
        scores = ", ".join(f"{name} {percent(score)}" for name, score in choice.scores.items())
        chosen = f", the best in cross-validation on the training rows ({scores})" if scores else ""
        why = f" Not tried: sentence embeddings, since {self.why_no_vectors}." if self.why_no_vectors else ""
        return f"No language model: {choice.name}{chosen}.{why}"

    def settings(self, variant: Variant) -> JsonObject:
        if variant.classical == "trivial":
            return {"answers": self.trivial[0]}
        if variant.classical == "encoder":
            return {"model": "all-MiniLM-L6-v2 with a linear layer", "trained": self.encoder.read}
        return {"model": self.choice.name, "cross_validation": dict(self.choice.scores)}

    def identity_of(self, variant: Variant) -> str:
        """What the variant's answers depend on beside the training rows: the vectors, or the fine-tuned weights."""
        if variant.classical == "encoder":
            return self._inputs.encoder.name if self._inputs.encoder else ""
        return self._embeddings.identity() if variant.classical == "auto" and not self.why_no_vectors else ""

    @cached_property
    def encoder(self) -> TunedEncoder:
        assert self._inputs.encoder is not None, "the variant is left out where there is none"
        from domainkit.training.encoders.tuned_encoder import TunedEncoder  # torch

        return TunedEncoder.load(self._inputs.encoder, self._embeddings.resolve())

    @cached_property
    def why_no_vectors(self) -> str:
        rows = len(self._inputs.solved)
        if rows > EMBEDDED_AT_MOST:
            return f"{rows:,} training rows are more than the {EMBEDDED_AT_MOST:,} that are embedded"
        try:
            self._embeddings.resolve()
        except MachineError as e:
            return f"{e.what} ({e.next_step})"
        return ""

    @cached_property
    def vectors(self) -> Vectors:
        if self.why_no_vectors:
            return Vectors(why_none=self.why_no_vectors)
        return Vectors(self._learn, self._embeddings.vectors)

    def _learn(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of training questions, which are kept in the cache."""
        if not self._learnt:
            whole = [e.query for e in self._inputs.solved]
            self._learnt = dict(zip(whole, sentence_vectors(whole, self._embeddings), strict=True))
        return np.stack([self._learnt[text] for text in texts])

    @cached_property
    def choice(self) -> Choice:
        """The classical model, chosen on the training rows alone."""
        if self._chosen is not None:
            return Choice(self._chosen.classical)
        return choose_classical(self._inputs.task.kind, self._inputs.solved, self.vectors, self._likeness)

    @cached_property
    def trivial(self) -> tuple[str, Callable[[str], str]]:
        """(what it answers, the function from a question to its answer)."""
        if self._chosen is not None:
            known = self._chosen.trivial
            return (COPY, lambda question: question) if known is None else (COMMONEST, lambda question: known)
        return fit_trivial(self._inputs.task.kind, self._inputs.solved, self._likeness)

    @property
    def chosen_by(self) -> str:
        """The metric that the models are chosen by: the primary one, or where that costs something, the next that does
        not, else that of the task's kind."""
        task, metrics = self._inputs.task, self._inputs.metrics
        free = (
            n
            for n, m in metrics.item.items()
            if not isinstance(m, BatchMetric | PassageMetric) and not lower_is_better(n)
        )
        return next(free, kind_of(task.kind).metric)

    @property
    def _likeness(self) -> Likeness:
        """`chosen_by` on one answer."""
        name, task = self.chosen_by, self._inputs.task
        metric = self._inputs.metrics.item.get(name) or declared(name)(task)
        assert callable(metric), "a metric of single answers"

        def likeness(answer: str, target: str) -> float:
            sample = Sample(id="", input="", target=target, references=(target,))
            return score_answer(name, metric, sample, answer).value or 0.0

        return likeness
