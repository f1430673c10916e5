"""Check a data file: every error, and everything suspicious, before any training."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.chunk import count_words
from domainkit.corpus.document import Document
from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.example import Example
from domainkit.corpus.location import Located
from domainkit.corpus.preferences import COMPLETION, scan_marked, scan_pairs
from domainkit.corpus.readers import READERS
from domainkit.corpus.rows.jsonl import scan_rows
from domainkit.corpus.rows.layouts import looks_like_examples, scan_examples
from domainkit.corpus.split import targets_repeat
from domainkit.errors import Problem
from domainkit.text.words import fold
from domainkit.visible import visible

FEW_EXAMPLES = 10
"""Fewer examples than this get a warning."""
LONG_WORDS = 1000
"""A prompt or target of more words than this, and than ten times the median, gets a warning."""

T = TypeVar("T")
Item = TypeVar("Item", bound=Located)

_CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<bos>|<eos>")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Summary(BaseModel):
    """A data file in numbers: its well-formed rows only. An example's words are those of the whole conversation."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["examples", "documents", "pairs", "marked answers"]
    rows: int
    distinct_targets: int | None
    """Different folded targets; None for documents."""
    words: int
    mean_words: float
    longest_words: int
    longest_at: str
    """Where the longest is: `path` or `path:line`, "" when there is none."""

    def __str__(self) -> str:
        targets = "" if self.distinct_targets is None else f", {self.distinct_targets:,} distinct targets"
        longest = f", the longest {self.longest_words:,} at {visible(self.longest_at)}" if self.longest_at else ""
        return f"{self.rows:,} {self.kind}{targets}; {self.words:,} words, {self.mean_words:.1f} on average{longest}"


class _Contents(NamedTuple):
    """A data file as it was read: its well-formed items, and the problems of its rows."""

    kind: Literal["examples", "documents", "pairs", "marked answers"]
    documents: Sequence[Document]
    examples: Sequence[Example]
    """Of pairs and marked answers their answers, a pair's two in a row."""
    problems: list[Problem]


def check(path: str | Path, task: str | Path | None = None) -> list[Problem]:
    """Every error and warning of a file of examples, pairs, marked answers or documents, in order of lines.

    With `task`, a test file, each row whose question is in that file is an error too. Bad data is listed, never raised.
    """
    return check_and_count(path, task)[0]


def check_and_count(path: str | Path, task: str | Path | None = None) -> tuple[list[Problem], Summary]:
    """`check`, and the numbers of the file's well-formed rows."""
    path = Path(path)
    contents = _read(path)
    problems = contents.problems
    if contents.kind == "documents":
        problems += _check_documents(contents.documents)
    elif contents.kind == "examples":
        problems += _check_examples(path, contents.examples)
    else:
        problems += _check_traits(contents.examples, _EXAMPLE_TRAITS)
    if task is not None:
        problems += _check_leak(contents.examples, Path(task))
    return sorted(problems, key=lambda p: (p.path, p.line or 0, p.severity)), _count(contents)


def _read(path: Path) -> _Contents:
    is_text = os.path.isdir(path) or path.suffix.lower() in set(READERS) - {".jsonl"}
    scanned = ([], []) if is_text else scan_rows(path)
    rows = [row for _, row in scanned[0]]
    if is_text or (os.path.isfile(path) and not looks_like_examples(scanned[0])):
        documents, problems = scan_documents(path)
        return _Contents("documents", documents, (), problems)
    if 2 * sum("chosen" in row or "rejected" in row for row in rows) > len(rows):
        pairs, problems = scan_pairs(path, scanned)
        return _Contents("pairs", (), [e for pair in pairs for e in (pair.chosen, pair.rejected)], problems)
    if 2 * sum(isinstance(row.get("label"), bool) and any(name in row for name in COMPLETION) for row in rows) > len(
        rows
    ):
        marked, problems = scan_marked(path, scanned)
        return _Contents("marked answers", (), [row.example for row in marked], problems)
    examples, problems = scan_examples(path, scanned)
    return _Contents("examples", (), examples, problems)


