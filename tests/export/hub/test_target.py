"""What is pushed is an allow-list, private, with a card from the verdict, and names no folder of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.folder import Adapter
from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError, MachineError
from domainkit.export.hub.target import export_hub, push
from domainkit.export.target import ExportJob
from domainkit.results.schema import Difference, Estimate, Results, TaskFacts, VariantResult, Verdict
from domainkit.training.config import TrainConfig
from domainkit.training.train import train
from tests.inference.server.conftest import lora_folder

ROWS = [
    Example(turns=(Turn(role="user", content=f"say {w}"), Turn(role="assistant", content=w))) for w in ("red", "blue")
]


class RecordingApi:
    """HfApi's two calls, without a network."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.error = error

    def create_repo(self, repo_id: str, **options: bool) -> None:
        if self.error:
            raise self.error
        self.calls.append((repo_id, options))

    def upload_folder(self, **options: Any) -> Any:
        import fnmatch
        import types

        self.calls.append((options["repo_id"], options))
        names = [p.name for p in Path(options["folder_path"]).iterdir()]
        kept = [n for n in names if any(fnmatch.fnmatch(n, one) for one in options["allow_patterns"])]
        self.files = {n: (Path(options["folder_path"]) / n).read_bytes() for n in kept}
        return types.SimpleNamespace(commit_url="https://hub.example/commit/1")


@pytest.fixture(scope="module")
def adapter(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(base=tiny_base, quantization="none", method="lora", epochs=1, batch_size=2)
    return train(ROWS, config, tmp_path_factory.mktemp("hub") / "my adapter", on_progress=lambda _: None).folder


def results_of(adapter: Path | None) -> Results:
    difference = Difference(
        value=0.2,
        low=0.1,
        high=0.3,
        n=50,
        wins=12,
        ties=36,
        losses=2,
        p=0.01,
        p_adjusted=0.01,
        state="BETTER",
        margin=0.02,
        method="paired",
    )
    score = Estimate(value=0.84, low=0.7, high=0.92, n=50)
    return Results(
        task=TaskFacts(name="desks <b>", kind="label", n=50, primary_metric="label_accuracy", fingerprint="f" * 64),
        baseline="zero-shot",
        variants=(
            VariantResult(name="zero-shot", family="prompt", description="", metrics={"label_accuracy": score}),
            VariantResult(
                name="tuned",
                family="tune",
                description="",
                metrics={"label_accuracy": score},
                difference=difference,
            ),
        ),
        verdict=Verdict(answer="fine-tune", choice="tuned", headline="Fine-tune.", cautions=("Few questions.",)),
        items=(),
        model={"adapter_sha256": Adapter.load(adapter).weights_sha256} if adapter else {},
    )


def test_the_repository_is_private_and_holds_what_is_allowed(adapter: Path) -> None:
    (adapter / "notes.txt").write_text("secret")
    api = RecordingApi()
    exported = push(ExportJob((adapter,), repo="owner/name"), api)
    assert api.calls[0] == ("owner/name", {"private": True, "exist_ok": True})
    assert {"README.md", "adapter_config.json", "adapter_model.safetensors"} <= set(api.files)
    assert not {"notes.txt", "card.json"} & set(api.files)  # the card names the base's folder
    config = json.loads(api.files["adapter_config.json"])
    assert (config["base_model_name_or_path"], config["revision"], config["peft_type"]) == (None, None, "LORA")
    assert not [name for name, content in api.files.items() if str(adapter.parent.parent).encode() in content]
    assert exported.lines[-1] == "Next: https://hub.example/commit/1"
    assert b"base_model:" not in api.files["README.md"]


def test_the_card_tells_the_verdict_of_the_run(adapter: Path, tmp_path: Path) -> None:
    results_of(adapter).save(tmp_path / "results.json")
    job = ExportJob((adapter,), tmp_path / "out", repo="o/desk", run=tmp_path, dry_run=True)
    lines = "\n".join(export_hub(job).lines)
    assert "Would push to o/desk" in lines
    assert "domainkit export" in lines
    text = (tmp_path / "out" / "README.md").read_text()
    assert "**Fine-tune.**" in text
    assert "| tuned (this adapter) | 84.0 |" in text
    assert "desks &lt;b" in text or "desks \\<b" in text
    from huggingface_hub import ModelCard

    data = ModelCard(text).data
    assert data.library_name == "peft"
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [("label_accuracy", 0.84)]


def test_a_run_of_another_adapter_lends_it_no_figures(adapter: Path, tmp_path: Path) -> None:
    results_of(None).save(tmp_path / "results.json")
    export_hub(ExportJob((adapter,), tmp_path / "out", repo="o/desk", run=tmp_path, dry_run=True))
    text = (tmp_path / "out" / "README.md").read_text()
    assert "This adapter is not one of those that were compared." in text
    assert "eval_results" not in text
    assert "model-index" not in text


def test_a_base_on_the_hub_is_named(tiny_base: str, tmp_path: Path) -> None:
    folder = lora_folder(tmp_path / "a", tiny_base, 1)
    api = RecordingApi()
    push(ExportJob((folder,), repo="o/n", base="owner/base"), api)
    assert json.loads(api.files["adapter_config.json"])["base_model_name_or_path"] == "owner/base"
    assert b"base_model: owner/base" in api.files["README.md"]
    assert b"how it was trained is not known" in api.files["README.md"]


def test_wrong_calls_are_errors_with_the_next_step(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names no repository"):
        export_hub(ExportJob((adapter,)))
    with pytest.raises(ConfigError, match="'a b' is not OWNER/NAME"):
        export_hub(ExportJob((adapter,), repo="a b"))
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(ConfigError, match="exists and is not an adapter"):
        export_hub(ExportJob((adapter,), tmp_path, repo="o/n", dry_run=True))
    api = RecordingApi(OSError("no route"))
    with pytest.raises(MachineError, match="the hub did not take it: no route") as e:
        push(ExportJob((adapter,), repo="o/n"), api)
    assert "--dry-run" in str(e.value)
