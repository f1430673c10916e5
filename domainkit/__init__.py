"""domainkit: should I prompt, retrieve or fine-tune? Evidence on your own domain, and the winner as a LangChain model.

Public names are imported on first use: importing domainkit loads neither torch nor transformers nor LangChain.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domainkit.adapters.folder import Adapter
    from domainkit.clinic.examine import examine
    from domainkit.clinic.fix import fix
    from domainkit.clinic.next_to_label import next_to_label
    from domainkit.comparison.compare import compare
    from domainkit.corpus.check import check
    from domainkit.corpus.document import Document
    from domainkit.corpus.example import Example, Turn
    from domainkit.corpus.preferences import read_marked, read_pairs
    from domainkit.corpus.read_files import read_documents, read_examples
    from domainkit.distillation.distil import distil
    from domainkit.errors import DomainkitError
    from domainkit.evaluation.metrics.judge import judge
    from domainkit.evaluation.metrics.judge_pairs import judge_pairs
    from domainkit.evaluation.read_task import read_task
    from domainkit.evaluation.task import Sample, Task
    from domainkit.evaluation.variant import Variant
    from domainkit.leaving.leave import leave
    from domainkit.llm.chat_model import DomainLLM
    from domainkit.monitoring.feedback import record_feedback
    from domainkit.monitoring.watch import watch
    from domainkit.report import print_table, render, write_report
    from domainkit.results.schema import Portfolio, Results
    from domainkit.retrieval import build_retriever
    from domainkit.splitting.split import split
    from domainkit.synthesis.make import make
    from domainkit.training.config import PreferenceConfig, TrainConfig
    from domainkit.training.preference.train_preference import train_preference
    from domainkit.training.train import train
    from domainkit.winner.load import load_variant, load_winner

__version__ = "0.1.0"

_PUBLIC = {
    "Adapter": "domainkit.adapters.folder",
    "Document": "domainkit.corpus.document",
    "DomainLLM": "domainkit.llm.chat_model",
    "DomainkitError": "domainkit.errors",
    "Example": "domainkit.corpus.example",
    "Portfolio": "domainkit.results.schema",
    "PreferenceConfig": "domainkit.training.config",
    "Results": "domainkit.results.schema",
    "Sample": "domainkit.evaluation.task",
    "Task": "domainkit.evaluation.task",
    "TrainConfig": "domainkit.training.config",
    "Turn": "domainkit.corpus.example",
    "Variant": "domainkit.evaluation.variant",
    "build_retriever": "domainkit.retrieval",
    "check": "domainkit.corpus.check",
    "compare": "domainkit.comparison.compare",
    "distil": "domainkit.distillation.distil",
    "examine": "domainkit.clinic.examine",
    "fix": "domainkit.clinic.fix",
    "judge": "domainkit.evaluation.metrics.judge",
    "judge_pairs": "domainkit.evaluation.metrics.judge_pairs",
    "leave": "domainkit.leaving.leave",
    "load_variant": "domainkit.winner.load",
    "load_winner": "domainkit.winner.load",
    "make": "domainkit.synthesis.make",
    "next_to_label": "domainkit.clinic.next_to_label",
    "print_table": "domainkit.report",
    "read_documents": "domainkit.corpus.read_files",
    "read_examples": "domainkit.corpus.read_files",
    "read_marked": "domainkit.corpus.preferences",
    "read_pairs": "domainkit.corpus.preferences",
    "read_task": "domainkit.evaluation.read_task",
    "record_feedback": "domainkit.monitoring.feedback",
    "render": "domainkit.report",
    "split": "domainkit.splitting.split",
    "train": "domainkit.training.train",
    "train_preference": "domainkit.training.preference.train_preference",
    "watch": "domainkit.monitoring.watch",
    "write_report": "domainkit.report",
}

__all__ = [
    "Adapter",
    "Document",
    "DomainLLM",
    "DomainkitError",
    "Example",
    "Portfolio",
    "PreferenceConfig",
    "Results",
    "Sample",
    "Task",
    "TrainConfig",
    "Turn",
    "Variant",
    "build_retriever",
    "check",
    "compare",
    "distil",
    "examine",
    "fix",
    "judge",
    "judge_pairs",
    "leave",
    "load_variant",
    "load_winner",
    "make",
    "next_to_label",
    "print_table",
    "read_documents",
    "read_examples",
    "read_marked",
    "read_pairs",
    "read_task",
    "record_feedback",
    "render",
    "split",
    "train",
    "train_preference",
    "watch",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'domainkit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
