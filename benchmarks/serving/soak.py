"""A soak of the server: clients that ask, stream, call tools, leave, and swap adapters, all at once.

python -m benchmarks.serving.soak [--requests 2000] [--clients 16] [--minutes 15] [--base builtin:smollm2-135m]

Every text is compared with the text of the same question asked alone before. A client that leaves closes its connection
after the first part. One adapter is loaded and dropped all the time: a client that asks for it meanwhile gets 404.
Clients and server wait for an hour: a queue on a slow machine is no fault. Memory is what the server holds while it
answers, and at the end.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import torch

from benchmarks.runs import save
from benchmarks.serving.server import serving
from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import load_base
from tests.conftest import build_tiny_base

QUESTIONS = (
    "Where is my order?",
    "How do I reset my password?",
    "Can I pay by card?",
    "What does express delivery cost?",
    "My parcel is broken. What now?",
    "How long is the guarantee?",
    "Please write one sentence about bees.",
    "¿Dónde está mi pedido?",
)
WEIGH = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}}},
}
SCHEMA = {"type": "object", "properties": {"topic": {"enum": ["order", "payment", "other"]}}, "required": ["topic"]}
FORMS: dict[str, dict[str, Any]] = {
    "text": {"max_tokens": 12},
    "sampled": {"max_tokens": 12, "temperature": 0.8, "seed": 3},
    "schema": {"max_tokens": 24, "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
    "tool": {"max_tokens": 40, "tools": [WEIGH], "tool_choice": "required", "parallel_tool_calls": False},
}
SWAPPED = "swapped"
LEAVE_SHARE = 0.1
PATIENCE = 3600
"""Seconds."""
EXPECTED = ("right", "left", "not loaded")
Job = tuple[str, str, str]
"""Model, form, question."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=15.0, help="nothing new is asked after that")
    parser.add_argument("--base", default="builtin:smollm2-135m", help="or tiny: random, two layers, made here")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="of the eight, each alone first")
    parser.add_argument("--out", default="serve_soak", help="name of the file in benchmarks/results/")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        base = str(build_tiny_base(home / "tiny")) if options.base == "tiny" else options.base
        for seed, name in enumerate(("first", "second", SWAPPED)):
            random_adapter(base, home / name, seed)
        words = (home / "first", home / "second", "--base", base, "--adapters", home, "--seconds", str(PATIENCE))
        with serving(*words) as (address, _):
            facts = soak(address, options.questions, options.requests, options.clients, options.minutes)
    command = " ".join(["python -m benchmarks.serving.soak", *sys.argv[1:]])
    save(options.out, {"command": command, "base": Path(base).name, **facts})


def random_adapter(base: str, folder: Path, seed: int) -> None:
    """A LoRA that changes what the base says, without training."""
    tuned = attach(parse_method("lora", {"rank": 8}), load_base(base, quantization="none").model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in tuned.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.02)
    tuned.save_pretrained(str(folder))


def soak(address: str, questions: int, requests: int, clients: int, minutes: float) -> dict[str, Any]:
    """The counts of a soak."""
    with httpx.Client(base_url=address, timeout=PATIENCE, limits=httpx.Limits(max_connections=None)) as client:
        names = [m["id"] for m in client.get("/v1/models").json()["data"] if not m.get("embeddings")]
        load(client, SWAPPED)
        combinations = [(m, f, q) for m in (*names, SWAPPED) for f in FORMS for q in QUESTIONS[:questions]]
        alone, start = dict[Job, str](), time.perf_counter()
        for job in combinations:
            alone[job] = answer_of(client.post("/v1/chat/completions", json=body_of(job)))
            if len(alone) % 16 == 0:
                print(f"{len(alone):5} of {len(combinations)} alone, {time.perf_counter() - start:.0f} s", flush=True)
        print(f"{len(alone)} texts asked alone, {len(set(alone.values()))} different", flush=True)
        return together(client, alone, requests, clients, minutes)


