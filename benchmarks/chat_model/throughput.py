"""The same prompts through ChatHuggingFace's batch, model.generate and DomainLLM's batch: seconds, texts and memory.

python -m benchmarks.chat_model.throughput                      everything
python -m benchmarks.chat_model.throughput --prompts 8 --repeats 1 --out TRY
                                                           a trial that does not change the README's figures
python -m benchmarks.chat_model.throughput --shape llama-8b     on a GPU: random weights in the shape of Llama 3 8B

Decoding is greedy, with 16 new tokens. The cases are zero-shot, one fixed prefix of eight solved examples, and three
LoRA adapters. Each side runs in a separate process, one after the other.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.chat_model.base import SHAPES, make_adapters, make_base
from benchmarks.chat_model.sides import INSTALL
from benchmarks.runs import save

DOMAIN = Path(__file__).parents[2] / "examples" / "tallowmere"
INSTRUCTION = "Answer with the name of the queue that this message belongs to."
PEER = "ChatHuggingFace"
OURS = "DomainLLM"
RANK = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5, help="timings of a quick side, of which the median counts")
    parser.add_argument(
        "--peer-nf4", type=int, default=8, help="prompts for the peer on packed 4-bit weights; 0 skips it"
    )
    parser.add_argument("--shape", choices=SHAPES, default="smollm2-135m")
    parser.add_argument("--sides", help="only these, separated by ;")
    parser.add_argument("--out", default="chain_throughput", help="name of the file in benchmarks/results/")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        save(args.out, measure(args, Path(work)))


def measure(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    from benchmarks.chat_model.floors import machine_speed

    base, folder = make_base(args.shape, work)
    adapters = make_adapters(folder, work, RANK, n=3)
    cases = prompts_of(args.prompts, adapters)
    first = machine_speed()
    runs = sides(
        args,
        work,
        {
            "base": base,
            "folder": folder,
            "adapters": adapters,
            "new_tokens": args.new_tokens,
        },
        cases,
    )
    last = machine_speed()
    speed = {k: max(first[k], last[k]) for k in first}
    return {
        "command": " ".join(["python -m benchmarks.chat_model.throughput", *sys.argv[1:]]),
        "shape": args.shape,
        "prompts": args.prompts,
        "new_tokens": args.new_tokens,
        "machine_speed": speed,
        **summary(runs, cases, folder, speed, args.new_tokens),
        "notes": notes(args, runs),
    }


# ---- what is asked


def prompts_of(n: int, adapters: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The prompts of each case, from the sample domain. Only DomainLLM answers the cases that begin with "own"."""
    questions = [row["input"] for row in rows("routing_test.jsonl")]
    fixed = rows("routing_train.jsonl")[:8]
    shots = [[role, row[key]] for row in fixed for role, key in (("user", "input"), ("assistant", "target"))]
    if 2 * n > len(questions):
        sys.exit(f"--prompts is at most {len(questions) // 2}: twice as many questions are needed")

    def ask(question: str, adapter: str | None = None, before: Sequence[Any] = ()) -> dict[str, Any]:
        system = ["system", INSTRUCTION]
        return {"messages": [system, *before, ["user", question]], "adapter": adapter}

    asked = questions[:n]
    return {
        "zero-shot": [ask(q) for q in asked],
        "eight examples": [ask(q, before=shots) for q in asked],
        "three adapters": [ask(q, adapters[i % len(adapters)]) for i, q in enumerate(asked)],
        "own: one adapter": [ask(q, adapters[0]) for q in asked],
        "own: eight examples, kept": [ask(q, before=shots) for q in questions[n : 2 * n]],
    }


def rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DOMAIN / name).read_text(encoding="utf-8").splitlines()]


# ---- who answers


