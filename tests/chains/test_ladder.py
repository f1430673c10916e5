"""The ladder's rows, and the choice of fixed examples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chains.ladder import LADDER, Parts, fixed_shots, instruction
from chains.prompts import fill, prompt_text
from domainkit import Example, Turn


def examples(targets: list[str]) -> list[Example]:
    return [
        Example(turns=(Turn(role="user", content=f"q{i}"), Turn(role="assistant", content=t)))
        for i, t in enumerate(targets)
    ]


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.integers(1, 12), st.integers(0, 5))
def test_no_label_is_shown_twice_before_all_once(targets: list[str], k: int, seed: int) -> None:
    shots = [e.target for e in fixed_shots(examples(targets), k, seed)]
    assert len(shots) == min(k, len(targets))
    first = shots[: len(set(targets))]
    assert len(set(first)) == len(first)


def test_the_same_seed_gives_the_same_fixed_shots() -> None:
    pool = examples(list("abcabc"))
    assert fixed_shots(pool, 3, 1) == fixed_shots(pool, 3, 1)


def test_every_variant_of_the_ladder_has_settings_of_its_own() -> None:
    assert list(LADDER) == [
        "trivial",
        "classical",
        "tuned-encoder",
        "zero-shot",
        "few-shot",
        "knn-few-shot",
        "rag",
        "oracle-rag",
        "tuned",
        "tuned-knn",
        "tuned-rag",
        "tuned-context",
        "agent",
        "tuned-agent",
    ]
    assert all(name == row.name and row.description.endswith(".") for name, row in LADDER.items())
    settings = [row.model_dump(exclude={"name", "family", "description", "needs"}) for row in LADDER.values()]
    assert len({str(s) for s in settings}) == len(LADDER)


def test_the_instruction_lists_the_labels_as_text() -> None:
    parts = Parts(base=None, kind="label", labels=["a", "{question}"])  # type: ignore[arg-type]
    assert "a\n{question}" in instruction(parts)


@given(st.text(), st.text())
def test_a_placeholder_inside_a_value_stays_text(passages: str, question: str) -> None:
    assert (
        fill("{passages}|{question}|{other}", passages=passages, question=question)
        == f"{passages}|{question}|{{other}}"
    )


def test_every_prompt_file_has_its_placeholders() -> None:
    assert "{labels}" in prompt_text("label")
    assert all(place in prompt_text("context") for place in ("{passages}", "{question}"))
    assert prompt_text("answer")
