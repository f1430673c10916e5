"""Loggers get every step, through Accelerate; a missing package is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from accelerate import tracking
from accelerate.tracking import GeneralTracker

from domainkit.errors import ConfigError, MachineError
from tests.training.small_runs import losses, run, stop_at


class Recorder(GeneralTracker):
    name = "recorder"
    requires_logging_directory = True
    runs: ClassVar[list[Recorder]] = []

    def __init__(self, run_name: str, logging_dir: str) -> None:
        super().__init__()
        self.run_name, self.logging_dir = run_name, logging_dir
        self.config: dict[str, Any] = {}
        self.steps: dict[int, dict[str, float]] = {}
        self.finished = False
        self.runs.append(self)

    @property
    def tracker(self) -> Recorder:
        return self

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.config = values

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:
        assert step is not None
        self.steps[step] = values

    def finish(self) -> None:
        self.finished = True


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "recorder", Recorder)
    monkeypatch.setattr(Recorder, "runs", [])
    return Recorder.runs


def test_a_logger_gets_the_configuration_and_every_step(
    tiny_base: str, tmp_path: Path, recorder: list[Recorder]
) -> None:
    adapter = run(tiny_base, tmp_path / "a", report_to="recorder")
    [logger] = recorder
    assert (logger.run_name, logger.logging_dir) == ("a", str(tmp_path / "runs"))
    assert logger.config["method_options.rank"] == 4
    assert [logger.steps[step]["loss"] for step in range(1, 13)] == losses(adapter)
    assert logger.steps[2]["learning_rate"] == pytest.approx(0.02 * 2 / 3)
    assert logger.finished


def test_logging_changes_neither_weights_nor_identity(tiny_base: str, tmp_path: Path, recorder: list[Recorder]) -> None:
    plain = run(tiny_base, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "b", on_progress=stop_at(4))
    assert run(tiny_base, tmp_path / "b", resume=True, report_to="recorder").weights_sha256 == plain.weights_sha256
    assert list(recorder[0].steps) == list(range(5, 13))


def test_a_missing_package_and_an_unknown_logger_are_named_before_training(tiny_base: str, tmp_path: Path) -> None:
    installed = {str(kind) for kind in tracking.get_available_trackers()}
    missing = [n for n in ("wandb", "mlflow", "comet_ml", "aim") if n not in installed]
    if missing:
        with pytest.raises(MachineError, match=f"report_to={missing[0]} needs the package {missing[0]}"):
            run(tiny_base, tmp_path / "a", report_to=missing[0])
    with pytest.raises(ConfigError, match="unknown logger 'tensorbord'") as caught:
        run(tiny_base, tmp_path / "a", report_to="tensorbord")
    assert "tensorboard" in str(caught.value)


def test_tensorboard_files_lie_beside_the_adapter(tiny_base: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(tiny_base, tmp_path / "a", report_to="tensorboard", epochs=1)
    assert list((tmp_path / "runs" / "a").rglob("events.out.tfevents*"))