def sides(args: argparse.Namespace, work: Path, plan: dict[str, Any], cases: dict[str, Any]) -> dict[str, Any]:
    """{name: the side's measurements}. A side that is not installed is left out, and its install command is printed."""
    shared = {k: v for k, v in cases.items() if not k.startswith("own")}
    few = {f"zero-shot, {args.peer_nf4} prompts": cases["zero-shot"][: args.peer_nf4]}
    ours = {**shared, "one adapter": cases["own: one adapter"]}
    kept = {"eight examples": cases["own: eight examples, kept"]}
    jobs: dict[str, dict[str, Any]] = {
        OURS: {"side": OURS, "cases": ours, "kept": kept, "repeats": args.repeats},
        "generate (padded batch)": {"cases": shared, "repeats": min(3, args.repeats)},
        "generate (loop)": {"cases": shared, "repeats": 1},
        PEER: {"cases": shared, "repeats": 1},
        f"{OURS} (nf4)": {
            "side": OURS,
            "cases": {**shared, **few},
            "kept": kept,
            "repeats": args.repeats,
            "quantization": "nf4",
        },
        f"{PEER} (nf4)": {"side": PEER, "cases": few, "repeats": 1, "quantization": "nf4"},
    }
    wanted = args.sides.split(";") if args.sides else list(jobs)
    spare = cases["own: eight examples, kept"][:2]
    done = {}
    for name in (n for n in jobs if n in wanted):
        job = {"side": name, "quantization": "none", **plan, **jobs[name]}
        if job["side"] == PEER and importlib.util.find_spec("langchain_huggingface") is None:
            print(f"{name}: skipped, langchain-huggingface is not installed; next: {INSTALL}", flush=True)
            continue
        if not any(job["cases"].values()):
            continue
        job["warm_up"] = {c: warm_up(p, spare) for c, p in job["cases"].items()}
        done[name] = child(work, name, job)
    return done


