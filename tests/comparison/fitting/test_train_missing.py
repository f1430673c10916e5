"""compare --fit: what the variants need is trained once, and used again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, TrainConfig, compare, load_variant
from domainkit.errors import ConfigError
from domainkit.winner.pack import pack
from tests.conftest import build_tiny_base

WORDS = ("amber", "birch", "cedar", "dove")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fit")
    solved = [{"input": f"{w}?", "target": w[::-1], "doc_ids": [w]} for w in WORDS]
    asked = [{**row, "id": f"t{i}", "input": f"the {row['input']}"} for i, row in enumerate(solved)]
    return {
        "train": write(folder / "train.jsonl", solved),
        "test": write(folder / "test.jsonl", asked),
        "corpus": write(folder / "corpus.jsonl", [{"id": w, "title": w, "text": f"{w} is {w[::-1]}."} for w in WORDS]),
    }


def run(
    files: dict[str, Path], base: str, out: Path, variants: list[str], models: dict[str, str] | None = None, **fit: Any
) -> Results:
    config = TrainConfig(base=base, quantization="none", epochs=1, batch_size=4, method_options={"rank": 2}, **fit)
    return compare(
        files["test"],
        variants,
        out,
        train=files["train"],
        corpus=files["corpus"],
        fit=config,
        models=models,
        kind="answer",
        max_tokens=4,
        latency_items=0,
        retriever="lexical",
        passages=2,
    )


def stamps(out: Path) -> dict[str, int]:
    return {f.parent.name: f.stat().st_mtime_ns for f in sorted((out / "adapters").glob("*/adapter_model.safetensors"))}


def test_each_variant_gets_the_adapter_it_needs_once(files: dict[str, Path], tiny_base: str, tmp_path: Path) -> None:
    wanted = ["rag", "oracle-rag", "tuned", "tuned-context"]
    results = run(files, tiny_base, tmp_path, wanted)
    assert [v.name for v in results.variants] == [*wanted, "trivial"]
    made = stamps(tmp_path)
    assert sorted(name.split("-")[0] for name in made) == ["context", "tuned"]
    oracle = results.variants[1]
    assert oracle.retrieval["hit@1"].value == 1.0
    assert results.verdict.choice != "oracle-rag"
    run(files, tiny_base, tmp_path, wanted)
    assert stamps(tmp_path) == made
    run(files, tiny_base, tmp_path, ["tuned"], seed=1)
    assert len(stamps(tmp_path)) == 3


def test_a_named_base_is_tuned_with_the_same_rows_and_settings(
    files: dict[str, Path], tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wide = str(build_tiny_base(tmp_path / "wide", hidden_size=96))
    out, wanted = tmp_path / "run", ["zero-shot", "tuned-context@wide"]
    results = run(files, tiny_base, out, [*wanted, "tuned"], {"wide": wide})
    by_name = {v.name: v for v in results.variants}
    assert [n for n in by_name if n.startswith("tuned")] == ["tuned-context@wide", "tuned", "tuned@wide"]
    cards = {path.name: json.loads((path / "card.json").read_text()) for path in (out / "adapters").iterdir()}
    assert sorted((name.split("-")[0], Path(card["base"]).name) for name, card in cards.items()) == [
        ("context", "wide"),
        ("tuned", Path(tiny_base).name),
        ("tuned", "wide"),
    ]
    assert len({(c["examples"], c["config"]["epochs"], c["config"]["seed"]) for c in cards.values()}) == 1
    assert by_name["tuned@wide"].training is not None
    assert by_name["tuned"].training is None  # the results' own
    for name in ("tuned@wide", "tuned-context@wide"):
        measured = [item.answers[name].text for item in results.items]
        assert [a.text for a in load_variant(out, name).batch([i.input for i in results.items])] == measured
    made = pack(out, tmp_path / "pack", variant="tuned@wide")
    assert (made.folder / "adapter" / "adapter_model.safetensors").is_file()
    assert load_variant(made.folder, "tuned@wide").invoke(results.items[0].input).text == measured_first(results)
    with_adapter = {"own": str(next((out / "adapters").glob("tuned-*")))}
    with pytest.raises(ConfigError, match="'tuned@own' cannot run: own is a base with an adapter already: name its"):
        run(files, tiny_base, out, ["tuned@own"], with_adapter)
    made_once = stamps(out)
    again = run(files, tiny_base, out, wanted, {"renamed": wide, "wide": wide})
    assert stamps(out) == made_once
    assert "the model renamed is not used" not in caplog.text
    assert again.training is None


def measured_first(results: Results) -> str:
    return results.items[0].answers["tuned@wide"].text


def test_training_that_is_impossible_is_refused_with_the_reason(
    files: dict[str, Path], tiny_base: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"(?s)nothing to fit on.*--train"):
        compare(files["test"], ["tuned"], tmp_path, fit=TrainConfig(base=tiny_base))
    with pytest.raises(ConfigError, match=r"(?s)fit\.base.*name one base for both"):
        compare(files["test"], ["tuned"], tmp_path, train=files["train"], fit=TrainConfig(base="other"), base=tiny_base)


def test_without_fit_the_missing_adapter_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)'tuned-context' cannot run: no adapter trained on passages.*--fit"):
        compare(files["test"], ["tuned-context"], tmp_path, corpus=files["corpus"])
