"""Peak memory and time of answering many few-shot prompts at once, on the packaged model.

python -m benchmarks.engine.answering [--questions 40] [--name answering]

Two kinds of prompts: all with the same 24 examples, so that they begin alike (few-shot), and each with its own
(nearest neighbours), so that none of a prompt can be shared. Memory is that of the whole process (RSS), read every
twentieth of a second. To compare two versions, run it in turn in both.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.runs import save
from domainkit.inference.backend import Request
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message

SAMPLE = Path(__file__).parents[2] / "examples" / "tallowmere"
EXAMPLES = 24
MIB = 2**20


class Peak:
    """The largest resident memory of this process while the block runs."""

    def __enter__(self) -> Peak:
        self.bytes, self._on = 0, True
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._on = False
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while self._on:
            self.bytes = max(self.bytes, process.memory_info().rss)
            time.sleep(0.05)


def rows_of(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (SAMPLE / name).read_text(encoding="utf-8").splitlines()]


def requests(questions: list[dict[str, str]], *, alike: bool) -> list[Request]:
    examples, rng = rows_of("routing_train.jsonl"), random.Random(0)
    fixed, found = rng.sample(examples, EXAMPLES), []
    for question in questions:
        shots = fixed if alike else rng.sample(examples, EXAMPLES)
        system = "\n\n".join(["Answer with the label.", *(f"{e['input']}\nLabel: {e['target']}" for e in shots)])
        found.append(Request((Message("system", system), Message("user", question["input"])), max_tokens=16))
    return found


def answered(backend: LocalBackend, asked: list[Request]) -> dict[str, Any]:
    begin, used = time.perf_counter(), time.process_time()
    with Peak() as peak:
        answers = backend.complete(asked)
    runner: Any = backend.engine().runner
    return {
        "peak_mib": round(peak.bytes / MIB),
        "seconds": round(time.perf_counter() - begin, 1),
        "processor_seconds": round(time.process_time() - used, 1),
        "prompt_tokens": sum(a.prompt_tokens for a in answers) // len(answers),
        "slots_and_columns_at_the_end": [runner.cache.n_slots, runner.cache.n_columns],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--name", default="answering", help="of the file in benchmarks/results/")
    args = parser.parse_args()
    questions = rows_of("routing_test.jsonl")[: args.questions]
    backend = LocalBackend("builtin:smollm2-135m", None, "none", "cpu")
    backend.complete([Request((Message("user", "hello"),), max_tokens=1)])
    figures: dict[str, Any] = {"loaded_mib": round(psutil.Process().memory_info().rss / MIB)}
    for name, alike in (("few-shot", True), ("nearest neighbours", False)):
        figures[name] = answered(backend, requests(questions, alike=alike))
        print(name, figures[name], flush=True)
    backend.close()
    save(args.name, {"questions": args.questions, **figures})


if __name__ == "__main__":
    main()