def warm_up(prompts: Sequence[dict[str, Any]], spare: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Warm-up prompts: other questions with the case's adapters. Loading is not timed, no measured prompt is cached."""
    adapters = list(dict.fromkeys(p["adapter"] for p in prompts))
    turns = [[s["messages"][0], s["messages"][-1]] for s in spare]
    return [{"messages": turns[i % len(turns)], "adapter": a} for i, a in enumerate(adapters)]


def child(work: Path, name: str, plan: dict[str, Any], settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a measuring process with `settings` in its environment and wait for it. Its failure ends the benchmark."""
    stem = "".join(c if c.isalnum() else "-" for c in name)
    given, out = work / f"{stem}.plan.json", work / f"{stem}.json"
    given.write_text(json.dumps(plan), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.chat_model.sides", str(given), str(out)]
    subprocess.run(command, check=True, env={**os.environ, **(settings or {})})
    return json.loads(out.read_text(encoding="utf-8"))


# ---- what it comes to


def summary(
    runs: dict[str, Any],
    cases: dict[str, Any],
    folder: str,
    speed: dict[str, float],
    most: int,
) -> dict[str, Any]:
    """Every side's figures with its texts compared, floors and ratios."""
    from transformers import AutoConfig, AutoTokenizer

    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    reference = runs.get("generate (loop)") or runs.get(OURS) or {"cases": {}}
    floors = {}
    for case, prompts in cases.items():
        if case in reference["cases"]:
            floors[case] = floor_of(prompts, reference["cases"][case]["texts"], config, tokenizer, speed, most)
    table = {
        name: [row(name, case, facts, runs, reference, floors) for case, facts in run["cases"].items()]
        for name, run in runs.items()
    }
    return {
        "sides": table,
        "floors": floors,
        "ratios": ratios(runs),
        "memory_of_sides": {name: run["memory"] for name, run in runs.items()},
        "threads": {name: run["threads"] for name, run in runs.items()},
        "peer_versions": next((run["versions"] for name, run in runs.items() if name.startswith(PEER)), None),
    }


def floor_of(
    prompts: list[Any], texts: list[str], config: Any, tokenizer: Any, speed: dict[str, float], most: int
) -> dict[str, Any]:
    """The least work for these texts, and its seconds on this machine. At most `most` tokens of a text count."""
    from benchmarks.chat_model.floors import floor_seconds, least_work
    from benchmarks.chat_model.sides import template

    ids = [tokenizer(template(tokenizer, p), add_special_tokens=False)["input_ids"] for p in prompts]
    out = [min(most, len(tokenizer(t, add_special_tokens=False)["input_ids"])) for t in texts]
    work = least_work(config, ids, [p["adapter"] for p in prompts], out, RANK)
    return {**work, "tokens_written": sum(out), "seconds": floor_seconds(work, speed)}


def row(
    name: str, case: str, facts: dict[str, Any], runs: dict[str, Any], reference: dict[str, Any], floors: dict[str, Any]
) -> dict[str, Any]:
    """One row of the results. `same_texts` is the share of texts equal to the reference's.

    The reference answers one by one in full precision; for nf4 sides it is DomainLLM.
    """
    ours_nf4 = runs.get(f"{OURS} (nf4)")
    compared = ours_nf4 if "nf4" in name else reference
    wanted = compared["cases"].get(case, {}).get("texts") if compared else None
    same = None
    if wanted is not None and compared is not runs[name]:
        same = sum(a == b for a, b in zip(facts["texts"], wanted, strict=True)) / len(wanted)
    shares = {}
    if case in floors:
        floor = floors[case]["seconds"]
        shares = {
            "share_of_floor": floor["all"] / facts["seconds"],
            "share_of_gemm_floor": floor["gemm"] / facts["seconds"],
            "share_of_decode_memory_floor": floor["decode_memory"] / facts["seconds"],
        }
    return {"case": case, **facts, "same_texts": same, **shares}


def ratios(runs: dict[str, Any]) -> dict[str, Any]:
    """Time of each other side divided by DomainLLM's, by case; and three mixed adapters against one."""
    found: dict[str, Any] = {}
    for name, run in runs.items():
        ours = runs.get(f"{OURS} (nf4)" if "nf4" in name else OURS)
        if ours is None or name.startswith(OURS):
            continue
        both = [c for c in run["cases"] if c in ours["cases"]]
        found[name] = {c: run["cases"][c]["seconds"] / ours["cases"][c]["seconds"] for c in both}
    mine = runs.get(OURS, {"cases": {}})["cases"]
    if {"three adapters", "one adapter"} <= set(mine):
        found["three adapters mixed, against one"] = mine["three adapters"]["seconds"] / mine["one adapter"]["seconds"]
    return found


def notes(args: argparse.Namespace, runs: dict[str, Any]) -> list[str]:
    lines = [
        "Each side in a process of its own, one after the other; models loaded and warmed up before timing.",
        f"Seconds are medians of {args.repeats} ({OURS}) or {min(3, args.repeats)} timings (one padded batch). "
        "The others are timed once.",
        f"{OURS} empties its prefix cache before each timing. seconds_with_prefix_kept is a second batch: "
        "other questions after the same eight examples, whose keys and values are still cached.",
        f"On nf4, {OURS} keeps the 4-bit weights unpacked where memory allows. "
        f"The peer unpacks them at every step. The peer answered {args.peer_nf4} zero-shot prompts, "
        f"and for that ratio so did {OURS}: nothing is scaled.",
        "The floor reads every distinct prefix once and decodes all rows together, at the machine's best speed of "
        "matrix products and memory reads, measured before and after the sides.",
    ]
    if not any(name.startswith(PEER) for name in runs):
        lines.append(f"{PEER} was not measured: not installed, or not among --sides. Install: {INSTALL}")
    import torch

    if not torch.cuda.is_available():
        lines.append("No GPU here: --shape llama-8b was not run.")
    return lines


if __name__ == "__main__":
    main()
