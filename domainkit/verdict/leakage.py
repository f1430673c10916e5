"""Leakage: test questions that also stand in what a variant learns from, has in its prompt, or was chosen on.

A model that has seen the question shows memory, not skill. Three sets are searched: the training rows (also the
few-shot pool), the documents of the retrieval index, and the development questions. An article that holds the answer
is retrieval doing its work; a passage that holds the question itself is a leak.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.evaluation.kinds import TaskKind, kind_of
from domainkit.evaluation.task import Kind, Sample
from domainkit.results.schema import Leak, LeakLevel, LeakPair, LeakSet
from domainkit.similarity.texts import (
    ALIKE,
    NEAR,
    Cosines,
    Match,
    contained,
    contained_answers,
    near,
    nearest,
    shared_runs,
)
from domainkit.text.characters import QUESTION_MARKS, SENTENCE_ENDS
from domainkit.text.words import fold

PAIRS = 50
"""Pairs that a Leak keeps."""
CHARACTERS = 600
"""Of the other text that a pair keeps."""


@dataclass(frozen=True)
class _Pool:
    """One set that test questions are compared with, entry by entry."""

    name: LeakSet
    sources: Sequence[str]
    texts: Sequence[str]
    """As the report shows them."""
    words: Sequence[list[str]]
    """Of the question, or of the passage."""
    questions: Sequence[str] = ()
    """As written."""
    solved: Sequence[list[str]] = ()
    """Words of question and answer."""


def find_leaks(
    train: Sequence[Example],
    samples: Sequence[Sample],
    *,
    kind: Kind = "label",
    documents: Sequence[Document] = (),
    dev: Sequence[Example] = (),
    cosines: Cosines | None = None,
    unchecked: str = "",
    pairs: int | None = PAIRS,
) -> tuple[tuple[Leak, ...], tuple[bool, ...]]:
    """Every level checked for every set given, with count 0 where nothing was found; and whether each sample is clean.

    The levels, worst first; in each set a question counts at its worst level only, and a Leak keeps the first `pairs`:

    - exact: the same words, without case, punctuation that only divides, and space
    - ngram: a shared run of words, as long as fits the question's length
    - near: the cosine of their characters
    - answer: its answer stands in a solved example (kinds whose answers are long enough to tell)
    - embedding: by `cosines`; reported but not counted, since a paraphrase is not a copy. `unchecked` says why there
      are none.
    """
    test_words = [_words(s.query) for s in samples]
    leaks: list[Leak] = []
    sets: tuple[tuple[LeakSet, Sequence[Example]], ...] = (("train", train), ("dev", dev))
    for name, examples in sets:
        if examples:
            leaks += _in_examples(samples, test_words, _pool(name, examples, kind_of(kind)), kind, cosines, unchecked)
    if documents:
        leaks += _in_documents(samples, [_words(s.input) for s in samples], documents)
    leaked = {pair.test for leak in leaks if leak.counted for pair in leak.pairs}
    clean = tuple(s.id not in leaked for s in samples)
    return tuple(leak.model_copy(update={"pairs": leak.pairs[:pairs]}) for leak in leaks), clean


def _words(text: str) -> list[str]:
    """The words, or the punctuation of a text that is nothing else."""
    return fold(text).split()


def _pool(name: LeakSet, examples: Sequence[Example], kind: TaskKind) -> _Pool:
    answers = [kind.leak_text(kind.target(e)) for e in examples]
    return _Pool(
        name,
        [e.source or e.id or f"{name}[{j}]" for j, e in enumerate(examples)],
        [f"{e.query}\n→ {e.target}" for e in examples],
        [_words(e.query) for e in examples],
        [e.query for e in examples],
        [_words(f"{e.query}\n{answer}") for e, answer in zip(examples, answers, strict=True)],
    )


def _in_examples(
    samples: Sequence[Sample],
    test_words: Sequence[list[str]],
    pool: _Pool,
    kind: Kind,
    cosines: Cosines | None,
    unchecked: str,
) -> list[Leak]:
    leaked: set[int] = set()

    def level(name: LeakLevel, match: Callable[[list[int]], list[Match]], threshold: float | None = None) -> Leak:
        rest = [i for i in range(len(test_words)) if i not in leaked]
        matches = [(rest[i], j, how) for i, j, how in match(rest)]
        leaked.update(i for i, _, _ in matches)
        return _leak(name, pool, samples, matches, threshold)

    leaks = [
        level("exact", lambda rest: _exact([test_words[i] for i in rest], pool.words)),
        level("ngram", lambda rest: shared_runs([test_words[i] for i in rest], pool.words)),
        level("near", lambda rest: near([test_words[i] for i in rest], pool.words), NEAR),
    ]
    about = kind_of(kind)
    if about.leaks_by_answer:
        answers = [_words(about.leak_text(s.target)) for s in samples]
        leaks.append(
            level(
                "answer",
                lambda rest: contained_answers(
                    [test_words[i] for i in rest], [answers[i] for i in rest], pool.words, pool.solved
                ),
            )
        )
    if cosines is None:
        why = unchecked or "there is no embedding model"
        return [*leaks, Leak(level="embedding", against=pool.name, count=0, counted=False, unchecked=why)]
    questions = [s.query for s in samples]
    alike = level(
        "embedding", lambda rest: nearest([questions[i] for i in rest], pool.questions, cosines, ALIKE), ALIKE
    )
    return [*leaks, alike.model_copy(update={"counted": False})]


def _exact(tests: Sequence[list[str]], pool: Sequence[list[str]]) -> list[Match]:
    first = {tuple(text): j for j, text in reversed(list(enumerate(pool)))}
    return [(i, first[tuple(text)], 1.0) for i, text in enumerate(tests) if text and tuple(text) in first]


def _in_documents(
    samples: Sequence[Sample], test_words: Sequence[list[str]], documents: Sequence[Document]
) -> list[Leak]:
    """The question whole (or 13 words of it in a row) in a passage, or nearly the same as a question that a passage
    asks."""
    texts = [f"{d.title}\n{d.text}" if d.title else d.text for d in documents]
    pool = _Pool("index", [d.id for d in documents], texts, [_words(t) for t in texts])
    matches = contained(test_words, pool.words)
    exact, runs = [m for m in matches if m[2] == 1.0], [m for m in matches if m[2] < 1.0]
    leaked = {i for i, _, _ in matches}
    questions = [(j, q) for j, text in enumerate(texts) for q in _QUESTION.findall(text)]
    rest = [i for i in range(len(test_words)) if i not in leaked]
    close = near([test_words[i] for i in rest], [_words(q) for _, q in questions])
    alike = [(rest[i], questions[k][0], how) for i, k, how in close]
    return [
        _leak("exact", pool, samples, exact, None),
        _leak("ngram", pool, samples, runs, None),
        _leak("near", pool, samples, alike, NEAR),
    ]


_QUESTION = re.compile(rf"[^.!?\n{SENTENCE_ENDS}]{{8,400}}[{QUESTION_MARKS}]")


def _leak(
    level: LeakLevel, pool: _Pool, samples: Sequence[Sample], matches: Sequence[Match], threshold: float | None
) -> Leak:
    pairs = tuple(
        LeakPair(test=samples[i].id, source=pool.sources[j], text=_shorten(pool.texts[j]), similarity=round(how, 3))
        for i, j, how in matches
    )
    return Leak(level=level, against=pool.name, count=len(pairs), pairs=pairs, threshold=threshold)


def _shorten(text: str) -> str:
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}…"
