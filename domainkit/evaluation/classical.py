"""What machine learning without a language model reaches: the strongest simple rival of every prompt and adapter.

Label tasks: logistic regression on TF-IDF or on sentence embeddings, or the label of the nearest solved example.
Free answers: the answer of the nearest solved example. Which one is used is chosen by cross-validation on the training
rows alone (Banking77, 770 rows: TF-IDF .782, embeddings .873, nearest .844 on 308 questions).
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.task import Kind
from domainkit.evaluation.trivial import Likeness
from domainkit.messages import JsonObject
from domainkit.text.characters import MARKS
from domainkit.text.words import canonical

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Predict = Callable[[Sequence[str]], list[str]]
Embed = Callable[[Sequence[str]], np.ndarray]
"""Texts to rows of length 1."""
TFIDF = "TF-IDF with logistic regression"
EMBEDDED = "sentence embeddings with logistic regression"
NEAREST = "the nearest solved example by sentence embeddings"
FOLDS = 3
LEAST_ROWS = 12
"""With fewer training rows, cross-validation says nothing."""
MOST_ROWS = 2_000
"""Rows that cross-validation reads: a choice among three needs no more."""


@dataclass(frozen=True)
class Vectors:
    """What turns texts into sentence vectors, if anything does."""

    learn: Embed | None = None
    """Of training rows, which may be kept."""
    answer: Embed | None = None
    """Of questions: computed each time, as a user's would be."""
    why_none: str = "there is no embedding model"

    def both(self) -> tuple[Embed, Embed]:
        """Of models that are offered only where there is an embedding model."""
        assert self.learn is not None
        assert self.answer is not None
        return self.learn, self.answer


@dataclass(frozen=True)
class Choice:
    """The classical model that is used, and the scores it was chosen by."""

    name: str
    scores: dict[str, float] = field(default_factory=dict)
    """By model, of the cross-validation; empty where there was none."""
    why: str = ""
    """Why a model did not take part, or why there was no cross-validation."""


def choose_classical(kind: Kind, train: Sequence[Example], vectors: Vectors, likeness: Likeness) -> Choice:
    """The best model by cross-validation on `train`; of equals the first, which is the cheapest."""
    models = kind_of(kind).models(vectors)
    why = "" if vectors.learn else vectors.why_none
    if len(models) == 1 or len(train) < LEAST_ROWS:
        few = f"{len(train)} training rows are too few for cross-validation"
        return Choice(next(iter(models)), why=why or few)
    rows = random.Random(0).sample(list(train), min(len(train), MOST_ROWS))
    pairs = [(e.query, kind_of(kind).target(e)) for e in rows]
    scores = {name: _cross_validated(fit, pairs, vectors, likeness) for name, fit in models.items()}
    return Choice(max(scores, key=scores.__getitem__), scores, why)


def fit_classical(kind: Kind, train: Sequence[Example], vectors: Vectors, name: str) -> Predict:
    """A function from questions to answers, learnt by the model `name` from `train`. Deterministic.

    Raises ConfigError when there are no examples.
    """
    if not train:
        raise ConfigError(
            "the classical baseline has no solved examples to learn from", next_step="give --train a file"
        )
    about = kind_of(kind)
    return about.models(vectors)[name]([e.query for e in train], [about.target(e) for e in train], vectors)


def fit_probabilities(
    questions: Sequence[str], targets: Sequence[str], vectors: Vectors, name: str, c: float
) -> tuple[list[str], Callable[[Sequence[str]], np.ndarray]]:
    """The labels, and a function from questions to their probabilities, array (questions, labels), by logistic
    regression of the strength `c` on the features of the model `name`: sentence embeddings, or TF-IDF for any other.
    There must be two labels or more."""
    learn, read = vectors.both() if name == EMBEDDED else tfidf_features()
    model = fitted_regression(c, learn(questions), targets)
    return [str(label) for label in model.classes_], lambda new: model.predict_proba(read(new))


@runtime_checkable
class ChoosesTools(Protocol):
    """A function from questions to answers that heeds the tools offered with each question."""

    def among(self, questions: Sequence[str], offered: Sequence[Sequence[JsonObject] | None]) -> list[str]: ...


class SimpleModel:
    """A function from questions to answers in a Runnable's form."""

    def __init__(self, predict: Predict, *, reads_turns: bool = True) -> None:
        self._predict = predict
        self._reads_turns = reads_turns
        """Whether it reads what was said before the question, too."""

    def invoke(self, input: object, config: object = None) -> str:
        return self.batch([input])[0]

    def batch(self, inputs: list[object], config: object = None, *, return_exceptions: bool = False) -> list[str]:
        questions = [self._text(q) for q in inputs]
        if isinstance(self._predict, ChoosesTools):
            return self._predict.among(questions, [q.get("tools") if isinstance(q, dict) else None for q in inputs])
        return self._predict(questions)

    def _text(self, question: object) -> str:
        if not isinstance(question, Mapping):
            return str(question)
        return query_of(question) if self._reads_turns else str(question["question"])


