"""The report says why there are fewer rows, and which option mends it."""

from __future__ import annotations

from pathlib import Path

from domainkit import Document, make
from domainkit.synthesis.report.sentences import next_command, why_fewer
from tests.synthesis.scripted import Scripted, documents, perfect

TEXT = "The tide table of harbour {} is printed twice a year, and the ferry leaves at 7.40 from pier 3."


def test_a_writer_that_is_too_weak_is_called_so_with_the_option_that_names_another(tmp_path: Path) -> None:
    corpus = [Document(id=str(i), source=f"{i}.pdf", text=TEXT.format(i)) for i in range(9)]
    made = make(corpus, Scripted(lambda _: "I am sorry."), out=tmp_path / "run", rows=9, test_share=0, per_request=1)
    assert why_fewer(made).startswith("The writer is too weak for these documents: 0 of ")
    assert "Name a stronger model with --writer (provider:model, or server:http://host:8000#model)" in why_fewer(made)
    assert next_command(made) == f"domainkit make CORPUS --writer PROVIDER:MODEL --out {tmp_path / 'run'}-2"


def test_a_good_writer_with_too_few_documents_is_not(tmp_path: Path) -> None:
    made = make(documents(), Scripted(perfect), out=tmp_path / "run", rows=60, test_share=0)
    assert len(made.rows) == 24
    assert why_fewer(made).startswith("Fewer rows than wanted: every section was asked about")
    assert "a stronger --writer" in why_fewer(made)
