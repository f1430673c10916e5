"""python -m benchmarks [--data FOLDER]: every benchmark, one after the other, then the README's tables."""

from __future__ import annotations

import argparse
import subprocess
import sys

ALONE = (
    "chat_model.standard_suite",
    "chat_model.throughput",
    "chat_model.adapter_memory",
    "training.peak_memory",
    "engine.next_tokens",
    "engine.answering",
    "engine.small_batch_linear",
    "engine.accelerations",
    "training.architectures",
    "engine.batch_invariance",
    "engine.soak",
    "serving.soak",
    "serving.standard_suite",
    "llama_cpp.replay",
    "statistics.simulations",
    "statistics.judged_simulations",
    "rows.make_rows",
    "rows.languages",
)
ON_DATA = (
    "files.indexing",
    "decision.simple_models",
    "decision.banking77",
    "decision.medquad",
    "decision.every_kind",
    "decision.beside_trl",
    "distillation.banking77",
    "distillation.beside_trl",
    "distillation.medquad_edits",
    "training.methods",
    "rows.clinic",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", help="folder with the domain data sets; without it, the benchmarks that need it are skipped"
    )
    args = parser.parse_args()
    for name in ALONE:
        subprocess.run([sys.executable, "-m", *f"benchmarks.{name}".split()], check=True)
    for name in ON_DATA:
        if not args.data:
            print(f"{name}: skipped, needs --data FOLDER (make bench BENCH_DATA=FOLDER)")
            continue
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--data", args.data], check=True)
    subprocess.run([sys.executable, "-m", "benchmarks.tables"], check=True)


if __name__ == "__main__":
    main()
