"""Whether the batch changes a text, greedy or drawn: the same prompts alone and in random batches.

python -m benchmarks.engine.batch_invariance [--answers 192] [--new-tokens 16] [--base builtin:smollm2-135m]

A pass over more rows multiplies matrices of other shapes, and the library sums in another order. So logits move by
rounding. Where that could swap the two best tokens, the engine computes the token again alone. Measured are the texts
that differ, how many tokens were computed again, and how far the batch moves logits. Every second prompt is answered
by drawing (temperature 1), with a seed of its own.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.chat_model.base import PACKAGED
from benchmarks.chat_model.throughput import prompts_of
from benchmarks.runs import save
from domainkit.inference.backend import Completion, Request
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.local import LocalBackend, local_backend
from domainkit.messages import Message

MOST_TOGETHER = 48


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Differing texts, margins between the two largest logits of every token, and how far the batch moves logits."""
    backend = local_backend(plan["base"], quantization="none")
    prompts = [p for name in ("zero-shot", "eight examples", "own: eight examples, kept") for p in plan["cases"][name]]
    chosen = random.Random(0).choices(prompts, k=plan["answers"]) if plan["answers"] > len(prompts) else prompts
    requests = [request_of(p, plan["new_tokens"], i) for i, p in enumerate(chosen[: plan["answers"]])]
    alone = [ids for r in requests for ids in answer(backend, [r])]
    order = random.Random(1)
    shuffled = list(range(len(requests)))
    order.shuffle(shuffled)
    together: dict[int, list[int]] = {}
    while len(together) < len(shuffled):
        group = shuffled[len(together) : len(together) + order.randint(2, MOST_TOGETHER)]
        together |= dict(zip(group, answer(backend, [requests[i] for i in group]), strict=True))
    invariance = backend.engine().batch_invariance
    recomputed = invariance.n_recomputed if invariance else 0
    differ = [i for i in shuffled if together[i] != alone[i]]
    margins, moved = [], []
    runner = backend.engine().runner.isolated()  # the engine's own is its thread's
    for i, ids in enumerate(alone):
        rows = logits_of(backend, requests[i], ids)
        top = rows.topk(2).values
        margins.append((top[:, 0] - top[:, 1]).tolist())
        if i % 8 == 0:
            moved.append(batch_moves(backend, runner, requests, i, rows))
    written = sum(map(len, alone)) + sum(map(len, together.values()))
    return {**facts_of(alone, together, differ, margins, moved), "share_of_tokens_recomputed": recomputed / written}


def facts_of(
    alone: Sequence[list[int]],
    together: dict[int, list[int]],
    differ: list[int],
    margins: list[list[float]],
    moved: list[float],
) -> dict[str, Any]:
    every = sorted(m for row in margins for m in row)
    firsts = [margins[i][first_difference(alone[i], together[i])] for i in differ]
    return {
        "answers": len(alone),
        "tokens": len(every),
        "drawn": len(alone) // 2,
        "differing": len(differ),
        "share_differing": len(differ) / len(alone),
        "margin_at_first_difference": {"smallest": min(firsts), "largest": max(firsts)} if firsts else None,
        "smallest_margin_of_all": every[0],
        "logits_moved_by_batch": {"median": sorted(moved)[len(moved) // 2], "most": max(moved)},
        "tokens_with_a_margin_below_twice_that": sum(m < 2 * max(moved) for m in every),
    }


def answer(backend: LocalBackend, requests: Sequence[Request]) -> list[list[int]]:
    """The generated token ids of each request, all in one batch, with an empty prefix cache."""
    engine = backend.engine()
    engine.prefixes.clear()
    results = [ResultStream[Completion]() for _ in requests]
    sequences = [backend._sequence(request, result) for request, result in zip(requests, results, strict=True)]
    engine.submit(sequences)
    for result in results:
        result.future.result()
    return [sequence.tokens[len(sequence.prompt) :] for sequence in sequences]


@torch.inference_mode()
def logits_of(backend: LocalBackend, request: Request, ids: Sequence[int]) -> torch.Tensor:
    """float [len(ids), vocabulary]: a plain pass over prompt and answer; row i is what token i was chosen from."""
    model = backend.engine().model
    prompt = backend.prompt_ids(request)
    tokens = torch.tensor([[*prompt, *ids[:-1]]], device=model.device)
    return model(tokens, use_cache=False).logits[0, len(prompt) - 1 :].float()


@torch.inference_mode()
def batch_moves(backend: LocalBackend, runner: Any, requests: Sequence[Request], i: int, alone: torch.Tensor) -> float:
    """The most that the first token's logits move when the prompt is read beside seven others, behind a shared
    prefix where the engine would use one."""
    from domainkit.inference.engine.batching import Chunk
    from domainkit.inference.engine.prefix_cache import common_length
    from domainkit.inference.engine.trial import allocated

    prompts = [backend.prompt_ids(requests[(i + k) % len(requests)]) for k in range(8)]
    arrays = [np.asarray(prompt[:-1]) for prompt in prompts]
    prefix = prompts[0][: min(common_length(arrays[0], other) for other in arrays[1:])]
    with allocated(runner, [len(prefix)]) as [slot]:
        runner.forward([Chunk(slot, prefix, 0)])
        state = runner.copy_state(slot, len(prefix))
    with allocated(runner, [len(prompt) for prompt in prompts]) as slots:
        runner.restore_all(slots, prefix, state)
        chunks = [Chunk(slot, prompt[len(prefix) :], len(prefix)) for slot, prompt in zip(slots, prompts, strict=True)]
        beside = runner.forward(chunks)[0, -1].float()
    return float((beside - alone[0]).abs().max())


def first_difference(a: Sequence[int], b: Sequence[int]) -> int:
    """Index of the first token that differs; where one text ends first, its last token stands for the end."""
    index = next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return min(index, len(a) - 1)


def request_of(prompt: dict[str, Any], new_tokens: int, number: int) -> Request:
    turns = tuple(Message(role, text) for role, text in prompt["messages"])
    return Request(turns, max_tokens=new_tokens, temperature=float(number % 2), seed=number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=192)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--base", default=PACKAGED)
    args = parser.parse_args()
    cases = prompts_of(64, adapters=[args.base])  # of the cases, those without adapters are asked
    found = measure({"base": args.base, "cases": cases, "answers": args.answers, "new_tokens": args.new_tokens})
    print(f"{found['differing']} of {found['answers']} texts differ")
    save(
        "batch_invariance",
        {"command": " ".join(["python -m benchmarks.engine.batch_invariance", *sys.argv[1:]]), **found},
    )


if __name__ == "__main__":
    main()
