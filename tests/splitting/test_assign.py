"""Parts by share and by time: each stratum divided, clusters whole."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domainkit.splitting.assign import DEV, TEST, TRAIN, Cluster, assign_by_share, assign_by_time

SHARES = (0.7, 0.1, 0.2)


def singles(count: int, stratum: str) -> list[Cluster]:
    return [Cluster([i], f"{stratum}{i:03}", stratum) for i in range(count)]


def test_each_label_is_divided_and_what_is_left_is_carried() -> None:
    clusters = [c for label in "abcdefgh" for c in singles(4, label)] + singles(40, "large")
    parts = assign_by_share(clusters, SHARES)
    counts = Counter(parts)
    assert [counts[p] for p in (TRAIN, DEV, TEST)] == [50, 7, 15]  # of 50.4, 7.2 and 14.4
    of_large = Counter(p for c, p in zip(clusters, parts, strict=True) if c.stratum == "large")
    assert of_large[TEST] in (7, 8, 9)


def test_a_label_of_one_row_is_learnt() -> None:
    clusters = [Cluster([i], str(i), f"label {i}") for i in range(30)] + singles(10, "other")
    parts = assign_by_share(clusters, SHARES)
    assert set(parts[:30]) == {TRAIN}
    assert Counter(parts[30:])[TEST] <= 5


@given(st.lists(st.integers(1, 30), min_size=3, max_size=20), st.integers(0, 9))
def test_no_part_is_empty_where_clusters_suffice(sizes: list[int], seed: int) -> None:
    clusters = [Cluster(list(range(size)), f"{(i * 7 + seed) % 23:02}{i}") for i, size in enumerate(sizes)]
    assert set(assign_by_share(clusters, SHARES)) == {TRAIN, DEV, TEST}


def test_time_is_cut_where_it_changes() -> None:
    times = [1, 1, 1, 1, 2, 2, 3, 3, 3, 4]
    clusters = [Cluster([i], str(i), "", time) for i, time in enumerate(times)]
    assert assign_by_time(clusters, SHARES) == [TRAIN] * 6 + [DEV] * 3 + [TEST]
    assert assign_by_time(clusters, (0.8, 0.0, 0.2)) == [TRAIN] * 9 + [TEST]
    assert assign_by_time(clusters[:4], SHARES) == [TRAIN] * 4