def together(
    client: httpx.Client, alone: dict[Job, str], requests: int, clients: int, minutes: float
) -> dict[str, Any]:
    chosen = random.Random(0)
    jobs = [(chosen.choice(list(alone)), chosen.random()) for _ in range(requests)]
    found: Counter[str] = Counter()
    seconds, memory, wrong = list[float](), list[float](), list[Any]()
    over = threading.Event()
    swaps = threading.Thread(target=swap, args=(client, over, found))
    swaps.start()

    def one(numbered: tuple[int, tuple[Job, float]]) -> None:
        i, (job, draw) = numbered
        if time.perf_counter() - start > 60 * minutes:
            return
        begin = time.perf_counter()
        try:
            outcome = ask(client, job, alone[job], leaves=draw < LEAVE_SHARE, streams=draw < 0.5)
        except httpx.HTTPError as e:  # one lost connection is a finding, and must not end the others
            outcome = f"no whole answer: {type(e).__name__}"
        found[outcome] += 1
        seconds.append(time.perf_counter() - begin)
        if outcome not in EXPECTED:
            wrong.append([*job, outcome])
        if i % max(1, requests // 20) == 0:
            memory.append(metric(client, "process_resident_memory_bytes") / 2**20)
            print(f"{i:5} {dict(found)} {memory[-1]:.0f} MiB", flush=True)

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(one, enumerate(jobs)))
    took = time.perf_counter() - start
    over.set()
    swaps.join()
    time.sleep(1)
    centiles = quantiles(seconds, n=20)
    facts = {
        "requests": len(seconds),
        "asked_for": requests,
        "texts_alone": len(alone),
        "different_texts_alone": len(set(alone.values())),
        "clients": clients,
        "outcomes": dict(found),
        "wrong": len(wrong),
        "examples": wrong[:5],
        "seconds": round(took, 1),
        "requests_per_second": round(len(seconds) / took, 2),
        "latency_p50": round(centiles[9], 3),
        "latency_p95": round(centiles[18], 3),
        "memory_mib": [round(m) for m in memory],
        "memory_at_the_end_mib": round(metric(client, "process_resident_memory_bytes") / 2**20),
        "running_at_the_end": metric(client, "domainkit_requests_running"),
    }
    print(json.dumps(facts, indent=1))
    return facts


def ask(client: httpx.Client, job: Job, expected: str, *, leaves: bool, streams: bool) -> str:
    """What came of one request."""
    if not streams:
        response = client.post("/v1/chat/completions", json=body_of(job))
        if response.status_code == 404 and job[0] == SWAPPED:
            return "not loaded"
        return f"HTTP {response.status_code}" if response.status_code != 200 else judged(answer_of(response), expected)
    with client.stream("POST", "/v1/chat/completions", json={**body_of(job), "stream": True}) as response:
        if response.status_code == 404 and job[0] == SWAPPED:
            return "not loaded"
        if response.status_code != 200:
            return f"HTTP {response.status_code}"
        text = ""
        for line in response.iter_lines():
            if leaves:
                return "left"
            if line.startswith("data: {"):
                chunk = json.loads(line[6:])
                if "error" in chunk:
                    return f"error {chunk['error']['code']}"
                text += words_of(chunk["choices"][0]["delta"])
    return judged(text, expected)


def judged(text: str, expected: str) -> str:
    return "right" if text == expected else "wrong text"


def body_of(job: Job) -> dict[str, Any]:
    model, form, question = job
    return {"model": model, "messages": [{"role": "user", "content": question}], **FORMS[form]}


def answer_of(response: httpx.Response) -> str:
    response.raise_for_status()
    return words_of(response.json()["choices"][0]["message"])


def words_of(message: dict[str, Any]) -> str:
    """Words and calls; a call's id is new each time."""
    calls = [c["function"] for c in message.get("tool_calls") or ()]
    return (message.get("content") or "") + "".join(f"{c['name']}{c['arguments']}" for c in calls)


def swap(client: httpx.Client, over: threading.Event, found: Counter[str]) -> None:
    """Drop the third adapter and load it again, until the soak is over."""
    while not over.wait(0.5):
        client.post("/v1/unload_lora_adapter", json={"lora_name": SWAPPED}).raise_for_status()
        over.wait(0.2)
        load(client, SWAPPED)
        found["swaps"] += 1


def load(client: httpx.Client, name: str) -> None:
    client.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": name}).raise_for_status()


def metric(client: httpx.Client, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.M)
    assert found is not None
    return float(found[1])


if __name__ == "__main__":
    main()