def _count(contents: _Contents) -> Summary:
    items: Sequence[Document | Example] = contents.documents or contents.examples
    lengths = [count_words(d.text) for d in contents.documents]
    lengths += [sum(count_words(t.content) for t in e.turns) for e in contents.examples]
    longest = max(range(len(lengths)), key=lengths.__getitem__, default=None)
    return Summary(
        kind=contents.kind,
        rows=len(items) // (2 if contents.kind == "pairs" else 1),
        distinct_targets=None if contents.kind == "documents" else len({fold(e.target) for e in contents.examples}),
        words=sum(lengths),
        mean_words=sum(lengths) / len(lengths) if lengths else 0.0,
        longest_words=0 if longest is None else lengths[longest],
        longest_at="" if longest is None else items[longest].source,
    )


def _check_examples(path: Path, examples: Sequence[Example]) -> list[Problem]:
    problems = [*_check_repeats(examples), *_check_spellings(examples), *_check_lengths(examples)]
    problems += _check_traits(examples, _EXAMPLE_TRAITS)
    if 0 < len(examples) < FEW_EXAMPLES:
        what = f"only {len(examples)} well-formed example{'s' if len(examples) > 1 else ''}"
        next_step = "add more: fine-tuning needs some dozens; prompting needs none"
        problems.append(Problem(str(path), None, what, next_step, severity="warning"))
    elif examples and len({fold(e.target) for e in examples}) == 1:
        what = f"every target is '{_short(examples[0].target)}'"
        next_step = "add rows with other targets: with one target there is nothing to learn"
        problems.append(Problem(str(path), None, what, next_step, severity="warning"))
    return problems


def _check_documents(documents: Sequence[Document]) -> list[Problem]:
    problems = []
    first: dict[str, Document] = {}
    for document in documents:
        earlier = first.setdefault(fold(f"{document.title}\n{document.text}"), document)
        if earlier.source != document.source:
            next_step = "keep one: copies push other passages out of the results"
            problems.append(_warning(document, f"the same as {earlier.source}", next_step))
    return problems + _check_traits(documents, _DOCUMENT_TRAITS)


def _check_leak(examples: Sequence[Example], task: Path) -> list[Problem]:
    rows, problems = scan_rows(task)
    tested = {fold(e.question): e.source for e in reversed(scan_examples(task)[0])}
    # A row without a single target is a sample but not an example; its input is a test question too.
    for line, row in reversed(rows):
        if isinstance(row.get("input"), str):
            tested[fold(row["input"])] = f"{task}:{line}"
    for example in examples:
        source = tested.get(fold(example.question))
        if source:
            next_step = "delete it from one of the files: a test on training questions measures nothing"
            problems.append(example.problem(f"the input is also in the test file ({source})", next_step))
    return problems


def _check_repeats(examples: Sequence[Example]) -> list[Problem]:
    """Rows that repeat an earlier one, and inputs with two targets.

    For label tasks each input with two targets is named. A question with a free answer may have several: they are
    counted only.
    """
    problems, other_answers = [], []
    first: dict[str, Example] = {}
    labels = targets_repeat(examples)
    for example in examples:
        earlier = first.setdefault("\n".join(f"{t.role}:{fold(t.content)}" for t in example.prompt), example)
        if earlier is example:
            continue
        if fold(earlier.target) == fold(example.target):
            what = f"the same row as line {earlier.line}"
            problems.append(_warning(example, what, "delete one, unless it is to count twice"))
        elif labels:
            what = f"the same input as line {earlier.line} with another target"
            what += f" ('{_short(earlier.target)}' there, '{_short(example.target)}' here)"
            problems.append(_warning(example, what, "keep the right one"))
        else:
            other_answers.append(example)
    if other_answers:
        rows = f"{len(other_answers)} row{'s' if len(other_answers) > 1 else ''}"
        what = f"{rows} with another target for an earlier input, the first here"
        next_step = "right if an input has several good answers; else keep one"
        problems.append(_warning(other_answers[0], what, next_step))
    return problems


