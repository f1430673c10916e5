"""examine(): everything that is likely wrong with the rows of a file, ranked. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domainkit import progress
from domainkit.clinic.confident_learning import LEAST_ROWS, out_of_fold, suspects
from domainkit.clinic.finding import Finding
from domainkit.clinic.findings_file import write_findings
from domainkit.clinic.languages import mostly_latin, others
from domainkit.clinic.near_duplicates import alike, contradictions, copies, opposites
from domainkit.clinic.outliers import outliers
from domainkit.clinic.personal_data.find import find_personal_data, placeholder, without_personal_data
from domainkit.clinic.row_texts import hash_of_rows, texts_of
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import Columns, ReadRows, read_with_rows
from domainkit.errors import MachineError
from domainkit.evaluation.classical import EMBEDDED, Vectors, choose_classical
from domainkit.messages import Message
from domainkit.retrieval.dense import sentence_vectors
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.splitting.clusters import Clusters, asked
from domainkit.splitting.method import has_labels
from domainkit.statistics.intervals import Array
from domainkit.text.words import fold

ORDER = ("personal data", "contradiction", "wrong label", "near-duplicate", "other language", "outlier", "rare label")
EMBEDDED_AT_MOST = 20_000
"""Rows that are embedded: some minutes on two cores."""
_SHOWN = 120
_SAME, _SPELLING, _OTHER_WORDS = 0.95, 0.8, 0.4
"""How sure it is that two questions are one: word for word, but for spelling, or with words of their own."""
_SURE_OF_ANSWERS = 0.3
"""Two answers to one question may both be good."""
_MANY_ANSWERS = 0.05
"""Where more rows than this have another answer to an earlier question, several answers are meant: they are counted
only."""

Progress = Callable[[str, int, int], None]
"""(name of the step, done, total)."""


@dataclass(frozen=True)
class Examination:
    """The findings, the surest of each kind first, and what could not be examined."""

    findings: tuple[Finding, ...]
    rows: int
    labels: bool
    """Whether targets are labels; free answers have no wrong labels."""
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Findings by kind."""
        counts: Counter[str] = Counter(f.kind for f in self.findings)
        return {kind: counts[kind] for kind in ORDER if counts[kind]}

    def write(self, path: str | Path) -> None:
        """Write all findings, as JSON Lines or CSV, to be accepted or not, and given to `fix`."""
        write_findings(self.findings, Path(path))


def examine(data: object, *, columns: Columns | None = None, on_progress: Progress | None = None) -> Examination:
    """Look at each row of a file of examples, pairs or marked answers: personal data, contradictions, likely wrong
    labels, near-duplicates, other languages, outliers and rare labels. `columns` as in `read_examples`. Raises
    DataError for rows that cannot be read."""
    return _Clinic(read_with_rows(data, columns), on_progress or progress.report).examine()


