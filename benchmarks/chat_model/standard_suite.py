"""LangChain's standard suite on DomainLLM and on ChatHuggingFace: how many tests pass, fail and are skipped.

python -m benchmarks.chat_model.standard_suite

Both run the same suite with the same 135M base and at most 40 new tokens. The suite itself skips tests that do not
apply (images, PDFs) and tests of features that the model does not claim.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from benchmarks.chat_model.sides import INSTALL
from benchmarks.runs import save

ROOT = Path(__file__).parents[2]
SIDES = {"DomainLLM": "tests/llm/test_standard_suite.py", "ChatHuggingFace": "benchmarks/chat_model/peer_suite.py"}
PACKAGES = ("langchain-tests", "langchain-core", "langchain-huggingface", "transformers")


def main() -> None:
    sides = {}
    for name, file in SIDES.items():
        if name == "ChatHuggingFace" and importlib.util.find_spec("langchain_huggingface") is None:
            print(f"{name}: skipped, langchain-huggingface is not installed; next: {INSTALL}")
            continue
        sides[name] = counts(file)
        print(name, sides[name], flush=True)
    versions = {p: importlib.metadata.version(p) for p in PACKAGES}
    save(
        "standard_suite",
        {"command": "python -m benchmarks.chat_model.standard_suite", "sides": sides, "versions": versions},
    )


def counts(file: str, *options: str) -> dict[str, dict[str, int]]:
    """{"TestUnit" or "TestIntegration": {outcome: tests}}"""
    found: dict[str, Counter[str]] = {"TestUnit": Counter(), "TestIntegration": Counter()}
    for test in outcomes(file, *options):
        found[test.kind][test.outcome] += 1
    return {kind: dict(outcomes) for kind, outcomes in found.items()}


class Outcome(NamedTuple):
    """What came of one test."""

    kind: str
    """"TestUnit" or "TestIntegration"."""
    name: str
    outcome: str
    """passed, failed, skipped or xfailed."""
    reason: str
    """The first line of why; empty for a test that passed."""


def outcomes(file: str, *options: str) -> list[Outcome]:
    """Each test of a suite, run in a process of its own."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # The peer's warnings are not errors here. A failing suite is a result, not an error of the benchmark.
        command = [sys.executable, "-m", "pytest", "-q", "-W", "default", "-k", "TestUnit or TestIntegration"]
        subprocess.run([*command, f"--junitxml={report}", *options, file], cwd=ROOT, check=False)
        for case in ElementTree.parse(report).iter("testcase"):
            told = next((c for c in case if c.tag in ("failure", "error", "skipped")), None)
            outcome = "passed" if told is None else "skipped" if told.tag == "skipped" else "failed"
            if any(c.get("type") == "pytest.xfail" for c in case):
                outcome = "xfailed"
            reason = "" if told is None else (told.get("message") or "").strip().partition("\n")[0][:300]
            found.append(Outcome(str(case.get("classname")).rpartition(".")[2], str(case.get("name")), outcome, reason))
    return found


if __name__ == "__main__":
    main()