def _check_spellings(examples: Sequence[Example]) -> list[Problem]:
    """Targets that differ in case, spaces or punctuation only: a label task would count them as different labels."""
    problems = []
    first: dict[str, Example] = {}
    reported: set[str] = set()
    for example in examples:
        earlier = first.setdefault(fold(example.target), example)
        if example.target != earlier.target and example.target not in reported:
            what = f"the target '{_short(example.target)}' is written '{_short(earlier.target)}' on line {earlier.line}"
            problems.append(_warning(example, what, "write it one way"))
            reported.add(example.target)
    return problems


def _check_lengths(examples: Sequence[Example]) -> list[Problem]:
    problems = []
    for noun, lengths in (
        ("prompt", [sum(count_words(t.content) for t in e.prompt) for e in examples]),
        ("target", [count_words(e.target) for e in examples]),
    ):
        limit = max(LONG_WORDS, 10 * median(lengths)) if lengths else 0
        for example, words in zip(examples, lengths, strict=True):
            if words > limit:
                what = f"the {noun} has {words} words, the median {median(lengths):g}"
                problems.append(_warning(example, what, "it may exceed the base's context: shorten or split it"))
    return problems


class Trait(NamedTuple, Generic[T]):
    """Something suspicious that many items may have: one warning with the count, at the first of them."""

    what: str
    """`{s}` is the plural's s."""
    next_step: str
    holds: Callable[[T], bool]


def _check_traits(items: Sequence[Item], traits: Iterable[Trait[Item]]) -> list[Problem]:
    problems = []
    for trait in traits:
        matching = [item for item in items if trait.holds(item)]
        if matching:
            count = f"{len(matching)} {trait.what.format(s='' if len(matching) == 1 else 's')}"
            what = f"{count}, the first here" if len(matching) > 1 else count
            problems.append(_warning(matching[0], what, trait.next_step))
    return problems


def _alternates(example: Example) -> bool:
    roles = [t.role for t in example.turns if t.role != "system"]
    return roles[0] == "user" and all(a != b for a, b in pairwise(roles))


def _in_turns(holds: Callable[[str], bool]) -> Callable[[Example], bool]:
    return lambda example: any(holds(t.content) for t in example.turns)


def _in_document(holds: Callable[[str], bool]) -> Callable[[Document], bool]:
    return lambda document: holds(document.title) or holds(document.text)


_TEXT_TRAITS: tuple[Trait[str], ...] = (
    Trait(
        "row{s} with the spelling of a control token, such as <|im_end|>",
        "harmless: data is encoded as plain characters; delete it if it is a leftover of a chat template",
        lambda text: _CONTROL_TOKEN.search(text) is not None,
    ),
    Trait(
        "row{s} with the replacement character U+FFFD",
        "letters were lost in a conversion: convert the original again, as UTF-8",
        lambda text: "\ufffd" in text,
    ),
    Trait(
        "row{s} with control characters",
        "delete them: they are leftovers of another format",
        lambda text: _CONTROL_CHARACTER.search(text) is not None,
    ),
)
_EXAMPLE_TRAITS: tuple[Trait[Example], ...] = (
    Trait(
        "target{s} with a space at the start or end",
        "strip them: the model learns the space too",
        lambda example: example.target != example.target.strip(),
    ),
    Trait(
        "answer{s} with the whole question at the start",
        "delete it there: it is learnt twice",
        lambda example: len(example.question) > 20 and example.target.strip().startswith(example.question.strip()),
    ),
    Trait(
        "row{s} where user and assistant do not alternate",
        "some chat templates refuse them: merge the turns",
        lambda example: not _alternates(example),
    ),
    *(Trait(t.what, t.next_step, _in_turns(t.holds)) for t in _TEXT_TRAITS),
)
_DOCUMENT_TRAITS: tuple[Trait[Document], ...] = (
    Trait(
        "document{s} shorter than five words",
        "lengthen or delete: a passage is found by its words",
        lambda document: count_words(document.text) < 5,
    ),
    *(Trait(t.what, t.next_step, _in_document(t.holds)) for t in _TEXT_TRAITS),
)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"


def _warning(item: Located, what: str, next_step: str) -> Problem:
    return item.problem(what, next_step, severity="warning")
