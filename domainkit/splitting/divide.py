"""Rows to train, dev and test, so that what is tested was not learnt.

Near-duplicates stay on one side by construction, and the result is checked by the leakage check of `compare`: what it
still finds is joined, and the rows are divided again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domainkit import progress
from domainkit.corpus.example import Example
from domainkit.corpus.kinds import RowKind
from domainkit.errors import ConfigError
from domainkit.evaluation.task import Sample
from domainkit.messages import JsonObject, Message
from domainkit.splitting.assign import DEV, PARTS, TEST, TRAIN, Cluster, assign_by_share, assign_by_time
from domainkit.splitting.clusters import Clusters, asked, near_duplicates
from domainkit.splitting.method import Method, choose_method, has_labels, labels_of
from domainkit.splitting.times import show
from domainkit.storage import sha256_json, sha256_lines
from domainkit.text.words import fold
from domainkit.verdict.leakage import find_leaks

CONVERSATION = "conversation_id"
"""The field of rows that are turns of one conversation: they stay together, however rows are divided."""
ROUNDS = 6
"""How often rows are divided again; after that, rows that leak are moved."""
OFF = 0.02
"""A part whose share differs by more than this from the share asked for is named."""

Progress = Callable[[str, int, int], None]
"""(name of the step, done, total)."""


@dataclass(frozen=True)
class Split:
    """The three parts, and how they were made."""

    examples: tuple[Example, ...]
    rows: tuple[JsonObject, ...]
    """One for each example, with all their fields."""
    parts: tuple[int, ...]
    """Of each row 0 (train), 1 (dev) or 2 (test)."""
    method: Method
    shares: tuple[float, float, float]
    """Of train, dev and test, as asked for."""
    seed: int
    clusters: int
    """Clusters of near-duplicates: two or more rows each."""
    clustered_rows: int
    """Rows in them."""
    notes: tuple[str, ...]
    """What a reader must know: sizes that could not be reached, the cut in time, rows without a group."""
    kind: RowKind = "examples"
    """Of the rows. Of a pair `examples` has the better answer."""

    @property
    def train(self) -> list[Example]:
        return self._part(TRAIN)

    @property
    def dev(self) -> list[Example]:
        return self._part(DEV)

    @property
    def test(self) -> list[Example]:
        return self._part(TEST)

    def _part(self, part: int) -> list[Example]:
        return [e for e, p in zip(self.examples, self.parts, strict=True) if p == part]

    @property
    def facts(self) -> JsonObject:
        """What split.json holds."""
        sizes = Counter(self.parts)
        return {
            "kind": self.kind,
            "by": self.method.by,
            "field": self.method.field or None,
            "why": self.method.why or "as asked for",
            "seed": self.seed,
            "shares": dict(zip(PARTS, self.shares, strict=True)),
            "rows": {name: sizes[part] for part, name in enumerate(PARTS)},
            "near_duplicate_clusters": self.clusters,
            "rows_in_clusters": self.clustered_rows,
            "notes": list(self.notes),
            "sha256": {"data": sha256_rows(self.rows)}
            | {
                name: sha256_rows([r for r, p in zip(self.rows, self.parts, strict=True) if p == part])
                for part, name in enumerate(PARTS)
                if sizes[part]
            },
        }


def sha256_rows(rows: Sequence[JsonObject]) -> str:
    """A hash of the rows' content, whatever their format and order."""
    return sha256_lines(sorted(sha256_json(row) for row in rows))


def split_rows(
    examples: Sequence[Example],
    rows: Sequence[JsonObject],
    *,
    by: str | None = None,
    field: str | None = None,
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    labels: Sequence[str] | None = None,
    on_progress: Progress | None = None,
) -> Split:
    """`domainkit.split` of rows in memory: `rows` are those that `examples` were read from, `shares` of train, dev and
    test, `labels` those of `choose_method`."""
    report = on_progress or progress.report
    labels = labels_of(examples) if labels is None else labels
    method = choose_method(examples, rows, by, field, labels)
    # In an order that the texts alone decide: nothing below depends on the order of the rows in their file.
    order = sorted(range(len(examples)), key=lambda i: (asked(examples[i]), examples[i].target, sha256_json(rows[i])))
    place = {i: at for at, i in enumerate(order)}
    texts = [asked(examples[i]) for i in order]
    report("near-duplicates", 0, len(texts))
    clusters = near_duplicates(texts)
    report("near-duplicates", len(texts), len(texts))
    sizes = [len(m) for m in clusters.members() if len(m) > 1]
    clusters.join_equal((place[i], ("key", key)) for i, key in method.keys)
    clusters.join_equal(
        (place[i], ("conversation", str(name)))
        for i, row in enumerate(rows)
        if (name := row.get(CONVERSATION)) not in (None, "")
    )
    divide = _Divider(
        [examples[i] for i in order],
        texts,
        method,
        shares,
        seed,
        times=[method.times[i] for i in order if method.times],
        labels=[labels[i] for i in order if labels],
    )
    parts = divide.without_leaks(clusters, report)
    final = tuple(parts[place[i]] for i in range(len(examples)))
    return Split(
        examples=tuple(examples),
        rows=tuple(rows),
        parts=final,
        method=method,
        shares=shares,
        seed=seed,
        clusters=len(sizes),
        clustered_rows=sum(sizes),
        notes=(*method.notes, *divide.notes(parts, clusters)),
    )


