"""Metrics in Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): counts, never
texts."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import psutil

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper limits in seconds."""
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters and histograms of one server. Only the loop's thread writes them."""

    def __init__(self) -> None:
        self._requests: Counter[Labels] = Counter()
        self._tokens: Counter[Labels] = Counter()
        self._seconds: dict[str, Histogram] = {}
        self._first: dict[str, Histogram] = {}

    def request(self, path: str, model: str, status: int, seconds: float) -> None:
        self._requests[("path", path), ("model", model), ("status", str(status))] += 1
        self._seconds.setdefault(path, Histogram()).add(seconds)

    def tokens(self, model: str, prompt: int, written: int) -> None:
        self._tokens[("model", model), ("kind", "prompt")] += prompt
        self._tokens[("model", model), ("kind", "completion")] += written

    def first_token(self, model: str, seconds: float) -> None:
        self._first.setdefault(model, Histogram()).add(seconds)

    def text(self, running: int) -> str:
        """The page that Prometheus reads; `running` requests are served now."""
        memory = psutil.Process().memory_info().rss
        lines = [
            *_head("domainkit_requests_total", "counter", "Requests that have ended; 499: the client left."),
            *(f"domainkit_requests_total{_labels(k)} {n}" for k, n in sorted(self._requests.items())),
            *_head("domainkit_tokens_total", "counter", "Tokens read and written."),
            *(f"domainkit_tokens_total{_labels(k)} {n}" for k, n in sorted(self._tokens.items())),
            *_head("domainkit_requests_running", "gauge", "Requests that run or wait."),
            f"domainkit_requests_running {running}",
            *_head("domainkit_request_seconds", "histogram", "From a request's first byte to its answer's last."),
            *_histograms("domainkit_request_seconds", "path", self._seconds),
            *_head("domainkit_first_token_seconds", "histogram", "From a stream's request to its first text."),
            *_histograms("domainkit_first_token_seconds", "model", self._first),
            *_head("process_resident_memory_bytes", "gauge", "Resident memory of the server's process."),
            f"process_resident_memory_bytes {memory}",
        ]
        return "\n".join(lines) + "\n"


class Histogram:
    """How often a value was at most each bucket's limit."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, int]]:
        """(limit, values up to it) for each bucket, the last without limit."""
        limits, total, found = [*(f"{b:g}" for b in BUCKETS), "+Inf"], 0, []
        for limit, count in zip(limits, self.counts, strict=True):
            total += count
            found.append((limit, total))
        return found


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _histograms(name: str, label: str, found: dict[str, Histogram]) -> list[str]:
    lines = []
    for value, histogram in sorted(found.items()):
        for limit, count in histogram.cumulative():
            lines.append(f"{name}_bucket{_labels(((label, value), ('le', limit)))} {count}")
        lines.append(f"{name}_sum{_labels(((label, value),))} {histogram.sum:.6f}")
        lines.append(f"{name}_count{_labels(((label, value),))} {sum(histogram.counts)}")
    return lines


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
