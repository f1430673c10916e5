"""The counts of a suite's outcomes."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chat_model.standard_suite import counts
from benchmarks.chat_model.tables import standard_suite

SUITE = """\
import pytest

class TestUnit:
    def test_a(self): pass
    @pytest.mark.parametrize("n", [1, 2])
    def test_b(self, n): assert n == 1

class TestIntegration:
    def test_a(self): pytest.skip("no pictures")
    @pytest.mark.xfail(reason="small")
    def test_b(self): assert False
    @pytest.fixture
    def broken(self): raise OSError
    def test_c(self, broken): pass

def test_of_our_own(): pass
"""


def test_outcomes_are_counted_by_class(tmp_path: Path) -> None:
    file = tmp_path / "test_suite.py"
    file.write_text(SUITE, encoding="utf-8")
    found = counts(str(file))
    assert found == {
        "TestUnit": {"passed": 2, "failed": 1},
        "TestIntegration": {"skipped": 1, "xfailed": 1, "failed": 1},
    }
    row = standard_suite({"sides": {"Model": found}}).splitlines()[-1]
    assert row == "| Model | 2 passed, 1 failed of 3 | 1 failed, 1 xfailed, 1 skipped of 3 |"
