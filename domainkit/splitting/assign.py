"""Which cluster goes into which part: by share within each stratum, or by time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

TRAIN, DEV, TEST = 0, 1, 2
PARTS = ("train", "dev", "test")


class Cluster(NamedTuple):
    """What stays together."""

    members: list[int]
    rank: str
    """Its place in the order of chance, from the seed and its texts."""
    stratum: str = ""
    """The label of most of its rows, "" where parts are not stratified."""
    time: float = 0.0
    """The latest of its rows: nothing in train may be newer than the cut."""

    @property
    def size(self) -> int:
        return len(self.members)


def assign_by_share(clusters: Sequence[Cluster], shares: Sequence[float]) -> list[int]:
    """The part of each cluster, so that each stratum is divided by `shares` (train, dev, test) as nearly as can be.

    Large clusters choose first, each the part that lacks most; what a stratum leaves open is carried to the next. The
    first of a stratum goes to train: no label is in test alone.
    """
    strata: dict[str, list[int]] = defaultdict(list)
    for i, cluster in enumerate(clusters):
        strata[cluster.stratum].append(i)
    parts = [TRAIN] * len(clusters)
    carried = [0.0, 0.0, 0.0]
    limit = max(1.0, 2 * sum(c.size for c in clusters) / max(len(clusters), 1))
    for name in sorted(strata):
        chosen = sorted(strata[name], key=lambda i: (-clusters[i].size, clusters[i].rank))
        rows = sum(clusters[i].size for i in chosen)
        lacking = [open_ + share * rows for open_, share in zip(carried, shares, strict=True)]
        for place, i in enumerate(chosen):
            part = TRAIN if place == 0 else max((p for p in range(3) if shares[p]), key=lambda p: (lacking[p], p))
            parts[i] = part
            lacking[part] -= clusters[i].size
        # A label of one row leaves its share open; later labels must not pay for all of them.
        carried = [min(max(open_, -limit), limit) for open_ in lacking]
    return _without_empty(clusters, parts, shares)


def assign_by_time(clusters: Sequence[Cluster], shares: Sequence[float]) -> list[int]:
    """The part of each cluster: the oldest in train, then dev, the newest in test; equal times stay together."""
    order = sorted(range(len(clusters)), key=lambda i: (clusters[i].time, clusters[i].rank))
    sizes = [clusters[i].size for i in order]
    upto = [0]
    for size in sizes:
        upto.append(upto[-1] + size)
    cuts = [k for k in range(1, len(order)) if clusters[order[k]].time > clusters[order[k - 1]].time]
    parts = [TRAIN] * len(order)
    if not cuts:
        return parts
    rows = upto[-1]
    # Room for dev is kept, where it is wanted and there are three times.
    late = cuts[1:] if shares[DEV] and len(cuts) > 1 else cuts
    test = min(late, key=lambda k: (abs(rows - upto[k] - shares[TEST] * rows), -k))
    earlier = [k for k in cuts if k < test]
    dev = min(earlier, key=lambda k: (abs(upto[test] - upto[k] - shares[DEV] * rows), -k), default=test)
    if not shares[DEV]:
        dev = test
    for place, i in enumerate(order):
        parts[i] = TEST if place >= test else DEV if place >= dev else TRAIN
    return parts


def _without_empty(clusters: Sequence[Cluster], parts: list[int], shares: Sequence[float]) -> list[int]:
    """A part that is wanted and got nothing takes the smallest cluster of the part with most clusters."""
    for part in (TEST, DEV):
        if shares[part] and part not in parts:
            giver = max(range(3), key=parts.count)
            if parts.count(giver) > 1:
                given = [i for i, p in enumerate(parts) if p == giver]
                parts[min(given, key=lambda i: (clusters[i].size, clusters[i].rank))] = part
    return parts
