"""What a decided comparison costs, and what its adapter broke: both are added to the results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.comparison.config import CompareConfig
from domainkit.comparison.plan import Plan
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.general_questions import General, Progress, ask, read_general
from domainkit.llm.chat_model import DomainLLM
from domainkit.results.schema import Forgetting, Results, TrainingReceipt, VariantResult
from domainkit.verdict.cost import cost_of
from domainkit.verdict.forgetting import forgetting_of, with_forgetting
from domainkit.verdict.prices import PriceTable, read_prices

GENERAL = "general.jsonl"


@dataclass(frozen=True, slots=True)
class Given:
    """The price table, and the general questions where some are to be asked."""

    prices: PriceTable
    general: General | None


def read_given(config: CompareConfig, adapted: bool) -> Given:
    """Read both before anything is trained or asked, and refuse what does not fit. `adapted`: an adapter is, or will be, there."""
    if config.general_text and not config.general:
        raise ConfigError("general_text is given without general", next_step="give --general a file of questions, too")
    if config.general and not adapted:
        raise ConfigError(
            "general questions are given, but no adapter that could have forgotten them",
            where=config.general,
            next_step="give --adapter (or --fit), or leave --general out",
        )
    general = read_general(config.general, config.general_text) if config.general else None
    return Given(read_prices(config.prices), general)


def add_consequences(results: Results, plan: Plan, given: Given, out: Path, on_progress: Progress | None) -> Results:
    """The results with their cost, and with forgetting where general questions were given; answers are kept in `out`."""
    results = results.model_copy(update={"variants": _with_receipts(results, plan)})
    results = results.model_copy(update={"cost": cost_of(results, given.prices)})
    return with_forgetting(results, _forgetting(results, plan, given, out, on_progress))


def _forgetting(
    results: Results, plan: Plan, given: Given, out: Path, on_progress: Progress | None
) -> Forgetting | None:
    tuned = _adapted(plan, results.verdict.choice)
    if given.general is None or tuned is None:
        return None
    with RowStore(out / GENERAL) as store:
        before = ask(given.general, plan.base_llm, "general, base", store, on_progress)
        after = ask(given.general, tuned, "general, adapter", store, on_progress)
    return forgetting_of(given.general, before, after, plan.material.config.forgetting_margin)


def _adapted(plan: Plan, choice: str) -> DomainLLM | None:
    """The model with the recommended variant's adapter, else with the first there is."""
    chosen = next((v for v in plan.variants if v.name == choice), None)
    if chosen is not None and chosen.context and plan.context_llm is not None:
        return plan.context_llm
    return plan.tuned_llm or plan.context_llm


def _with_receipts(results: Results, plan: Plan) -> tuple[VariantResult, ...]:
    """A variant of the adapter trained with passages carries that adapter's receipt."""
    context = {v.name for v in plan.variants if v.context}
    own = receipt_of(plan.context_adapter)
    return tuple(v.model_copy(update={"training": own}) if v.name in context else v for v in results.variants)


def receipt_of(adapter: Adapter | None) -> TrainingReceipt | None:
    """What an adapter took, from its card; None without one."""
    if adapter is None or adapter.card is None:
        return None
    card = adapter.card
    return TrainingReceipt(
        method=card.method, examples=card.examples, tokens=card.tokens, seconds=card.seconds,
        trainable_parameters=card.trainable_parameters, final_loss=card.final_loss,
        adapter_bytes=sum(f.stat().st_size for f in adapter.folder.iterdir() if f.suffix == ".safetensors"),
        hardware=str(card.hardware),
    )  # fmt: skip
