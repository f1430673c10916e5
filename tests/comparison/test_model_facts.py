"""What the results say of each model where several answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit import Results, compare
from domainkit.report.markdown import to_markdown
from tests.comparison.planning.test_models import Scripted


@pytest.fixture(scope="module")
def ladder(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    """A base, a model that answers with a label, and one that answers with none."""
    rows = [{"input": f"question {i}", "target": ("red", "blue")[i % 2]} for i in range(8)]
    out = tmp_path_factory.mktemp("ladder") / "run"
    models = {"right": Scripted(), "odd": Scripted(word="who knows"), "small": tiny_base}
    options = {"base": tiny_base, "kind": "label", "max_tokens": 4, "latency_items": 0}
    return compare(rows[:4], ["zero-shot"], out, train=rows[4:], models=models, **options), out


def test_each_model_has_its_facts_and_the_base_is_one(ladder: tuple[Results, Path], tiny_base: str) -> None:
    results, out = ladder
    facts = {m.name: m for m in Results.load(out).models}
    assert [*facts] == ["base", "right", "odd", "small"]
    assert (facts["base"].spec, facts["small"].spec, facts["small"].given) == (tiny_base, tiny_base, False)
    assert (facts["right"].spec, facts["right"].given, facts["right"].local) == ("Scripted", True, False)
    assert [facts[n].held for n in facts] == ["grammar", "parsed", "parsed", "grammar"]
    shares = {name: m.unreadable.value for name, m in facts.items() if m.unreadable}
    assert shares == {"base": 0.0, "right": 0.0, "odd": 1.0, "small": 0.0}
    assert facts["right"].asked_from == results.created[:10]


def test_the_variants_say_what_they_run_on_and_the_report_shows_the_models(ladder: tuple[Results, Path]) -> None:
    results, out = ladder
    assert [v.runs_on for v in results.variants] == ["", "right", "odd", "small", ""]
    assert "| odd | Scripted (given as an object) | elsewhere | — |" in to_markdown(results)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="models-title">Models</h2>' in page


def test_with_the_base_alone_nothing_is_said_of_models(tiny_base: str, tmp_path: Path) -> None:
    rows = [{"input": f"question {i}", "target": "red"} for i in range(3)]
    compare(rows[:2], ["trivial"], tmp_path / "run", train=rows[2:], kind="answer")
    assert '"models":' not in (tmp_path / "run" / "results.json").read_text(encoding="utf-8")
