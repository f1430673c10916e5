"""What a decided comparison costs, and what its adapter made the base forget."""

from __future__ import annotations

from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.evaluation.answers_on_disk import Progress, RowStore
from domainkit.evaluation.general_questions import ask
from domainkit.llm.chat_model import DomainLLM
from domainkit.results.schema import Forgetting, Hardware, Results, TrainingReceipt
from domainkit.verdict.costs.cost import cost_of
from domainkit.verdict.forgetting import forgetting_of, with_forgetting


def with_consequences(results: Results, plan: ComparisonPlan, file: Path, on_progress: Progress | None) -> Results:
    """The results with the cost, and the forgetting where general questions were given; their answers are kept in
    `file`."""
    forgetting = _forgetting(plan, _before_and_after(plan, results.verdict.choice), file, on_progress)
    return with_forgetting(results.model_copy(update={"cost": cost_of(results, plan.inputs.prices)}), forgetting)


def _forgetting(
    plan: ComparisonPlan, models: tuple[DomainLLM, DomainLLM] | None, file: Path, on_progress: Progress | None
) -> Forgetting | None:
    general = plan.inputs.general
    if general is None or models is None:
        return None
    with RowStore(file) as store:
        before = ask(general, models[0], "general, base", store, on_progress)
        after = ask(general, models[1], "general, adapter", store, on_progress)
    return forgetting_of(general, before, after, plan.inputs.config.forgetting_margin)


def _before_and_after(plan: ComparisonPlan, choice: str) -> tuple[DomainLLM, DomainLLM] | None:
    """The model of the recommended variant without and with its adapter, else of the first variant that has one: those
    of the base before others."""
    tuned = [v for v in plan.variants if v.tuned]
    first = min(tuned, key=lambda v: (v.name != choice, v.model is not None, v.context), default=None)
    if first is not None:
        before, after = plan.untrained_of(first), plan.model_of(first)
        assert isinstance(before, DomainLLM)
        assert isinstance(after, DomainLLM)
        return before, after
    adapter = plan.adapter or plan.context_adapter
    return (plan.base_llm, plan.llm_with(adapter)) if adapter else None


def receipt_of(adapter: Adapter | None) -> TrainingReceipt | None:
    """What training an adapter cost, from its card; None without a card."""
    if adapter is None or adapter.card is None:
        return None
    card = adapter.card
    return TrainingReceipt(
        method=card.method,
        examples=card.examples,
        tokens=card.tokens,
        seconds=card.seconds,
        trainable_parameters=card.trainable_parameters,
        final_loss=card.final_loss,
        teachers=card.teachers,
        epochs=epochs if isinstance(epochs := card.config.get("epochs"), int | float) else None,
        adapter_bytes=sum(f.stat().st_size for f in adapter.folder.iterdir() if f.suffix == ".safetensors"),
        hardware=Hardware.model_validate(card.hardware) if card.hardware else None,
    )
