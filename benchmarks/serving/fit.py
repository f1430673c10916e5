"""A whole `compare --fit --server` against a server process: killed in the middle, resumed, and nothing asked twice.

python -m benchmarks.serving.fit [--base tiny] [--train-rows 64] [--questions 20] [--kill-at 30] [--work FOLDER]

`domainkit serve` is one process, `domainkit compare` another: it trains, has the server load the adapter, and asks
there. A proxy between them counts each question. After `--kill-at` answers the comparison is killed (SIGKILL) and
started again, then once more when it is finished. At last the same comparison answers in its own process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from benchmarks.runs import domainkit, plain, save
from benchmarks.serving.server import serving
from domainkit.results.schema import Results
from tests.conftest import build_tiny_base

EXAMPLES = Path(__file__).parents[2] / "examples" / "tallowmere"
CHAT = "/v1/chat/completions"
VARIANTS = "zero-shot,few-shot,tuned"
PATIENCE = 900.0
"""Seconds for one answer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="tiny", help="or builtin:smollm2-135m")
    parser.add_argument("--train-rows", type=int, default=64)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--kill-at", type=int, default=30, help="answers")
    parser.add_argument("--work", type=Path, help="left out, a folder that is deleted")
    parser.add_argument("--dry", action="store_true", help="write no results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        facts = whole(work, args)
    print(json.dumps(facts, indent=1))
    if not args.dry:
        save("served_fit", facts)


def whole(work: Path, args: argparse.Namespace) -> dict[str, Any]:
    base = str(build_tiny_base(work / "tiny")) if args.base == "tiny" else args.base
    run, adapters = work / "run", work / "run" / "adapters"
    adapters.mkdir(parents=True, exist_ok=True)
    train, task = work / "train.jsonl", work / "test.jsonl"
    train.write_text(_head("routing_train.jsonl", args.train_rows), encoding="utf-8")
    task.write_text(_head("routing_test.jsonl", args.questions), encoding="utf-8")
    common = ["--fit", "--base", base, "--train", str(train), "--task", str(task), "--kind", "label"]
    common += ["--variants", VARIANTS, "fit.epochs=1", "latency_items=0"]
    with serving("--base", base, "--adapters", adapters) as (address, _), counting(address) as proxy:
        command = domainkit("compare", *common, "--server", proxy.url, "--out", run)
        killed = killed_at(command, proxy, args.kill_at)
        first, kept = proxy.counts(), answers_in(run)
        subprocess.run(command, check=True)
        second = proxy.counts()
        subprocess.run(command, check=True)
        asked = proxy.counts()
    here = work / "here"
    subprocess.run([*domainkit("compare", *common, "--out", here)], check=True)
    twice = [count for count in second.values() if count > 1]
    return {
        "command": plain(command, WORK=work).replace(proxy.url, "http://127.0.0.1:PORT"),
        "base": Path(base).name,
        "questions_by_variants": args.questions * 3,
        "answered_when_killed": killed,
        "on_disk_when_killed": kept,
        "asked_before": sum(first.values()),
        "asked_after": sum(second.values()) - sum(first.values()),
        "asked_twice": len(twice),
        "asked_twice_of_those_on_disk": max(0, len(twice) - (sum(first.values()) - kept)),
        "asked_by_the_finished_run": sum(asked.values()) - sum(second.values()),
        "same_texts_as_in_this_process": same_texts(run, here),
    }


def answers_in(run: Path) -> int:
    """Of the server: the variants without a language model answer in the process."""
    lines = (run / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(json.loads(line)["variant"] in VARIANTS.split(",") for line in lines)


def killed_at(command: list[str], proxy: Proxy, answers: int) -> int:
    """Start the comparison, and kill it when the proxy has passed so many answers on; how many those were."""
    with subprocess.Popen(command) as process:
        while proxy.answered < answers:
            if process.poll() is not None:
                sys.exit(f"the comparison ended with {process.returncode} after {proxy.answered} answers")
            time.sleep(0.002)
        found = proxy.answered
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(1.0)  # what was under way ends at the server
    return found


@dataclass
class Proxy:
    """What passed between the comparison and the server."""

    url: str = ""
    answered: int = 0
    under_way: int = 0
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def counts(self) -> Counter[str]:
        """How often each question was asked, by its whole body."""
        with self.lock:
            return Counter(self.asked)


@contextmanager
def counting(address: str) -> Iterator[Proxy]:
    """A proxy of the server at `address`."""
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.pass_on()

        def do_POST(self) -> None:
            self.pass_on()

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            is_question = self.path == CHAT
            if is_question:
                with proxy.lock:
                    proxy.asked.append(body.decode())
                    proxy.under_way += 1
            kind = {"content-type": "application/json"}
            reply = httpx.request(self.command, address + self.path, content=body, headers=kind, timeout=PATIENCE)
            try:
                self.send_response(reply.status_code)
                self.send_header("content-length", str(len(reply.content)))
                self.end_headers()
                self.wfile.write(reply.content)
            except OSError:  # it was killed
                self.close_connection = True
            finally:
                if is_question:
                    with proxy.lock:
                        proxy.under_way -= 1
                        proxy.answered += 1

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the comparison was killed

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


def same_texts(run: Path, here: Path) -> dict[str, str]:
    """By variant, how many answers of the server are those of this process."""
    served, own = (Results.load(folder) for folder in (run, here))
    found = {}
    for name in VARIANTS.split(","):
        pairs = [(a.answers[name].text, b.answers[name].text) for a, b in zip(served.items, own.items, strict=True)]
        found[name] = f"{sum(a == b for a, b in pairs)} of {len(pairs)}"
    return found


def _head(name: str, lines: int) -> str:
    return "".join((EXAMPLES / name).read_text(encoding="utf-8").splitlines(keepends=True)[:lines])


if __name__ == "__main__":
    main()
