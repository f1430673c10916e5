"""General questions and general text, put to the base and to the adapter: forgetting is measured on them.

A file of questions has one {"question", "choices", "answer"} a line, and "id" and "source" where known. The score of a
choice is its log-likelihood as the assistant's answer to the question. This is faster than a written answer, and less
noisy with a small model.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Protocol

from domainkit import progress
from domainkit.corpus.chunk import chunk
from domainkit.corpus.read_files import read_documents, read_rows
from domainkit.corpus.rows.jsonl import RowError, parse_id, raise_errors
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.rows.unread_fields import UnreadFields
from domainkit.errors import DataError, DomainkitError, Problem
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore
from domainkit.messages import JsonObject
from domainkit.storage import sha256_json, sha256_lines

QUESTION = "Question: {question}\nAnswer:"
TEXT = "Write a passage of text."
CONCURRENCY = 16
"""Questions asked at the same time; their choices share batches."""
FORM = 'write {"question": "…", "choices": ["…", "…"], "answer": 0} on each line'


class LikelihoodModel(Protocol):
    """A model that gives log-likelihoods: a DomainLLM."""

    def score(self, prompt: str, continuations: Sequence[str]) -> list[float]: ...

    def identity(self) -> JsonObject: ...


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A multiple-choice question."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: int
    """Index of the right choice, from 0."""
    group: str = ""
    """The row's "source"."""

    @property
    def prompt(self) -> str:
        return QUESTION.format(question=self.question)

    @property
    def key(self) -> str:
        """What the likelihoods depend on. Which choice is right is not part of it."""
        return sha256_json([self.prompt, *self.choices])


@dataclass(frozen=True, slots=True)
class GeneralQuestions:
    """Everything that is asked."""

    choices: tuple[MultipleChoice, ...]
    source: str
    """The file of the questions."""
    texts: tuple[str, ...] = ()
    """Passages of general text; empty without a file of them."""
    text_source: str = ""

    @property
    def fingerprint(self) -> str:
        return sha256_lines(f"{c.key} {c.answer}" for c in self.choices)


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Log-likelihoods of one model; None where the model failed."""

    choices: tuple[tuple[float, ...] | None, ...]
    """Per question, one of each choice."""
    texts: tuple[float | None, ...]
    """Per passage."""
    seconds: float
    """Compute of all answers."""


def read_general(path: str | Path, text: str | Path | None = None) -> GeneralQuestions:
    """The questions of a JSON Lines file, and the passages of a text, Markdown or JSON Lines file or folder.

    Raises DataError that lists every faulty row.
    """
    choices, problems = _read_choices(Path(path))
    if not choices and not problems:
        problems.append(Problem(str(path), None, "has no questions", FORM))
    raise_errors(problems)
    passages = [d.text for d in chunk(list(read_documents(text)))] if text else []
    if text and not passages:
        raise DataError([Problem(str(text), None, "has no text", "give a file with some, or leave it out")])
    return GeneralQuestions(tuple(choices), str(path), tuple(p for p in passages if p.strip()), str(text or ""))


def _read_choices(path: Path) -> tuple[list[MultipleChoice], list[Problem]]:
    choices, problems = [], []
    first_line: dict[str, int] = {}
    unread = UnreadFields()
    for line, row in read_rows(path):
        try:
            choice = _choice(row, f"{path.stem}-{line}")
        except ValueError as e:
            problems.append(Problem(str(path), line, str(e), FORM))
            continue
        except RowError as e:
            problems.append(Problem(str(path), line, e.what, e.next_step))
            continue
        unread.add(row, line, ("question", "choices", "answer", "source"))
        if first_line.setdefault(choice.id, line) != line:
            what = f"the id '{choice.id}' is already on line {first_line[choice.id]}"
            problems.append(Problem(str(path), line, what, "give each row an id of its own"))
        choices.append(choice)
    return choices, [*problems, *unread.problems(RowSource(str(path), "questions"))]


def _choice(row: JsonObject, default_id: str) -> MultipleChoice:
    question, choices, answer = row.get("question"), row.get("choices"), row.get("answer")
    if not isinstance(question, str) or not question.strip():
        raise ValueError("has no question")
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) and c.strip() for c in choices):
        raise ValueError("has no list of two or more choices")
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(choices):
        raise ValueError(f"'answer' is {json.dumps(answer)}, not an index from 0 to {len(choices) - 1}")
    name = parse_id(row.get("id")) or default_id
    return MultipleChoice(name, question, tuple(choices), answer, str(row.get("source") or ""))


def picked_choice(question: MultipleChoice, likelihoods: Sequence[float]) -> int:
    """Index of the choice with the highest log-likelihood per byte: a long choice has no disadvantage."""
    rates = [value / len(text.encode()) for value, text in zip(likelihoods, question.choices, strict=True)]
    return rates.index(max(rates))


def ask(
    general: GeneralQuestions, model: LikelihoodModel, name: str, store: RowStore, on_progress: Progress | None = None
) -> Likelihoods:
    """The likelihoods of every question and passage; what `store` has under the same content is not asked again."""
    key = sha256_json({"general": model.identity()})
    requests = {c.key: (c.prompt, c.choices) for c in general.choices}
    requests |= {_text_key(t): (TEXT, (t,)) for t in general.texts}
    done = store.finished(key)
    todo = [row for row in requests if row not in done]
    report = on_progress or progress.report
    report(name, len(requests) - len(todo), len(requests))
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for start in range(0, len(todo), CONCURRENCY):
            block = todo[start : start + CONCURRENCY]
            started = time.perf_counter()
            scored = list(pool.map(lambda row: _score(model, *requests[row]), block))
            share = (time.perf_counter() - started) / len(block)
            store.append(
                Row(key=key, variant=name, id=row, text=text, seconds=share, error=error)
                for row, (text, error) in zip(block, scored, strict=True)
            )
            report(name, len(store.all_of(key).keys() & requests.keys()), len(requests))
    return _likelihoods(general, store.all_of(key))


def _score(model: LikelihoodModel, prompt: str, continuations: Sequence[str]) -> tuple[str, str | None]:
    """(the likelihoods as JSON, None), or ("", the error)."""
    try:
        values = [float(v) for v in model.score(prompt, continuations)]
    except DomainkitError as e:
        return "", f"{type(e).__name__}: {e}"
    if not all(isfinite(v) for v in values):
        return "", "the model gave a likelihood that is not a number"
    return json.dumps(values), None


def _likelihoods(general: GeneralQuestions, rows: dict[str, Row]) -> Likelihoods:
    def of(key: str) -> tuple[float, ...] | None:
        row = rows[key]
        return tuple(json.loads(row.text)) if row.error is None else None

    choices = tuple(of(c.key) for c in general.choices)
    texts = tuple(values[0] if (values := of(_text_key(t))) else None for t in general.texts)
    keys = {*(c.key for c in general.choices), *(_text_key(t) for t in general.texts)}
    return Likelihoods(choices, texts, sum(rows[k].seconds or 0.0 for k in keys))


def _text_key(text: str) -> str:
    return sha256_json([TEXT, text])
