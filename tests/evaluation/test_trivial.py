"""The answers that need no model."""

from __future__ import annotations

import pytest

from domainkit.errors import ConfigError
from domainkit.evaluation.trivial import fit_trivial
from tests.evaluation.test_classical import examples, same


def test_the_commonest_label_is_the_answer_to_everything() -> None:
    what, answer = fit_trivial("label", examples(("a", "x"), ("b", "y"), ("x", "y")), same)
    assert (what, answer("x"), answer("")) == ("the commonest label, 'y'", "y", "y")
    assert fit_trivial("label", examples(("a", "y"), ("b", "x")), same)[1]("?") == "x", "of equals the first by name"


def test_a_free_answer_is_copied_where_that_scores() -> None:
    what, answer = fit_trivial("answer", examples(("a", "a"), ("b", "b"), ("c", "x")), same)
    assert (what, answer("z")) == ("the input copied", "z")
    what, answer = fit_trivial("answer", examples(("a", "yes"), ("b", "yes"), ("c", "c")), same)
    assert (what, answer("z")) == ("the commonest answer", "yes")
    assert fit_trivial("answer", [], same)[1]("z") == "z"


def test_without_solved_examples_no_label_is_the_commonest() -> None:
    with pytest.raises(ConfigError, match="the commonest label is not known"):
        fit_trivial("label", [], same)
