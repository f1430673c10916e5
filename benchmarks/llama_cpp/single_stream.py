"""One greedy text at a time: DomainLLM, transformers' generate and llama.cpp on the same GGUF, side by side.

python -m benchmarks.llama_cpp.single_stream [--tokens 64] [--repeats 3] [--threads 2]
                                             [--sides "DomainLLM;llama.cpp"] [--out TRY]

Each side has a process of its own, and they answer in turn. The time is that from the first token to the last, without
the prompt. llama.cpp runs by node-llama-cpp, which is looked for where `domainkit export` looks for it; without it that
side is left out. "llama-server" is what a user of the hand-over gets: our server backend, and llama.cpp's server
behind it, here in one process by the package xllamacpp, without an adapter; an answer may end before all tokens are
written. "quoting" is a question whose answer stands in the prompt, "writing" is free text. Only DomainLLM has guesses
(prompt lookup); the side "without guesses" shows what is left without them. On a machine that other programs use,
threads of one side wait for one another: compare --threads 1, and the processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.chat_model.base import PACKAGED, folder_of
from benchmarks.runs import save
from domainkit.export.llama_server import INSTALL, PACKAGE
from domainkit.export.replay.node_llama_cpp import LIBRARY, NodeLlamaCpp, install_command, node_folder
from domainkit.inference.engine.acceleration import Acceleration
from domainkit.models.source import resolve_base

PASSAGE = (
    "The hive scale is charged by the USB-C port under its left foot. A full charge takes four hours and lasts for "
    "about nine months. When the battery is below ten percent, the lamp blinks twice every minute. Reset the scale by "
    "holding the button for eight seconds until the lamp turns white."
)
QUESTIONS = {
    "quoting": f"Answer from the passage.\n\nPassage: {PASSAGE}\n\n"
    "Question: How is the scale charged and how long does it last?",
    "writing": "Tell me a story about a beekeeper and his hives in winter.",
}
OURS: dict[str, tuple[str, dict[str, bool]]] = {
    "DomainLLM": ("none", {}),
    "DomainLLM nf4": ("nf4", {}),
    "without guesses": ("none", {"prompt_lookup": False}),
    "without guesses and direct passes": ("none", {"prompt_lookup": False, "direct_passes": False}),
}
"""Quantisation, and what is switched off."""
SERVER = "llama-server"
PEERS = ("transformers generate", SERVER, "llama.cpp")
Measured = dict[str, float]
"""tokens after the first one, seconds, processor seconds"""


# ---- a side, in a process of its own


def serve(side: str) -> None:
    """Answer each line of stdin, {"prompt": token ids, "text": question, "tokens": n}, with what was measured."""
    if side == SERVER:
        served = _served()
        for line in sys.stdin:
            job = json.loads(line)
            print(json.dumps(served(job["text"], job["tokens"])), flush=True)
        return
    answer = _generate() if side == PEERS[0] else _ours(*OURS[side])
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(answer(job["prompt"], job["tokens"])), flush=True)


def _ours(quantization: Any, off: dict[str, bool]) -> Callable[[list[int], int], Measured]:
    from domainkit.inference.backend import Completion, Request
    from domainkit.inference.engine.result_stream import ResultStream
    from domainkit.inference.engine.sequences.text import TextSequence
    from domainkit.inference.local import LocalBackend
    from domainkit.messages import Message

    backend = LocalBackend(PACKAGED, None, quantization, "cpu", acceleration=Acceleration(**off))
    engine = backend.engine()

    def answer(prompt: list[int], tokens: int) -> Measured:
        engine.prefixes.clear()
        request = Request((Message("user", ""),), max_tokens=tokens)
        stream = ResultStream[Completion](stream=True)
        # Without stop tokens: every side writes as many.
        engine.submit([TextSequence(request, prompt, backend.tokenizer, (), None, engine.context, stream)])
        stream.receive()
        begin, before = time.perf_counter(), time.process_time()
        written = stream.future.result().completion_tokens
        return _measured(written - 1, begin, before)

    return answer


def _generate() -> Callable[[list[int], int], Measured]:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.generation import BaseStreamer

    model: Any = AutoModelForCausalLM.from_pretrained(folder_of(PACKAGED), dtype=torch.float32)

    class FirstToken(BaseStreamer):
        """Notes when the first token came; what comes before it is the prompt."""

        def __init__(self) -> None:
            self.puts = 0
            self.begin = self.before = 0.0

        def put(self, value: torch.Tensor) -> None:
            self.puts += 1
            if self.puts == 2:
                self.begin, self.before = time.perf_counter(), time.process_time()

        def end(self) -> None: ...

    def answer(prompt: list[int], tokens: int) -> Measured:
        first, ids = FirstToken(), torch.tensor([prompt])
        options = {"do_sample": False, "min_new_tokens": tokens, "max_new_tokens": tokens}
        model.generate(ids, attention_mask=torch.ones_like(ids), streamer=first, **options)
        return _measured(tokens - 1, first.begin, first.before)

    return answer


def _served() -> Callable[[str, int], Measured]:
    from domainkit.export.llama_server import start
    from domainkit.inference.backend import Request
    from domainkit.inference.server.backend import ServerBackend
    from domainkit.messages import Message

    threads = int(os.environ["OMP_NUM_THREADS"])
    server = start(str(resolve_base(PACKAGED).path), [], port=0, threads=threads)
    backend = ServerBackend(url=server.listening_address)

    def answer(question: str, tokens: int) -> Measured:
        assert server.listening_address, "it ends with the object, so that the answer holds it"
        pieces = backend.stream(Request((Message("user", question),), max_tokens=tokens))
        next(pieces)
        begin, before = time.perf_counter(), time.process_time()
        *_, last = pieces
        assert last.completion is not None
        return _measured(last.completion.completion_tokens - 1, begin, before)

    return answer


def _measured(tokens: int, begin: float, before: float) -> Measured:
    return {"tokens": tokens, "seconds": time.perf_counter() - begin, "processor": time.process_time() - before}


# ---- all sides


def start(side: str, threads: int) -> subprocess.Popen[str]:
    if side == "llama.cpp":
        script = Path(__file__).with_name("stream_llama_cpp.mjs")
        command = ["node", str(script), str(node_folder() / LIBRARY), str(resolve_base(PACKAGED).path), str(threads)]
    else:
        command = [sys.executable, "-m", "benchmarks.llama_cpp.single_stream", "--side", side]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def ask(process: subprocess.Popen[str], prompt: list[int], text: str, tokens: int) -> Measured:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"prompt": prompt, "text": text, "tokens": tokens}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def prompts() -> dict[str, list[int]]:
    from domainkit.inference.backend import Request
    from domainkit.inference.local import LocalBackend
    from domainkit.messages import Message

    backend = LocalBackend(PACKAGED, None, "none", "cpu")
    return {name: backend.prompt_ids(Request((Message("user", text),))) for name, text in QUESTIONS.items()}


def measure(sides: list[str], tokens: int, repeats: int, threads: int) -> Iterator[dict[str, Any]]:
    processes = {side: start(side, threads) for side in sides}
    asked = prompts()
    found: dict[tuple[str, str], list[Measured]] = {(s, q): [] for q in asked for s in sides}
    for turn in range(repeats + 1):  # the first warms up
        for question, prompt in asked.items():
            for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
                measured = ask(processes[side], prompt, QUESTIONS[question], tokens)
                found[side, question] += [measured] * (turn > 0)
    for process in processes.values():
        process.communicate()
    for (side, question), rows in found.items():
        reference = found.get(("llama.cpp", question))
        speeds = [r["tokens"] / r["seconds"] for r in rows]
        row: dict[str, Any] = {
            "side": side,
            "question": question,
            "tokens_per_second": statistics.median(speeds),
            "range": [min(speeds), max(speeds)],
            "processor_ms_per_token": statistics.median(1000 * r["processor"] / r["tokens"] for r in rows),
        }
        if reference:
            pairs = zip(rows, reference, strict=True)
            share = [(r["tokens"] / r["seconds"]) / (o["tokens"] / o["seconds"]) for r, o in pairs]
            row["share_of_llama_cpp"] = statistics.median(share)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", help="only these, separated by ;")
    parser.add_argument("--out", default="single_stream", help="name of the file in benchmarks/results/")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve(args.side)
        return
    sides = args.sides.split(";") if args.sides else [*OURS, *PEERS]
    if unknown := set(sides) - {*OURS, *PEERS}:
        sys.exit(f"unknown side: {', '.join(sorted(unknown))}; sides: {'; '.join([*OURS, *PEERS])}")
    if "llama.cpp" in sides and NodeLlamaCpp.find() is None:
        print(f"llama.cpp is left out: node-llama-cpp is not there; next: {install_command()}")
        sides.remove("llama.cpp")
    if SERVER in sides and find_spec(PACKAGE) is None:
        print(f"{SERVER} is left out: {PACKAGE} is not installed; next: {INSTALL}")
        sides.remove(SERVER)
    rows = list(measure(sides, args.tokens, args.repeats, args.threads))
    for row in rows:
        share = f", {row['share_of_llama_cpp']:.2f} of llama.cpp" if "share_of_llama_cpp" in row else ""
        print(
            f"{row['question']:8} {row['side']:34} {row['tokens_per_second']:5.1f} tokens/s, "
            f"{row['processor_ms_per_token']:5.1f} ms of processor time each{share}"
        )
    facts = {
        "command": " ".join(["python -m benchmarks.llama_cpp.single_stream", *sys.argv[1:]]),
        "threads": args.threads,
    }
    save(args.out, {**facts, "new_tokens": args.tokens, "rows": rows})


if __name__ == "__main__":
    main()
