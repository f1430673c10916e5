"""A package adds a metric, reader, retriever, method, variant and backend by its entry points alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, TrainConfig, compare
from domainkit.adapters.methods import METHODS
from domainkit.comparison.ladder import VARIANTS
from domainkit.corpus.readers import READERS
from domainkit.errors import ConfigError
from domainkit.evaluation.metrics import METRICS
from domainkit.inference import BACKENDS
from domainkit.registry import Table
from domainkit.retrieval import RETRIEVERS
from tests.cli.command import domainkit

MODULE = '''
"""A package beside domainkit."""

from typing import Literal

from domainkit import Document, DomainLLM, Variant
from domainkit.adapters.methods.low_rank.lora import Lora
from domainkit.evaluation.metrics import Score, metric
from domainkit.inference.echo import EchoBackend
from domainkit.retrieval import PassageRetriever


@metric("Same first letter", ("answer",))
def first_letter(task):
    return lambda sample, text: Score(float(text[:1] == sample.target[:1]))


def read_lines(path, name):
    for i, line in enumerate(path.read_text().splitlines()):
        yield Document(text=line, source=str(path), id=f"{name}-{i}")


class Shortest(PassageRetriever):
    def rank(self, question, k):
        rows = sorted(range(len(self.documents)), key=lambda row: len(self.documents[row].text))
        return [(row, 1.0) for row in rows[:k]]

    def prepare(self, questions):
        pass


class SmallLora(Lora):
    kind: Literal["small_lora"] = "small_lora"
    rank: int = 2


class Parrot(EchoBackend):
    def identity(self, adapter=None):
        return {"backend": "parrot"}


parrot = Variant(name="parrot", description="Says it back.", runnable=DomainLLM(backend="parrot", base="none"))
'''
ENTRY_POINTS = """
[domainkit.metrics]
first_letter = kit_extension:first_letter
[domainkit.readers]
.lines = kit_extension:read_lines
[domainkit.retrievers]
shortest = kit_extension:Shortest
[domainkit.methods]
small_lora = kit_extension:SmallLora
[domainkit.variants]
parrot = kit_extension:parrot
[domainkit.backends]
parrot = kit_extension:Parrot
"""
TABLES: dict[str, tuple[Table, str]] = {
    "metric": (METRICS, "first_letter"),
    "reader": (READERS, ".lines"),
    "retriever": (RETRIEVERS, "shortest"),
    "method": (METHODS, "small_lora"),
    "variant": (VARIANTS, "parrot"),
    "backend": (BACKENDS, "parrot"),
}
NAMES = ["parrot", "rag", "tuned"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package installed: its folder on the path, its entry points in its dist-info."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "kit_extension.py").write_text(MODULE)
    info = folder / "kit_extension-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kit-extension\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        read_tables_again()
        yield folder
    read_tables_again()


def read_tables_again() -> None:
    for table, _ in TABLES.values():
        vars(table).pop("_lines", None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    words = ("amber", "birch", "cedar", "dove")
    rows = [{"id": w, "input": f"{w}?", "target": w[::-1]} for w in words]
    for name, some in (("train", rows), ("test", rows[:3])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in some))
    (folder / "corpus.lines").write_text("a long line about amber\nbirch\n")
    return {
        name: folder / file
        for name, file in {"train": "train.jsonl", "test": "test.jsonl", "corpus": "corpus.lines"}.items()
    }


@pytest.mark.parametrize("noun", TABLES)
def test_the_table_lists_what_another_package_adds(noun: str, package: Path) -> None:
    table, name = TABLES[noun]
    assert name in table
    assert table.load(name) is not None


def test_a_comparison_uses_all_six(package: Path, data: dict[str, Path], tiny_base: str, tmp_path: Path) -> None:
    fit = TrainConfig(base=tiny_base, method="small_lora", quantization="none", epochs=1, batch_size=4)
    results = compare(
        data["test"],
        NAMES,
        tmp_path,
        train=data["train"],
        corpus=data["corpus"],
        fit=fit,
        kind="answer",
        retriever="shortest",
        passages=1,
        max_tokens=4,
        latency_items=0,
    )
    check(results)
    assert list(results.variants[0].metrics) == ["token_f1", "exact_match", "first_letter"]
    assert "Same first letter" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_command_line_uses_all_six(package: Path, data: dict[str, Path], tiny_base: str, tmp_path: Path) -> None:
    words: list[Any] = [
        "compare",
        "--task",
        data["test"],
        "--train",
        data["train"],
        "--corpus",
        data["corpus"],
        "--out",
        tmp_path,
        "--fit",
        "--variants",
        ",".join(NAMES),
        "--base",
        tiny_base,
        "kind=answer",
        "retriever=shortest",
        "passages=1",
        "max_tokens=4",
        "latency_items=0",
        "metrics=first_letter,token_f1",
        "fit.method=small_lora",
        "fit.quantization=none",
        "fit.epochs=1",
    ]
    done = domainkit(*words)
    assert done.returncode == 0, done.stderr
    results = Results.load(tmp_path)
    check(results)
    assert results.task.primary_metric == "first_letter"
    assert list(results.variants[0].metrics) == ["first_letter", "token_f1"]
    assert "Same first letter" in done.stdout


def check(results: Results) -> None:
    """What each extension does to a comparison."""
    assert [v.name for v in results.variants] == [*NAMES, "trivial"]
    parrot, rag, *_ = results.variants
    assert [item.answers["parrot"].text for item in results.items] == ["amber?", "birch?", "cedar?"]
    assert parrot.metrics["first_letter"].value == pytest.approx(0)
    assert {p.text for p in results.passages.values()} == {"birch"}
    assert rag.settings["retriever"] == "shortest"
    assert results.training is not None
    assert results.training.method == "small_lora"


def test_an_unknown_retriever_is_refused_with_the_names(data: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="retriever='semantic': one of: dense, fused, lexical"):
        compare(data["test"], ["rag"], tmp_path, corpus=data["corpus"], retriever="semantic")
