"""Adapters in llama.cpp beside this process: two methods over two quantisations of one base.

python -m benchmarks.llama_cpp.replay [--work runs/bench/replay] [--rows 160] [--questions 40]

LoRA with rsLoRA's scale, and PiSSA (saved as the difference that it learnt), are trained on the sample domain's routing
rows over the packaged SmolLM2-135M, unquantised: the numbers of its own Q4_1 file. Each is replayed over that very
file, and over a Q8_0 copy of it made here, which rounds every weight once more. The engine is node-llama-cpp on the
CPU. Run it again to continue.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.runs import save
from domainkit.corpus.read_files import read_examples
from domainkit.evaluation.read_task import read_task
from domainkit.export.gguf.layout import open_gguf
from domainkit.export.gguf.target import export_gguf
from domainkit.export.replay.node_llama_cpp import NodeLlamaCpp, install_command
from domainkit.export.replay.proof import Replay
from domainkit.export.target import ExportJob
from domainkit.models import DEFAULT_BASE
from domainkit.models.source import resolve_base
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

DOMAIN = Path(__file__).resolve().parents[2] / "examples" / "tallowmere"
METHODS: dict[str, dict[str, Any]] = {"lora": {"rank": 8, "rslora": True}, "pissa": {"rank": 8, "init": "pissa"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/bench/replay"))
    parser.add_argument("--rows", type=int, default=160, help="training rows, one epoch")
    parser.add_argument("--questions", type=int, default=40, help="test questions of the task")
    args = parser.parse_args()
    if NodeLlamaCpp.find() is None:
        print(f"replay: skipped, node-llama-cpp is not installed ({install_command()})")
        return
    args.work.mkdir(parents=True, exist_ok=True)
    source = resolve_base(DEFAULT_BASE).path
    bases = {"its own Q4_1": source, "a Q8_0 copy": requantise(source, args.work / "smollm2-Q8_0.gguf", "Q8_0")}
    rows = [
        {"method": method, "base": base, **json.loads(replayed(method, base, gguf, args).model_dump_json())}
        for method in METHODS
        for base, gguf in bases.items()
    ]
    show(rows)
    save("replay", {"rows": rows, "training_rows": args.rows, "questions": args.questions})


def replayed(method: str, base: str, gguf: Path, args: argparse.Namespace) -> Replay:
    """The replay of `method`'s adapter over `gguf`, read from the work folder where it is there already."""
    file = args.work / f"{method}-{gguf.stem}.gguf"
    record = file.with_suffix(".replay.json")
    if not record.is_file():
        task = read_task(DOMAIN / "routing_test.jsonl")
        export_gguf(
            ExportJob(
                (adapter(method, args),),
                file,
                base=None if base.startswith("its own") else str(gguf),
                held_out=read_examples(DOMAIN / "routing_test.jsonl"),
                task=task.model_copy(update={"samples": task.samples[: args.questions]}),
            )
        )
    return Replay.model_validate_json(record.read_text(encoding="utf-8"))


def adapter(method: str, args: argparse.Namespace) -> Path:
    """The trained adapter's folder."""
    folder: Path = args.work / method
    if not (folder / "card.json").is_file():
        config = TrainConfig(
            base=DEFAULT_BASE, quantization="none", method="lora", method_options=METHODS[method], epochs=1
        )
        train(read_examples(DOMAIN / "routing_train.jsonl")[: args.rows], config, folder)
    return folder


def requantise(gguf: Path, out: Path, kind: str) -> Path:
    """A copy of `gguf` with its matrices in another format."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import dequantize, quantize

    if out.is_file():
        return out
    reader, target = open_gguf(gguf), GGMLQuantizationType[kind]
    writer = GGUFWriter(str(out), "llama")
    for name, found in reader.fields.items():
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            items = found.types[-1] if len(found.types) > 1 else None
            writer.add_key_value(name, found.contents(), found.types[0], items)
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        own = target if values.ndim > 1 else GGMLQuantizationType.F32
        writer.add_tensor(tensor.name, quantize(values, own), raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def show(rows: list[dict[str, Any]]) -> None:
    heads = ("method", "base", "e0", "e1", "effect", "first", "tokens", "task there", "task here", "state")
    print(" | ".join(heads))
    for row in rows:
        task = row["task"]
        print(
            f"{row['method']} | {row['base']} | {row['base_error']:.3f} | {row['adapter_error']:.3f} | "
            f"{row['effect']:.3f} | {row['first_token_agreement']:.1%} | {row['token_agreement']:.1%} | "
            f"{task['theirs']['value']:.1%} | {task['ours']['value']:.1%} | "
            f"{row['state']}, task {task['difference']['state']}"
        )


if __name__ == "__main__":
    main()
