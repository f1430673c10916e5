"""Everything wrong or suspicious in a data file, before any training."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.chunk import count_words
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.corpus.examples import looks_like_examples, scan_examples
from domainkit.corpus.fold import fold
from domainkit.corpus.readers import READERS, scan_documents
from domainkit.corpus.rows import place, scan_rows
from domainkit.corpus.split import targets_repeat
from domainkit.errors import Problem

FEW_EXAMPLES = 10
LONG_WORDS = 1000
"""An input or target is called extreme past this many words and ten times the median."""

Item = TypeVar("Item", Example, Document)

_CONTROL_TOKEN = re.compile(r"<\|[^|<>\s]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<bos>|<eos>")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Summary(BaseModel):
    """A data file's sound rows in numbers. For examples, words and lengths are those of the whole conversation."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["examples", "documents"]
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
        longest = f", the longest {self.longest_words:,} at {self.longest_at}" if self.longest_at else ""
        return f"{self.rows:,} {self.kind}{targets}; {self.words:,} words, {self.mean_words:.1f} on average{longest}"


def check(path: str | Path, task: str | Path | None = None) -> list[Problem]:
    """Every error and warning of a file of examples or documents, in order of lines.

    With `task`, a test file, also each row whose question is in it. Bad data never raises: it is what the list is for.
    """
    path = Path(path)
    if holds_documents(path):
        documents, problems = scan_documents(path)
        problems += _check_documents(documents)
    else:
        examples, problems = scan_examples(path)
        problems += _check_examples(path, examples)
        if task is not None:
            problems += _check_leak(examples, Path(task))
    return sorted(problems, key=lambda p: (p.path, p.line or 0, p.severity))


def summary(path: str | Path) -> Summary:
    """The numbers of the file's sound rows; 0 rows for a file that has none."""
    path = Path(path)
    items: Sequence[Document | Example]
    if holds_documents(path):
        items, targets = scan_documents(path)[0], None
        lengths = [count_words(d.text) for d in items]
    else:
        items = scan_examples(path)[0]
        targets = len({fold(e.target) for e in items})
        lengths = [sum(count_words(t.content) for t in e.turns) for e in items]
    longest = max(range(len(lengths)), key=lengths.__getitem__, default=None)
    return Summary(
        kind="examples" if targets is not None else "documents",
        rows=len(items),
        distinct_targets=targets,
        words=sum(lengths),
        mean_words=sum(lengths) / len(lengths) if lengths else 0.0,
        longest_words=0 if longest is None else lengths[longest],
        longest_at="" if longest is None else items[longest].source,
    )


def holds_documents(path: Path) -> bool:
    """Whether `path` is documents rather than examples: a folder, a text file, or rows of {"text"}."""
    if path.is_dir() or path.suffix.lower() in set(READERS) - {".jsonl"}:
        return True
    return path.is_file() and not looks_like_examples(scan_rows(path)[0])


def _check_examples(path: Path, examples: Sequence[Example]) -> list[Problem]:
    problems = [*_check_repeats(examples), *_check_spellings(examples), *_check_lengths(examples)]
    traits: list[tuple[str, str, Callable[[Example], bool]]] = [
        ("target{s} with a space at the start or end", "strip them: the model learns the space too", _spaced),
        (
            "row{s} where user and assistant do not alternate",
            "some chat templates refuse them: merge the turns",
            _stutters,
        ),
        *((what, cure, _in_turns(found)) for what, cure, found in _TEXT_TRAITS),
    ]
    problems += _shared_traits(examples, traits)
    if 0 < len(examples) < FEW_EXAMPLES:
        what = f"only {len(examples)} sound example{'s' if len(examples) > 1 else ''}"
        problems.append(_warning(str(path), None, what, "a tune needs some dozens; prompting needs none"))
    elif examples and len({fold(e.target) for e in examples}) == 1:
        what = f"every target is '{_short(examples[0].target)}'"
        problems.append(_warning(str(path), None, what, "there is nothing to tell apart: add rows with other targets"))
    return problems


def _check_documents(documents: Sequence[Document]) -> list[Problem]:
    problems = []
    first: dict[str, str] = {}
    for document in documents:
        seen = first.setdefault(fold(f"{document.title}\n{document.text}"), document.source)
        if seen != document.source:
            problems.append(_at(document.source, f"the same as {seen}", "keep one: copies crowd out other passages"))
    traits: list[tuple[str, str, Callable[[Document], bool]]] = [
        ("document{s} shorter than five words", "a passage needs a sentence to be found by", _tiny),
        *((what, cure, _in_document(found)) for what, cure, found in _TEXT_TRAITS),
    ]
    return problems + _shared_traits(documents, traits)


