"""The page and the Markdown: complete, from results.json alone, and texts of others stay text."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.leaving.certificate import certificate_of
from domainkit.leaving.write import certificate_markdown, certificate_page, write_certificate
from domainkit.results.schema import Results
from tests.leaving.made_up import FACTS, HALF, ONES, left

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "<script>alert(1)</script> | [x](javascript:y)\u202e @all"


def hostile() -> Results:
    facts = FACTS.model_copy(update={"model": HOSTILE, "versions": (HOSTILE,)})
    found = left({"incumbent": [*ONES[:30], *[None] * 10], "tuned": HALF[:40]}, facts)
    items = tuple(
        i.model_copy(
            update={"answers": {n: a.model_copy(update={"error": a.error and HOSTILE}) for n, a in i.answers.items()}}
        )
        for i in found.items
    )
    model = {"base": HOSTILE, "adapter_sha256": HOSTILE}
    task = found.task.model_copy(update={"name": HOSTILE})
    return found.model_copy(update={"items": items, "task": task, "model": model})


def test_hostile_names_and_errors_are_text() -> None:
    made = certificate_of(hostile(), f"runs/{HOSTILE}", "0" * 64)
    page, text = certificate_page(made), certificate_markdown(made)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page + text
    assert "<script" not in text
    assert "[x](" not in text
    assert "@all" not in text.replace("@<!-- -->all", "")


@pytest.mark.parametrize("ours", [ONES, HALF, ONES[:40]])
def test_it_is_made_again_from_results_alone(ours: list[float], tmp_path: Path) -> None:
    left({"incumbent": ONES[: len(ours)], "tuned": ours}).save(tmp_path / "results.json")
    first = [file.read_text(encoding="utf-8") for file in write_certificate(tmp_path)]
    assert [file.read_text(encoding="utf-8") for file in write_certificate(tmp_path / "results.json")] == first
    assert {file.name for file in tmp_path.iterdir()} == {"results.json", "certificate.html", "certificate.md"}
    assert ("What is lacking" in first[0]) is (ours is not ONES)
    assert first[1].startswith("# ")


def test_results_of_another_command_have_no_certificate(tmp_path: Path) -> None:
    left({"incumbent": ONES[:8], "tuned": ONES[:8]}, leaving=None).save(tmp_path / "results.json")
    with pytest.raises(ConfigError, match="name no incumbent"):
        write_certificate(tmp_path)


@pytest.mark.skipif(CHROMIUM is None, reason="neither chromium nor chromium-browser is on PATH")
def test_it_prints_on_one_sheet(tmp_path: Path) -> None:
    hostile().save(tmp_path / "results.json")
    page, _ = write_certificate(tmp_path)
    pdf = tmp_path / "page.pdf"
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={tmp_path}/c")
    command = [str(CHROMIUM), *quiet, f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    import pypdfium2

    document = pypdfium2.PdfDocument(str(pdf))
    assert len(document) == 1
    width, height = document[0].get_size()
    assert (round(width), round(height)) == (595, 842)
    document.close()