Fit = Callable[[list[str], list[str], Vectors], Predict]


def label_models(vectors: Vectors) -> dict[str, Fit]:
    """Those of label tasks that this machine can fit, the cheapest first."""
    embedded: dict[str, Fit] = {EMBEDDED: _embedding_classifier, NEAREST: _nearest_by_embeddings}
    return {TFIDF: _tfidf_classifier, **(embedded if vectors.learn else {})}


def answer_models(vectors: Vectors) -> dict[str, Fit]:
    """Those of free answers that this machine can fit, the cheapest first."""
    embedded: dict[str, Fit] = {NEAREST: _nearest_by_embeddings}
    return {"the nearest solved example by TF-IDF": _nearest_by_tfidf, **(embedded if vectors.learn else {})}


def query_of(question: Mapping[str, Any]) -> str:
    """The question behind all that was said before it, as `Sample.query` has it."""
    said = [t["content"] for t in question.get("history") or () if t["role"] in ("user", "assistant")]
    return "\n".join([*(str(text) for text in said if text), str(question["question"])])


def _cross_validated(fit: Fit, rows: Sequence[tuple[str, str]], vectors: Vectors, likeness: Likeness) -> float:
    """The mean score over all (question, target), each answered by a model that did not learn it."""
    held_out = Vectors(vectors.learn, vectors.learn)  # the same rows are embedded once for all folds and models
    total = 0.0
    for fold in range(FOLDS):
        learnt = [e for i, e in enumerate(rows) if i % FOLDS != fold]
        asked = [e for i, e in enumerate(rows) if i % FOLDS == fold]
        predict = fit([question for question, _ in learnt], [target for _, target in learnt], held_out)
        answers = predict([question for question, _ in asked])
        total += sum(likeness(a, target) for a, (_, target) in zip(answers, asked, strict=True))
    return total / len(rows)


STRENGTHS = {TFIDF: 10, EMBEDDED: 30}
"""C of the logistic regressions. TF-IDF rows have length 1, where the default of 1 underfits (Banking77, 770 rows: .743
against .755 at 10), and so have embeddings (.818 at 1, .870 at 10, .873 at 30)."""


def _tfidf_classifier(questions: list[str], targets: list[str], vectors: Vectors) -> Predict:
    learn, read = tfidf_features()
    return _classifier(STRENGTHS[TFIDF], learn(questions), targets, read)


def _embedding_classifier(questions: list[str], targets: list[str], vectors: Vectors) -> Predict:
    learn, answer = vectors.both()
    return _classifier(STRENGTHS[EMBEDDED], learn(questions), targets, answer)


def tfidf_features() -> tuple[Callable[[Sequence[str]], Any], Callable[[Sequence[str]], Any]]:
    """What turns the texts that are learnt, and then others, into rows."""
    features = _vectorizer()
    return features.fit_transform, features.transform


def _classifier(c: float, features: Any, targets: list[str], read: Callable[[Sequence[str]], Any]) -> Predict:
    if len(set(targets)) == 1:
        return lambda new: [targets[0]] * len(new)
    model = fitted_regression(c, features, targets)
    return lambda new: [str(label) for label in model.predict(read(new))] if len(new) else []


def fitted_regression(c: float, features: Any, targets: Sequence[str]) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=1000)
    with warnings.catch_warnings():
        # Few rows a label are usual here, and no sign that the labels were numbers.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        model.fit(features, targets)
    return model


def _nearest_by_tfidf(questions: list[str], targets: list[str], vectors: Vectors) -> Predict:
    features = _vectorizer()
    solved = features.fit_transform(questions).T.tocsc()
    return _nearest(targets, lambda new: (features.transform(new) @ solved).toarray())


def _nearest_by_embeddings(questions: list[str], targets: list[str], vectors: Vectors) -> Predict:
    learn, read = vectors.both()
    solved = learn(questions).T
    return _nearest(targets, lambda new: np.round(read(new) @ solved, 5))


def _nearest(targets: list[str], cosines: Callable[[Sequence[str]], np.ndarray]) -> Predict:
    def answer(new: Sequence[str]) -> list[str]:
        blocks = (new[start : start + 256] for start in range(0, len(new), 256))
        return [targets[i] for block in blocks for i in cosines(block).argmax(1)]

    return answer


def _vectorizer() -> Any:
    """TF-IDF of words and word pairs, and of 2 to 4 characters within words, side by side.

    Character pieces see through inflection and typing errors, and work in scripts without spaces.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    # A text of punctuation alone is one word: texts of nothing else would otherwise leave the vocabulary empty.
    word = rf"[\w{MARKS}]+|^\W+$"
    both: dict[str, Any] = {"preprocessor": canonical, "sublinear_tf": True, "dtype": np.float32}
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=word, **both)
    return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **both))
