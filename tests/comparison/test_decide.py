"""What the results say of a comparison beside its scores."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableLambda

from domainkit import Document, Example, Sample, Task, Turn, Variant
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.decide import leaks_of, model_identity, record_use_of, settings_of
from domainkit.comparison.inputs import read_inputs
from domainkit.comparison.planning.choice import choose_variants
from domainkit.comparison.planning.plan import ComparisonPlan

SAMPLES = tuple(Sample(id=str(i), input=f"question {i}", target="red", references=("red",)) for i in range(3))
TASK = Task(name="t", kind="label", labels=("blue", "red"), samples=SAMPLES, fingerprint="")
TRAIN = [Example(turns=(Turn(role="user", content="question 1"), Turn(role="assistant", content="red")))]
MINE = Variant(name="mine", description="A test's own.", runnable=RunnableLambda(lambda q: "red"))


def plan(variants: list[Any], **options: Any) -> ComparisonPlan:
    config = CompareConfig(**{"max_tokens": 4, "retriever": "lexical", **options})
    corpus = [Document(id="d", source="d", text="a text")]
    return choose_variants(read_inputs(TASK, config, train=TRAIN, corpus=corpus), variants)


def test_the_settings_are_those_that_the_variant_uses(tiny_base: str) -> None:
    made = plan(["classical", "few-shot", "rag", MINE], base=tiny_base, shots=2, passages=1)
    classical, few_shot, rag, mine, trivial = (settings_of(made, v) for v in made.variants)
    assert classical == {"model": "TF-IDF with logistic regression", "cross_validation": {}}
    assert trivial == {"answers": "the commonest label, 'red'"}
    assert mine == {}
    assert few_shot == {"max_tokens": 4, "decoding": "closed", "shots": 2, "chosen": "fixed"}
    assert (rag["passages"], rag["retriever"]) == (1, "lexical")
    assert "shots" not in rag


def test_without_a_language_model_there_is_no_model_and_no_embedding() -> None:
    made = plan([MINE])
    leaks, clean = leaks_of(made, TASK)
    assert model_identity(made) == {}
    assert clean == (True, False, True), "question 1 is a training row"
    assert next(leak for leak in leaks if leak.level == "embedding").unchecked.startswith("no built-in language-model")


def test_chosen_metrics_are_another_look_at_the_questions() -> None:
    first = record_use_of(plan([MINE]))
    assert record_use_of(plan([MINE])) == first, "the same comparison again"
    assert record_use_of(plan([MINE], metrics=("label_accuracy", "parse_failure"))).comparisons == first.comparisons + 1