class _Divider:
    """Divides rows that stand in an order of their own."""

    def __init__(
        self,
        examples: Sequence[Example],
        texts: Sequence[str],
        method: Method,
        shares: tuple[float, float, float],
        seed: int,
        *,
        times: Sequence[float],
        labels: Sequence[str],
    ) -> None:
        self._labels = labels
        # A conversation is compared by all that was asked in it.
        self._flat = [
            Example(turns=(Message(role="user", content=t), Message(role="assistant", content=e.target)), id=str(i))
            for i, (t, e) in enumerate(zip(texts, examples, strict=True))
        ]
        self._samples = [
            Sample(id=str(i), input=t, target=e.target, references=(e.target,))
            for i, (t, e) in enumerate(zip(texts, examples, strict=True))
        ]
        self._method, self._shares, self._times = method, shares, times
        self._stratified = method.by not in ("time", "random") and bool(labels)
        self._ranks = [hashlib.sha256(f"{seed}\n{fold(t)}".encode()).hexdigest() for t in texts]

    def without_leaks(self, clusters: Clusters, report: Progress) -> list[int]:
        """The part of each row; the leakage check finds nothing between them. Raises ConfigError where every row would
        be in one part."""
        for done in range(ROUNDS):
            parts = self._divide(clusters)
            self._check_parts(parts, clusters)
            report("leakage between the parts", done, ROUNDS)
            pairs = list(self._leaks(parts))
            if not pairs:
                break
            clusters.join(pairs)
        else:
            parts = self._divide(clusters)
            while pairs := list(self._leaks(parts)):
                clusters.join(pairs)
                self._move(parts, clusters, pairs)
            self._check_parts(parts, clusters)
        report("leakage between the parts", ROUNDS, ROUNDS)
        return parts

    def _divide(self, clusters: Clusters) -> list[int]:
        made = [self._cluster(members) for members in clusters.members()]
        assign = assign_by_time if self._method.by == "time" else assign_by_share
        parts = [TRAIN] * len(self._samples)
        for cluster, part in zip(made, assign(made, self._shares), strict=True):
            for i in cluster.members:
                parts[i] = part
        return parts

    def _cluster(self, members: list[int]) -> Cluster:
        stratum = ""
        if self._stratified:
            counts = Counter(self._labels[i] for i in members)
            stratum = min(counts, key=lambda target: (-counts[target], target))
        time = max((self._times[i] for i in members), default=0.0) if self._times else 0.0
        return Cluster(members, min(self._ranks[i] for i in members), stratum, time)

    def _leaks(self, parts: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Pairs of rows on two sides of which one gives the other away."""
        flat = {p: [e for e, part in zip(self._flat, parts, strict=True) if part == p] for p in range(3)}
        learnt = has_labels(flat[TRAIN])
        for pool, tested in ((flat[TRAIN], TEST), (flat[DEV], TEST), (flat[TRAIN], DEV)):
            samples = [s for s, part in zip(self._samples, parts, strict=True) if part == tested]
            if pool and samples:
                leaks, _ = find_leaks(pool, samples, kind="label" if learnt else "answer", pairs=None)
                yield from ((int(p.test), int(p.source)) for leak in leaks if leak.counted for p in leak.pairs)

    def _move(self, parts: list[int], clusters: Clusters, pairs: Sequence[tuple[int, int]]) -> None:
        """Put each cluster of a leaking pair on one side: the side of training, but by time the newer one."""
        choose = max if self._method.by == "time" else min
        touched = {clusters.find(i) for i, _ in pairs}
        for members in clusters.members():
            if clusters.find(members[0]) in touched:
                part = choose(parts[i] for i in members)
                for i in members:
                    parts[i] = part

    def _check_parts(self, parts: Sequence[int], clusters: Clusters) -> None:
        if TRAIN not in parts or TEST not in parts:
            count = len(clusters.members())
            kept = {"time": "rows of one time", "document": "documents", "group": "groups"}.get(
                self._method.by, "inputs"
            )
            what = f"{len(parts):,} rows cannot be divided: near-duplicates and {kept} join them into {count}"
            next_step = (
                "add other rows" if count > 1 or self._method.by in ("label", "random") else "choose another --by"
            )
            raise ConfigError(what, next_step=next_step)

    def notes(self, parts: Sequence[int], clusters: Clusters) -> list[str]:
        """What could not be as asked, and where time was cut."""
        counts, rows, notes = Counter(parts), len(parts), []
        largest = max(len(m) for m in clusters.members())
        for part, name in enumerate(PARTS):
            share = counts[part] / rows
            if abs(share - self._shares[part]) > max(OFF, 1 / rows):
                why = (
                    f"the largest set of rows that stay together has {largest:,}"
                    if largest > 1
                    else "there are few rows"
                )
                notes.append(f"{name} has {share:.1%} of the rows, not {self._shares[part]:.1%}: {why}")
        if self._method.by == "time":
            notes += self._cut(parts)
        if self._stratified:
            untested = set(self._labels) - {t for t, part in zip(self._labels, parts, strict=True) if part == TEST}
            if untested:
                notes.append(
                    f"test has no row of {len(untested)} of {len(set(self._labels))} labels: they have too few rows"
                )
        return notes

    def _cut(self, parts: Sequence[int]) -> list[str]:
        times = {p: [t for t, part in zip(self._times, parts, strict=True) if part == p] for p in range(3)}
        before = max(t for p in (TRAIN, DEV) for t in times[p])
        older = sum(t <= before for t in times[TEST])
        newest = [t for t in times[TEST] if t > before]
        cut = f"train ends with {show(max(times[TRAIN]))}"
        cut += f", dev with {show(max(times[DEV]))}" if times[DEV] else ""
        cut += f"; test begins after it, at {show(min(newest))}, and ends with {show(max(newest))}" if newest else ""
        moved = f"{older:,} older row{'s stand' if older > 1 else ' stands'} in test, beside newer near-duplicates"
        return [cut, moved] if older else [cut]
