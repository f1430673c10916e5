"""How tasks and adapters show themselves in a notebook."""

from __future__ import annotations

from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.evaluation.task import Sample, Task
from domainkit.facts_table import facts_table

GOLDEN = Path(__file__).parent / "laws" / "goldens" / "adapter"


def test_text_stays_text_and_absent_facts_are_left_out() -> None:
    shown = facts_table("<b>x</b>", [("a&b", "<script>\u202e"), ("none", None), ("empty", ""), ("long", "y" * 999)])
    assert "<script" not in shown
    assert "&lt;script&gt;⟨U+202E⟩" in shown
    assert "<b>x</b>" not in shown.replace("<b><bdi>", "")
    assert "none" not in shown
    assert "y" * 300 + "…" in shown


def test_a_task_shows_its_first_questions() -> None:
    samples = tuple(Sample(id=f"q{k}", input=f"where {k}?", target="<here>", references=("<here>",)) for k in range(9))
    shown = Task(name="desk", kind="answer", samples=samples, fingerprint="f")._repr_html_()
    assert "Task desk" in shown
    assert "where 2?  →  &lt;here&gt;" in shown
    assert "where 3?" not in shown


def test_an_adapter_shows_what_its_card_says() -> None:
    adapter = Adapter.load(GOLDEN, verify=False)
    assert adapter.card is not None
    shown = adapter._repr_html_()
    assert f"{adapter.card.examples:,} examples" in shown
    assert adapter.card.method in shown
    assert "unknown" in Adapter(GOLDEN, None, "")._repr_html_()
