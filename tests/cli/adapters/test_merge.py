"""domainkit merge and export --plain-lora: one message for each bad input, proof on the screen, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.corpus.read_files import read_examples
from domainkit.training.config import TrainConfig
from domainkit.training.train import train
from tests.cli.command import domainkit


def write(path: Path, start: int, n: int) -> Path:
    rows = [
        {"input": f"say {('red', 'blue')[i % 2]} {i}", "target": ("red", "blue")[i % 2]}
        for i in range(start, start + n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("merge")
    made = {"train": write(folder / "train.jsonl", 0, 12), "held": write(folder / "held.jsonl", 100, 8)}
    for name, seed in (("adapter", 0), ("second", 1)):
        config = TrainConfig(
            base=tiny_base,
            quantization="nf4",
            epochs=6,
            batch_size=4,
            learning_rate=1e-2,
            seed=seed,
            method_options={"rank": 4},
        )
        made[name] = train(read_examples(made["train"]), config, folder / name, on_progress=lambda _: None).folder
    return made


def test_the_merged_folder_answers_as_the_adapter(work: dict[str, Path], tmp_path: Path) -> None:
    from domainkit import DomainLLM

    code, out, err = domainkit("merge", work["adapter"], "--out", tmp_path / "model", "--data", work["held"])
    assert code == 0, err
    assert "Held out: 8 examples" in out
    assert "of the tune is kept; the same next token at 100.0% of" in out
    assert "Note: in 4 bits again" in out
    assert f"Next: domainkit ask --base {tmp_path / 'model'}" in out
    merged = DomainLLM(base=str(tmp_path / "model"), quantization="none", max_tokens=6)
    tuned = DomainLLM(adapter=str(work["adapter"]), max_tokens=6)
    for question in ("say red 200", "say blue 201"):
        assert merged.invoke(question).text == tuned.invoke(question).text


def test_a_merge_that_loses_the_tune_exits_2_and_writes_nothing(work: dict[str, Path], tmp_path: Path) -> None:
    code, _, err = domainkit(
        "merge", work["adapter"], "--out", tmp_path / "model", "--data", work["held"], "--keep", "1.01"
    )
    assert code == 2
    assert "the merge would lose the tune: NLL" in err
    assert "next: try" in err
    assert not list(tmp_path.iterdir())


def test_without_held_out_data_it_asks(work: dict[str, Path], tmp_path: Path) -> None:
    code, _, err = domainkit("merge", work["adapter"], "--out", tmp_path / "model")
    assert code == 2
    assert "held-out examples are missing" in err
    assert "--data held_out.jsonl" in err


def test_several_adapters_become_one(work: dict[str, Path], tmp_path: Path) -> None:
    out_folder = tmp_path / "both"
    code, out, err = domainkit(
        "merge", work["adapter"], work["second"], "--weights", "0.5,0.5", "--out", out_folder, "--data", work["held"]
    )
    assert code == 0, err
    assert f"{work['second']} × 0.5: NLL" in out
    assert f"Adapter: {out_folder}" in out
    assert [p["adapter"] for p in json.loads((out_folder / "card.json").read_text())["parents"]] == [
        "adapter",
        "second",
    ]


def test_wrong_weights_of_a_merge_are_refused(work: dict[str, Path], tmp_path: Path) -> None:
    to = ("--out", tmp_path / "both", "--data", work["held"])
    code, _, err = domainkit("merge", work["adapter"], "--weights", "0.5", *to)
    assert (code, "needs several adapters" in err) == (2, True)
    code, _, err = domainkit("merge", work["adapter"], work["second"], "--weights", "half,half", *to)
    assert (code, "'half,half' is not a list of numbers" in err) == (2, True)


def test_plain_lora_is_not_converted_again(work: dict[str, Path], tmp_path: Path) -> None:
    code, _, err = domainkit("export", work["adapter"], "--plain-lora", tmp_path / "plain")
    assert code == 2
    assert "is plain LoRA already" in err


def test_a_target_of_the_table_is_named_with_to(work: dict[str, Path]) -> None:
    code, out, err = domainkit("export", work["adapter"], "--to", "vllm")
    assert code == 0 or "vLLM does not serve" in err
    assert domainkit("export", work["adapter"], "--server") == (code, out, err)
    code, _, err = domainkit("export", work["adapter"], "--to", "vlm")
    assert (code, "did you mean 'vllm'?" in err) == (2, True)
