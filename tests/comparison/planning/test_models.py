"""Several models in one ladder: names, the variants that run on each, and the key of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from domainkit import DomainLLM, Example, Sample, Task, Turn, Variant
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.inputs import Inputs, read_inputs
from domainkit.comparison.planning.choice import choose_variants
from domainkit.comparison.planning.models import read_models
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.errors import ConfigError

TASK = Task(
    name="t",
    kind="label",
    labels=("blue", "red"),
    samples=(Sample(id="1", input="q", target="red", references=("red",)),),
    fingerprint="",
)
ROWS = [Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content="red"))) for q in "ab"]


class Scripted(BaseChatModel):
    """Answers red to all."""

    max_tokens: int | None = None
    word: str = "red"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.word))])


def inputs(base: str, models: dict[str, Any], **options: Any) -> Inputs:
    config = CompareConfig(base=base, retriever="lexical", **options)
    return read_inputs(TASK, config, train=ROWS, models=read_models(models))


def plan(base: str, models: dict[str, Any], *variants: str | Variant, **options: Any) -> ComparisonPlan:
    return choose_variants(inputs(base, models, **options), variants or None)


def names(made: ComparisonPlan) -> list[str]:
    return [v.name for v in made.variants]


def test_each_prompting_rung_runs_on_each_model_after_the_base(tiny_base: str) -> None:
    made = plan(tiny_base, {"a": Scripted(), "b": Scripted(word="blue")})
    rungs = ["zero-shot", "few-shot", "knn-few-shot"]
    wanted = [*rungs, *(f"{r}@a" for r in rungs), *(f"{r}@b" for r in rungs)]
    assert [n for n in names(made) if n not in ("trivial", "classical")] == wanted
    assert made.left_out["rag@a"] == "no documents were given (--corpus)"
    assert "tuned@a" not in made.left_out


def test_a_name_means_all_models_and_at_means_one(tiny_base: str) -> None:
    models = {"a": Scripted()}
    assert names(plan(tiny_base, models, "zero-shot")) == ["zero-shot", "zero-shot@a", "trivial"]
    assert names(plan(tiny_base, models, "zero-shot@a")) == ["zero-shot@a", "trivial"]
    assert names(plan(tiny_base, models, "zero-shot@base")) == ["zero-shot", "trivial"]
    assert names(plan(tiny_base, models, "trivial")) == ["trivial"]
    assert plan(tiny_base, models, "zero-shot@a").baseline == "zero-shot@a"


def test_the_named_model_answers(tiny_base: str) -> None:
    made = plan(tiny_base, {"a": Scripted(word="blue")}, "few-shot@a")
    answer = made.runnable(made.variants[0]).invoke("q")
    assert answer.text == "blue"
    assert made.variants[0].description == (
        "The model a with an instruction and the same few solved examples for every question."
    )


def test_a_base_of_our_own_has_the_comparisons_settings_and_is_held_to_the_labels(tiny_base: str) -> None:
    made = plan(tiny_base, {"small": tiny_base}, "zero-shot@small", seed=3)
    llm = made.model_of(made.variants[0])
    assert isinstance(llm, DomainLLM)
    assert (llm.base, llm.temperature, llm.seed) == (tiny_base, 0.0, 3)
    assert made.runnable(made.variants[0]).invoke("q").text in TASK.labels


def test_what_an_object_sets_itself_stays(tiny_base: str) -> None:
    given = DomainLLM(base=tiny_base, temperature=0.5, max_tokens=9)
    llm = (made := plan(tiny_base, {"small": given}, "zero-shot@small")).model_of(made.variants[0])
    assert isinstance(llm, DomainLLM)
    assert (llm.temperature, llm.max_tokens) == (0.5, 9)


def test_a_limit_holds_for_every_model_and_without_one_the_providers_stands(tiny_base: str) -> None:
    free = plan(tiny_base, {"a": Scripted()}, "zero-shot@a")
    held = plan(tiny_base, {"a": Scripted()}, "zero-shot@a", max_tokens=7)
    assert free.model_of(free.variants[0]).max_tokens is None  # type: ignore[attr-defined]
    assert held.model_of(held.variants[0]).max_tokens == 7  # type: ignore[attr-defined]


def key(base: str, models: dict[str, Any], variant: str, **options: Any) -> str:
    made = plan(base, models, variant, **options)
    return made.key(made.variants[0])


def test_the_key_is_of_the_model_and_not_of_its_name(tiny_base: str) -> None:
    first = key(tiny_base, {"a": Scripted()}, "zero-shot@a")
    assert key(tiny_base, {"b": Scripted()}, "zero-shot@b") == first
    assert key(tiny_base, {"a": Scripted(word="blue")}, "zero-shot@a") != first
    assert key(tiny_base, {"a": Scripted()}, "few-shot@a") != first
    assert key(tiny_base, {"a": Scripted()}, "zero-shot@a", max_tokens=7) != first
    assert key(tiny_base, {"a": Scripted()}, "zero-shot@base") == key(tiny_base, {}, "zero-shot")


@pytest.mark.parametrize(
    ("models", "variants", "wrong"),
    [
        ({"a": 1}, ["zero-shot@b"], "runs on the model 'b', which is not among the models"),
        ({}, ["zero-shot@gpt"], "name it: --model gpt=SPEC"),
        ({"a": 1}, ["zero-shott@a"], "unknown variant 'zero-shott'"),
        ({"a": 1}, ["tuned@a"], "a \\(Scripted\\) does not run in this process, so no adapter is trained on it here"),
        ({"own": 3}, ["tuned@own"], "no adapter of the model own was trained \\(--fit trains one\\)"),
        ({"own": 3}, ["tuned-context@own"], "no adapter of the model own was trained on passages"),
        ({"a": 1}, ["classical@a"], "it uses no language model"),
        ({"a": 1}, ["trivial@base"], "it uses no language model"),
        ({"a": 1}, ["zero-shot", "zero-shot@a"], "named twice"),
        ({"base": 1}, ["zero-shot"], "'base' is the comparison's own base"),
        ({"a@b": 1}, ["zero-shot"], "'a@b' cannot be the name of a model"),
        ({"a b": 1}, ["zero-shot"], "'a b' cannot be the name of a model"),
        ({"": 1}, ["zero-shot"], "'' cannot be the name of a model"),
        ({"a": ""}, ["zero-shot"], "names no model"),
        ({"a": 2}, ["zero-shot"], "neither a chat model nor the name of one"),
    ],
)
def test_what_cannot_be_meant_is_named(models: dict[str, Any], variants: list[str], wrong: str, tiny_base: str) -> None:
    given = {name: {1: Scripted(), 3: tiny_base}.get(value, value) for name, value in models.items()}
    with pytest.raises(ConfigError, match=wrong):
        plan(tiny_base, given, *variants)


def test_a_model_that_no_variant_uses_is_named(tiny_base: str, caplog: pytest.LogCaptureFixture) -> None:
    plan(tiny_base, {"a": Scripted(), "b": Scripted()}, "zero-shot@a")
    assert "the model b is not used by any of the variants: zero-shot@a, trivial" in caplog.text
    assert "the model a is not used" not in caplog.text


def test_a_variant_of_a_program_is_tuned_on_a_base_of_our_own_only(tiny_base: str) -> None:
    mine = Variant(name="mine", description="X.", tuned=True, model="a")
    with pytest.raises(ConfigError, match=r"'mine' cannot run: a \(Scripted\) does not run in this process"):
        plan(tiny_base, {"a": Scripted()}, mine)


def test_a_tuned_rung_runs_on_the_models_that_can_be_tuned(tiny_base: str) -> None:
    made = plan(tiny_base, {"a": Scripted(), "own": tiny_base})
    assert made.left_out["tuned@own"] == "no adapter of the model own was trained (--fit trains one)"
    assert "tuned@a" not in made.left_out


def test_a_variant_with_a_model_is_a_built_in_chain() -> None:
    with pytest.raises(ValueError, match="answer with their own"):
        Variant(name="x", description="X.", classical="auto", model="gpt")
