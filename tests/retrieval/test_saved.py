"""Saved indexes: read when whole, rebuilt when damaged, never in the way."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from domainkit.retrieval.dense import Vectors
from domainkit.retrieval.saved import index_folder, saved

CONTENTS = {"kind": "dense", "texts": ["a"]}


class Counted:
    """Builds the same vectors and counts how often."""

    times = 0

    def __call__(self) -> Vectors:
        self.times += 1
        return Vectors(np.eye(2, dtype=np.float32))


def test_the_second_time_it_is_read() -> None:
    build = Counted()
    first, second = (saved(CONTENTS, build, Vectors.load) for _ in range(2))
    assert build.times == 1
    assert np.array_equal(first.rows, second.rows)


def damage(folder: Path, how: str) -> None:
    match how:
        case "cut":
            (folder / "vectors.npy").write_bytes((folder / "vectors.npy").read_bytes()[:-3])
        case "flipped":
            data = bytearray((folder / "vectors.npy").read_bytes())
            data[-1] ^= 1
            (folder / "vectors.npy").write_bytes(bytes(data))
        case "gone":
            (folder / "vectors.npy").unlink()
        case "no card":
            (folder / "index.json").unlink()
        case "card":
            (folder / "index.json").write_text("{")
        case "format":
            (folder / "index.json").write_text(json.dumps({"format": "other", "files": {}}))
        case "list":
            (folder / "index.json").write_text("[]")


@pytest.mark.parametrize("how", ["cut", "flipped", "gone", "no card", "card", "format", "list"])
def test_a_damaged_index_is_built_again_and_whole_after(how: str) -> None:
    build = Counted()
    saved(CONTENTS, build, Vectors.load)
    damage(index_folder(CONTENTS), how)
    for _ in range(2):
        assert np.array_equal(saved(CONTENTS, build, Vectors.load).rows, np.eye(2))
    assert build.times == 2


def test_a_cache_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(saved(CONTENTS, Counted(), Vectors.load).rows, np.eye(2))
    assert "index not saved" in caplog.text


def test_nothing_saved_is_a_pickle() -> None:
    saved(CONTENTS, Counted(), Vectors.load)
    with pytest.raises(ValueError, match="pickle"):
        np.save(index_folder(CONTENTS) / "x.npy", np.array([object()]), allow_pickle=False)
    rows = np.load(index_folder(CONTENTS) / "vectors.npy", allow_pickle=False)
    assert rows.dtype == np.float32