class _Clinic:
    """One file's rows under examination."""

    def __init__(self, read: ReadRows, report: Progress) -> None:
        self._kind, self._marks = read.kind, read.marks
        self._examples, self._rows, self._report = read.examples, read.rows, report
        self._questions = [asked(e) for e in read.examples]
        self._targets = [e.target for e in read.examples]
        self._labels = read.kind == "examples" and has_labels(read.examples)
        self._data = hash_of_rows(read.rows)
        self._notes: list[str] = []

    def examine(self) -> Examination:
        self._report("near-duplicates", 0, len(self._rows))
        clusters = alike(self._questions)
        self._report("near-duplicates", len(self._rows), len(self._rows))
        vectors = self._vectors()
        probable = self._probable(clusters, vectors) if self._labels else {}
        contradictory = self._contradictions(clusters, probable) if self._kind == "examples" else self._opposites()
        findings = [*self._personal(), *contradictory, *self._copies(clusters)]
        contradicted = {f.row for f in findings if f.kind == "contradiction" and f.action}
        findings += [f for f in probable.values() if f.row not in contradicted]
        findings += [*self._languages(), *self._outliers(vectors), *self._rare()]
        findings.sort(key=lambda f: (ORDER.index(f.kind), -f.sure))
        return Examination(tuple(findings), len(self._rows), self._labels, tuple(self._notes))

    def _finding(
        self, kind: str, row: int, sure: float, reason: str, suggestion: str, action: str = "", value: str = ""
    ) -> Finding:
        text = without_personal_data(" ".join(self._questions[row].split()))
        return Finding.model_validate(
            {
                "kind": kind,
                "place": self._examples[row].source,
                "row": row + 1,
                "reason": reason,
                "suggestion": suggestion,
                "sure": round(min(max(sure, 0.0), 1.0), 3),
                "action": action,
                "value": value,
                "text": text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…",
                "data": self._data,
            }
        )

    # ---- the kinds ---------------------------------------------------------------------------------------------------

    def _personal(self) -> Iterator[Finding]:
        for i, row in enumerate(self._rows):
            if i % 1000 == 0:
                self._report("personal data", i, len(self._rows))
            found: dict[str, list[tuple[float, str]]] = {}
            for name, text in texts_of(row):
                for one in find_personal_data(text):
                    found.setdefault(one.kind, []).append((one.sure, f"{one.masked} in '{name}'"))
            for kind, values in found.items():
                shown = ", ".join(dict.fromkeys(where for _, where in values[:3]))
                count = f"{len(values)} × " if len(values) > 1 else ""
                suggestion = f"replace it by {placeholder(kind)}: what is learnt can be said again"
                yield self._finding(
                    "personal data", i, max(values)[0], f"{count}{kind}: {shown}", suggestion, "mask", kind
                )
        self._report("personal data", len(self._rows), len(self._rows))

    def _probable(self, clusters: Clusters, vectors: Array | None) -> dict[int, Finding]:
        """A finding for each row whose label is likely wrong, by row."""
        together = [clusters.find(i) for i in range(len(self._rows))]
        # Labels that differ in case or marks are one label; the spelling of most rows stands for it.
        spelling = {fold(t): t for t, _ in reversed(Counter(self._targets).most_common())}
        labels = [fold(t) for t in self._targets]
        rows = dict(zip(self._questions, vectors, strict=True)) if vectors is not None else {}

        def embed(texts: Sequence[str]) -> Array:
            return np.stack([rows[text] for text in texts])

        given = Vectors(embed, embed) if rows else Vectors()
        self._report("likely wrong labels", 0, 1)
        chosen = choose_classical("label", self._flat(labels), given, lambda a, b: float(a == b))
        model = EMBEDDED if rows and "embeddings" in chosen.name else chosen.name
        names, probabilities = out_of_fold(
            self._questions,
            labels,
            together,
            given,
            model,
            lambda done, of: self._report("likely wrong labels", done, of),
        )
        few = sum(count < LEAST_ROWS for count in Counter(labels).values())
        if few:
            self._notes.append(
                f"rows of {few} labels with fewer than {LEAST_ROWS} rows are not judged for wrong labels"
            )
        return {
            s.row: self._finding(
                "wrong label",
                s.row,
                1 - s.given,
                f"a model that did not see the row gives '{_short(self._targets[s.row])}' {s.given:.0%} and "
                f"'{_short(spelling[s.label])}' {s.other:.0%}",
                f"'{_short(spelling[s.label])}', if you agree",
                "relabel",
                spelling[s.label],
            )
            for s in suspects(labels, names, probabilities)
        }

    def _flat(self, labels: Sequence[str]) -> list[Example]:
        """The rows as question and label, which is what models of labels read."""
        return [
            Example(turns=(Message(role="user", content=q), Message(role="assistant", content=label)))
            for q, label in zip(self._questions, labels, strict=True)
        ]

    def _contradictions(self, clusters: Clusters, probable: dict[int, Finding]) -> Iterator[Finding]:
        found = list(contradictions(clusters, self._questions, self._targets, labels=self._labels))
        if not self._labels and len(found) > _MANY_ANSWERS * len(self._rows):
            what = f"{len(found):,} rows have another answer to the question of an earlier row"
            self._notes.append(f"{what}: right if a question has several good answers, and not listed")
            return
        for c in found:
            question, sure = _comparison(c.differing)
            other, own = _short(self._targets[c.other]), _short(self._targets[c.row])
            reason = f"{question} as {self._examples[c.other].source}, which has the target '{other}', not '{own}'"
            if not self._labels:
                suggestion = "right if both answers are good; else keep one"
                yield self._finding("contradiction", c.row, _SURE_OF_ANSWERS, reason, suggestion)
                continue
            value = c.majority or (probable[c.row].value if c.row in probable else "")
            by = f"{c.share:.0%} of these rows have it" if c.majority else "a model that did not see the row says so"
            suggestion = f"'{value}': {by}" if value else "decide which is right, and correct the other"
            action = "relabel" if value else ""
            yield self._finding("contradiction", c.row, sure, reason, suggestion, action, value)

    def _opposites(self) -> Iterator[Finding]:
        pairs = self._kind == "pairs"
        for i, earlier in opposites(self._questions, self._targets, self._marks, pairs=pairs):
            what = "the better answer is the worse one" if pairs else f"the same answer is not {self._marks[i]}"
            reason = f"the same question, where {what} at {self._examples[earlier].source}"
            yield self._finding("contradiction", i, _SAME, reason, "decide which is right; delete the other", "delete")

    def _copies(self, clusters: Clusters) -> Iterator[Finding]:
        marks = self._marks or [""] * len(self._targets)
        said = [f"{t}\n{mark}" for t, mark in zip(self._targets, marks, strict=True)]
        answer = "target" if self._kind == "examples" else "answers" if self._kind == "pairs" else "marked answer"
        for c in copies(clusters, self._questions, said):
            question, sure = _comparison(c.differing)
            reason = f"{question} and the same {answer} as {self._examples[c.earlier].source}"
            suggestion = "delete it, unless it is to count twice; `domainkit split` keeps both on one side"
            yield self._finding("near-duplicate", c.row, sure, reason, suggestion, "delete")

    def _languages(self) -> Iterator[Finding]:
        seen: set[int] = set()
        for noun, texts in (("question", self._questions), ("target", [] if self._labels else self._targets)):
            most, found = others(texts)
            for i, guess in found.items():
                if i not in seen:
                    seen.add(i)
                    suggestion = "leave it in if the task has several languages; else translate or delete it"
                    yield self._finding(
                        "other language",
                        i,
                        guess.sure,
                        f"the {noun} looks {guess.name}; most look {most}",
                        suggestion,
                        "delete",
                    )

    def _outliers(self, vectors: Array | None) -> Iterator[Finding]:
        if vectors is None:
            return
        for o in outliers(vectors, lambda done, of: self._report("outliers", done, of)):
            usual = f"cosine {o.cosine:.2f} with the nearest five, where {o.median:.2f} is usual"
            reason = f"far from all other questions: {usual}"
            suggestion = "look at it: a question of another task, or one that needs more rows like it"
            yield self._finding("outlier", o.row, 1 - 1 / o.deviations, reason, suggestion, "delete")

    def _rare(self) -> Iterator[Finding]:
        if not self._labels:
            return
        counts = Counter(self._targets)
        for i, target in enumerate(self._targets):
            count = counts.pop(target, 0)  # said once, at its first row
            if 0 < count < LEAST_ROWS:
                rows = f"{count} row{'s' if count > 1 else ''}"
                reason = f"the label '{_short(target)}' has {rows}"
                yield self._finding("rare label", i, 1.0, reason, "add rows, or join it with another label")

    def _vectors(self) -> Array | None:
        model = MiniLMEmbeddings()
        try:
            model.resolve()
        except MachineError as e:
            self._notes.append(f"no sentence embeddings, so no outliers: {e.what} ({e.next_step})")
            return None
        if len(self._questions) > EMBEDDED_AT_MOST:
            what = f"{len(self._questions):,} rows are more than the {EMBEDDED_AT_MOST:,} that are embedded"
            self._notes.append(f"{what}: no outliers, and wrong labels by TF-IDF alone")
            return None
        if not mostly_latin(self._questions):
            self._notes.append("most letters are not Latin, which the embedding model cannot read: no outliers")
            return None
        self._report("sentence embeddings", 0, len(self._questions))
        vectors = sentence_vectors(self._questions, model)
        self._report("sentence embeddings", len(self._questions), len(self._questions))
        return vectors


def _comparison(differing: tuple[str, ...] | None) -> tuple[str, float]:
    """How alike two questions are, in words and as a number."""
    if differing is None:
        return "the same question", _SAME
    if not differing:
        return "nearly the same question", _SPELLING
    names = ", ".join(f"'{w}'" for w in differing[:4])
    return f"nearly the same question (one alone has {names})", _OTHER_WORDS


def _short(text: str, most: int = 60) -> str:
    text = without_personal_data(" ".join(text.split()))
    return text if len(text) <= most else f"{text[:most]}…"
