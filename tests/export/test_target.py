"""A target refuses what it does not use, and asks for what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.export.target import Exported, ExportJob, export_target
from tests.training.small_runs import ROWS


@export_target(uses=("out", "quantization"))
def names(job: ExportJob) -> Exported:
    return Exported((job.one_adapter().name,), job.required_out())


def test_an_unused_option_is_named_as_the_command_line_does(tmp_path: Path) -> None:
    assert names(ExportJob((Path("a"),), tmp_path)).lines == ("a",)
    with pytest.raises(ConfigError, match="--data: this target does not use it\n  next: leave --data out"):
        names(ExportJob((Path("a"),), tmp_path, held_out=ROWS))
    with pytest.raises(ConfigError, match="--base: this target does not use it"):
        names(ExportJob((Path("a"),), tmp_path, base="x"))


def test_a_missing_folder_and_a_second_adapter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--out: this target writes a folder"):
        names(ExportJob((Path("a"),)))
    with pytest.raises(ConfigError, match="one adapter at a time"):
        names(ExportJob((Path("a"), Path("b")), tmp_path))
