"""A loaded variant answers as the measured one did, from what the run folder holds alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit import load_variant
from tests.winner.conftest import VARIANTS, questions, rows_of

pytestmark = pytest.mark.real  # MiniLM finds the nearest examples and the passages


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_answers_as_it_was_measured(run: Path, name: str) -> None:
    rows = rows_of(run, name)
    answers = load_variant(run, name).batch(questions(run))
    assert [a.text for a in answers] == [row["text"] for row in rows]
    for answer, row in zip(answers, rows, strict=True):
        usage = answer.usage_metadata
        if usage is None:
            assert row["prompt_tokens"] is None
        else:
            assert (usage["input_tokens"], usage["output_tokens"]) == (row["prompt_tokens"], row["completion_tokens"])
        passages = [p["id"] for p in answer.response_metadata.get("passages", ())]
        assert passages == [p["id"] for p in row["passages"]]
