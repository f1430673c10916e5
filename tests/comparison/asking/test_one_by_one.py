"""A hosted model in a comparison, against a real server on loopback that counts what it is asked, and fails."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, compare
from domainkit.comparison.asking import one_by_one
from domainkit.results.answers import VariantResult
from tests.hosted_server import Hosted, hosted, question

LABELS = ("billing", "delivery", "refund")
N = 12


@pytest.fixture
def task(tmp_path: Path) -> Path:
    path = tmp_path / "test.jsonl"
    rows = [{"id": f"q{i}", "input": f"Number {i} ({LABELS[i % 3]})", "target": LABELS[i % 3]} for i in range(N)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    monkeypatch.setattr(one_by_one, "FIRST_WAIT", 0.01)
    with hosted(lambda body: json.dumps({"answer": next(w for w in LABELS if w in question(body))})) as made:
        yield made


def run(provider: Hosted, task: Path, out: Path, **options: Any) -> Results:
    given: dict[str, Any] = {"latency_items": 0, "models": {"gpt": provider.model()}, **options}
    return compare(task, ["zero-shot@gpt"], out, **given)


def of_gpt(results: Results) -> VariantResult:
    return next(v for v in results.variants if v.name == "zero-shot@gpt")


def score(results: Results) -> float | None:
    return of_gpt(results).metrics[results.task.primary_metric].value


def rows(out: Path) -> list[dict[str, Any]]:
    found = map(json.loads, (out / "rows.jsonl").read_text(encoding="utf-8").splitlines())
    return [row for row in found if row["variant"] == "zero-shot@gpt"]


def test_every_question_is_asked_once_at_most_so_many_at_once(provider: Hosted, task: Path, tmp_path: Path) -> None:
    provider.usage = {**(provider.usage or {}), "prompt_tokens_details": {"cached_tokens": 6}}
    three, reply = threading.Barrier(3), provider.reply

    def when_three_ask(body: dict[str, Any]) -> str:
        three.wait(60)
        return reply(body)

    provider.reply = when_three_ask
    results = run(provider, task, tmp_path / "run", concurrency=3)
    assert score(results) == 1.0
    assert sorted(Counter(provider.answered).values()) == [1] * N
    assert provider.most_at_once == 3
    row = rows(tmp_path / "run")[0]
    assert (row["prompt_tokens"], row["cached_tokens"], row["model_version"]) == (10, 6, "scripted-2026-01-01")
    assert row["asked"].endswith("Z")
    run(provider, task, tmp_path / "run")
    assert len(provider.bodies) == N


def test_what_fails_for_a_moment_is_asked_again(provider: Hosted, task: Path, tmp_path: Path) -> None:
    first: Counter[str] = Counter()
    faults: list[Any] = [(429, {"Retry-After": "0"}), (500, {}), (503, {}), "cut"]

    def once(body: dict[str, Any]) -> Any:
        first[question(body)] += 1
        return faults[len(first) % 4] if first[question(body)] == 1 else None

    provider.fault = once
    assert score(run(provider, task, tmp_path / "run")) == 1.0
    assert sorted(Counter(provider.answered).values()) == [1] * N, "none asked twice that was answered"
    assert len(provider.bodies) == 2 * N


@pytest.mark.parametrize(("status", "most"), [(401, 8), (400, 12), (500, 40)])
def test_what_fails_for_good_ends_the_variant(
    provider: Hosted, task: Path, tmp_path: Path, status: int, most: int
) -> None:
    # A refusal of all requests ends it where none was answered; a provider that is gone, also later.
    answers = 0 if status == 400 else 2
    provider.fault = lambda body: (status, {}) if len(provider.bodies) > answers else None
    results = run(provider, task, tmp_path / "run", concurrency=2)
    assert len(provider.bodies) <= most
    assert list(results.failed) == ["zero-shot@gpt"]
    assert f"fault {status}" in str(of_gpt(results).metrics[results.task.primary_metric].reason)
    provider.fault = lambda body: None
    assert score(run(provider, task, tmp_path / "run")) == 1.0
    assert sorted(Counter(provider.answered).values()) == [1] * N, "what was answered before counts"


def test_a_refused_question_among_others_is_one_error(provider: Hosted, task: Path, tmp_path: Path) -> None:
    provider.fault = lambda body: (400, {}) if "Number 7 " in question(body) else None
    results = run(provider, task, tmp_path / "run", concurrency=1)
    assert of_gpt(results).failures == 1
    assert len(provider.bodies) == N


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -3, "completion_tokens": 2, "total_tokens": -1}])
def test_wrong_usage_is_not_counted(provider: Hosted, task: Path, tmp_path: Path, usage: Any) -> None:
    provider.usage = usage
    run(provider, task, tmp_path / "run")
    assert {row["prompt_tokens"] for row in rows(tmp_path / "run")} == {None}


def test_refresh_asks_again_once_and_says_what_changed(
    provider: Hosted, task: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    run(provider, task, out)
    provider.version = "scripted-2026-02-02"
    provider.fault = lambda body: (401, {}) if len(provider.bodies) > N + 6 else None
    run(provider, task, out, refresh=True, concurrency=1)
    provider.fault = lambda body: None
    run(provider, task, out, refresh=True)
    assert set(Counter(provider.answered).values()) == {2}, "the refresh that was interrupted goes on"
    assert "changed" not in caplog.text
    provider.version = "scripted-2026-03-03"
    provider.fault = lambda body: (401, {}) if len(provider.answered) >= 2 * N + 6 else None
    run(provider, task, out, refresh=True, concurrency=1)
    run(provider, task, out)
    assert "changed between its answers: scripted-2026-03-03 (6 answers, 2" in caplog.text
    assert len(provider.answered) == 2 * N + 6, "the older answers stand where no newer ones came"


def test_a_stopped_run_keeps_what_is_under_way_and_asks_nothing_twice(
    provider: Hosted, task: Path, tmp_path: Path
) -> None:
    stopped = []

    def stop(name: str, done: int, total: int) -> None:
        if name == "zero-shot@gpt" and done and not stopped:
            stopped.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(provider, task, tmp_path / "run", on_progress=stop)
    assert len(rows(tmp_path / "run")) == len(provider.answered) < N
    assert score(run(provider, task, tmp_path / "run")) == 1.0
    assert sorted(Counter(provider.answered).values()) == [1] * N
