"""The measured tables and the picture of README.md and docs/, made from benchmarks/results/*.json.

python -m benchmarks.tables     writes the tables between their marks, and the picture to docs/assets/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.chat_model.tables import chain_memory, chain_throughput, standard_suite
from benchmarks.decision.tables import banking77, every_kind, medquad_ghr, simple_models, training_beside_trl
from benchmarks.distillation.tables import distil_banking77, distil_beside_trl
from benchmarks.engine.tables import batch_invariance, next_tokens, small_batch_linear, soak
from benchmarks.files.tables import documents, indexing, reading
from benchmarks.llama_cpp.tables import replay, single_stream
from benchmarks.rows.tables import clinic, make_rows
from benchmarks.runs import RESULTS
from benchmarks.serving.tables import serve_soak, served_fit, served_suite
from benchmarks.training.tables import carried, methods, peak_memory

PAGES = tuple(
    Path(__file__).parents[1] / name
    for name in (
        "README.md",
        "docs/benchmarks.md",
        "docs/methods.md",
        "docs/data.md",
        "docs/distilling.md",
        "docs/tasks.md",
    )
)

TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "simple_models": simple_models,
    "methods_banking77": methods,
    "methods_e2e": methods,
    "methods_e2e_carried": carried,
    "banking77": banking77,
    "batch_invariance": batch_invariance,
    "chain_memory": chain_memory,
    "next_tokens": next_tokens,
    "peak_memory": peak_memory,
    "chain_throughput": chain_throughput,
    "clinic": clinic,
    "distil_banking77": distil_banking77,
    "distil_beside_trl": distil_beside_trl,
    "training_beside_trl": training_beside_trl,
    "every_kind": every_kind,
    "make_rows": make_rows,
    "documents": documents,
    "indexing": indexing,
    "reading": reading,
    "medquad_ghr": medquad_ghr,
    "replay": replay,
    "serve_soak": serve_soak,
    "serve_soak_tiny": serve_soak,
    "served_fit": served_fit,
    "served_suite": served_suite,
    "single_stream": single_stream,
    "small_batch_linear": small_batch_linear,
    "soak": soak,
    "standard_suite": standard_suite,
}


def filled(text: str) -> str:
    """A page's text with every marked table written again. A table without results says so."""
    for name, make in TABLES.items():
        body = make(_read(name)) if (RESULTS / f"{name}.json").exists() else "not measured yet"
        pattern = re.compile(rf"(<!-- table:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda m, body=body: f"{m[1]}{body}\n{m[2]}", text)
    return text


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    for fit, file in pictures.FILES.items():
        pictures.medquad_ghr(fit).save(file)
