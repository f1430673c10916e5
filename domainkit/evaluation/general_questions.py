"""General questions and general text, put to the base and to the adapter: what forgetting is measured on.

A question's file has one {"question", "choices", "answer"} a line (`answer` the place of the right choice, from 0; "id"
and "source" where known). Each choice is scored by its log-likelihood as the assistant's words after the question:
quicker than a written answer, and steadier in a small model. Rows are kept one by one under the model's content and the
question's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from domainkit.corpus.chunk import chunk
from domainkit.corpus.read_files import read_documents, read_rows
from domainkit.errors import DataError, DomainkitError, Problem
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore
from domainkit.storage import sha256_json, sha256_lines

QUESTION = "Question: {question}\nAnswer:"
TEXT = "Write a passage of text."
TOGETHER = 16
"""Questions under way at once; their choices share batches."""
FORM = 'write {"question": "…", "choices": ["…", "…"], "answer": 0} on each line'


class Scorer(Protocol):
    """A model that gives likelihoods: a DomainLLM."""

    def score(self, prompt: Any, continuations: Sequence[str]) -> list[float]: ...

    def identity(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """A multiple-choice question; `answer` is the place of the right choice."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    group: str = ""

    @property
    def prompt(self) -> str:
        return QUESTION.format(question=self.question)

    @property
    def key(self) -> str:
        """The content that the likelihoods depend on: which choice is right is not among it."""
        return sha256_json([self.prompt, *self.choices])


@dataclass(frozen=True, slots=True)
class General:
    """What is asked; `texts` are passages of general text, empty without a file of them."""

    choices: tuple[Choice, ...]
    source: str
    texts: tuple[str, ...] = ()
    text_source: str = ""

    @property
    def fingerprint(self) -> str:
        return sha256_lines(f"{c.key} {c.answer}" for c in self.choices)


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Of one model: per question those of its choices, per passage its own; None where none could be had. Seconds of
    compute."""

    choices: tuple[tuple[float, ...] | None, ...]
    texts: tuple[float | None, ...]
    seconds: float


def read_general(path: str | Path, text: str | Path | None = None) -> General:
    """The questions of a JSON Lines file, and the passages of a text, Markdown or JSON Lines file or folder.

    Raises DataError that lists every faulty row.
    """
    choices, problems = [], []
    lines: dict[str, int] = {}
    for line, row in read_rows(path):
        try:
            found = _choice(row, f"{Path(path).stem}-{line}")
        except ValueError as e:
            problems.append(Problem(str(path), line, str(e), FORM))
            continue
        if lines.setdefault(found.id, line) != line:
            problems.append(
                Problem(
                    str(path),
                    line,
                    f"the id '{found.id}' is already on line {lines[found.id]}",
                    "give each row its own",
                )
            )
        choices.append(found)
    if not choices and not problems:
        problems.append(Problem(str(path), None, "has no questions", FORM))
    if problems:
        raise DataError(problems)
    passages = [d.text for d in chunk(list(read_documents(text)))] if text else []
    if text and not passages:
        raise DataError([Problem(str(text), None, "has no text", "give a file with some, or leave it out")])
    return General(tuple(choices), str(path), tuple(p for p in passages if p.strip()), str(text or ""))


def _choice(row: dict[str, Any], default_id: str) -> Choice:
    question, choices, answer = row.get("question"), row.get("choices"), row.get("answer")
    if not isinstance(question, str) or not question.strip():
        raise ValueError("has no question")
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) and c.strip() for c in choices):
        raise ValueError("has no list of two or more choices")
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(choices):
        raise ValueError(f"'answer' is {json.dumps(answer)}, not a place from 0 to {len(choices) - 1}")
    return Choice(str(row.get("id", default_id)), question, tuple(choices), answer, str(row.get("source") or ""))


def picked(question: Choice, likelihoods: Sequence[float]) -> int:
    """The place of the choice with the highest likelihood per byte: long choices are not punished for their length."""
    rates = [value / len(text.encode()) for value, text in zip(likelihoods, question.choices, strict=True)]
    return rates.index(max(rates))


def ask(
    general: General, model: Scorer, name: str, store: RowStore, on_progress: Progress | None = None
) -> Likelihoods:
    """Every question and passage put to `model`; what `store` already has under the same content is not asked again."""
    key = sha256_json({"general": model.identity()})
    wanted = {c.key: (c.prompt, c.choices) for c in general.choices}
    wanted |= {_text_key(t): (TEXT, (t,)) for t in general.texts}
    done = store.finished(key)
    todo = [(row, *wanted[row]) for row in wanted if row not in done]
    report = on_progress or (lambda *_: None)
    report(name, len(wanted) - len(todo), len(wanted))
    with ThreadPoolExecutor(TOGETHER) as pool:
        for block in _blocks(todo):
            started = time.perf_counter()
            scored = list(pool.map(lambda w: _score(model, w[1], w[2]), block))
            share = (time.perf_counter() - started) / len(block)
            store.append(
                Row(key=key, variant=name, id=row, text=text, seconds=share, error=error)
                for (row, _, _), (text, error) in zip(block, scored, strict=True)
            )
            report(name, len(store.all_of(key).keys() & wanted.keys()), len(wanted))
    return _gathered(general, store.all_of(key))


def _blocks(todo: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(todo), TOGETHER):
        yield todo[start : start + TOGETHER]


def _score(model: Scorer, prompt: str, continuations: Sequence[str]) -> tuple[str, str | None]:
    """(the likelihoods as JSON, None), or ("", why there are none)."""
    try:
        found = [float(v) for v in model.score(prompt, continuations)]
    except DomainkitError as e:
        return "", f"{type(e).__name__}: {e}"
    if not all(isfinite(v) for v in found):
        return "", "the model gave a likelihood that is no number"
    return json.dumps(found), None


def _gathered(general: General, rows: dict[str, Row]) -> Likelihoods:
    def of(key: str) -> tuple[float, ...] | None:
        row = rows[key]
        return tuple(json.loads(row.text)) if row.error is None else None

    choices = tuple(of(c.key) for c in general.choices)
    texts = tuple(found[0] if (found := of(_text_key(t))) else None for t in general.texts)
    keys = {*(c.key for c in general.choices), *(_text_key(t) for t in general.texts)}
    return Likelihoods(choices, texts, sum(rows[k].seconds or 0.0 for k in keys))


def _text_key(text: str) -> str:
    return sha256_json([TEXT, text])