def _check_leak(examples: Sequence[Example], task: Path) -> list[Problem]:
    rows, problems = scan_rows(task)
    asked = {fold(e.question): e.source for e in reversed(scan_examples(task)[0])}
    # Rows that are samples but not examples (no single target) still ask their input.
    for line, row in reversed(rows):
        if isinstance(row.get("input"), str):
            asked[fold(row["input"])] = f"{task}:{line}"
    for example in examples:
        tested = asked.get(fold(example.question))
        if tested:
            cure = "delete it here or there: a model is not tested on what it was taught"
            problems.append(_at(example.source, f"the input is also in the test file ({tested})", cure, "error"))
    return problems


def _check_repeats(examples: Sequence[Example]) -> list[Problem]:
    """Rows that repeat an earlier one, and inputs with two targets; free answers may have several: counted only."""
    problems, differing = [], []
    first: dict[str, Example] = {}
    labels = targets_repeat(examples)
    for example in examples:
        earlier = first.setdefault("\n".join(f"{t.role}:{fold(t.content)}" for t in example.prompt), example)
        if earlier is example:
            continue
        line = place(earlier.source)[1]
        if fold(earlier.target) == fold(example.target):
            problems.append(
                _at(example.source, f"the same row as line {line}", "delete one, unless it is to count twice")
            )
        elif labels:
            what = f"the same input as line {line} with another target"
            what += f" ('{_short(earlier.target)}' there, '{_short(example.target)}' here)"
            problems.append(_at(example.source, what, "keep the right one"))
        else:
            differing.append(example)
    if differing:
        what = f"{len(differing)} row{'s' if len(differing) > 1 else ''} with another target for an earlier input, the first here"
        problems.append(_at(differing[0].source, what, "right if an input has several good answers; else keep one"))
    return problems


def _check_spellings(examples: Sequence[Example]) -> list[Problem]:
    """Targets that differ in case, spaces or punctuation only: a label task would count them as different labels."""
    problems = []
    spelt: dict[str, dict[str, str]] = {}
    for example in examples:
        spellings = spelt.setdefault(fold(example.target), {})
        if example.target not in spellings and spellings:
            known, source = next(iter(spellings.items()))
            what = f"the target '{_short(example.target)}' is written '{_short(known)}' on line {place(source)[1]}"
            problems.append(_at(example.source, what, "write it one way"))
        spellings.setdefault(example.target, example.source)
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
                problems.append(_at(example.source, what, "it may exceed the base's context: shorten or split it"))
    return problems


_TEXT_TRAITS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    (
        "row{s} with the spelling of a control token, such as <|im_end|>",
        "harmless: data is encoded as plain characters; delete it if it is a leftover of a chat template",
        lambda text: _CONTROL_TOKEN.search(text) is not None,
    ),
    (
        "row{s} with the replacement character U+FFFD",
        "letters were lost in a conversion: convert the original again, as UTF-8",
        lambda text: "\ufffd" in text,
    ),
    (
        "row{s} with control characters",
        "delete them: they are leftovers of another format",
        lambda text: _CONTROL_CHARACTER.search(text) is not None,
    ),
)


def _shared_traits(items: Sequence[Item], traits: Iterable[tuple[str, str, Callable[[Item], bool]]]) -> list[Problem]:
    """One warning for each trait, at the first item that has it, with the count."""
    problems = []
    for what, cure, holds in traits:
        having = [item for item in items if holds(item)]
        if having:
            count = f"{len(having)} {what.format(s='' if len(having) == 1 else 's')}"
            problems.append(_at(having[0].source, f"{count}, the first here" if len(having) > 1 else count, cure))
    return problems


def _spaced(example: Example) -> bool:
    return example.target != example.target.strip()


def _stutters(example: Example) -> bool:
    roles = [t.role for t in example.turns if t.role != "system"]
    return roles[0] != "user" or any(a == b for a, b in pairwise(roles))


def _tiny(document: Document) -> bool:
    return count_words(document.text) < 5


def _in_turns(found: Callable[[str], bool]) -> Callable[[Example], bool]:
    return lambda example: any(found(t.content) for t in example.turns)


def _in_document(found: Callable[[str], bool]) -> Callable[[Document], bool]:
    return lambda document: found(document.title) or found(document.text)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"


def _at(source: str, what: str, next_step: str, severity: Literal["error", "warning"] = "warning") -> Problem:
    path, line = place(source)
    return Problem(path, line, what, next_step, severity)


def _warning(path: str, line: int | None, what: str, next_step: str) -> Problem:
    return Problem(path, line, what, next_step, severity="warning")
