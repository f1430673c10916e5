"""The incumbent as a teacher: it answers questions that nobody has labelled, and what is accepted joins the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.comparison.inputs import Inputs
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import read_examples
from domainkit.corpus.rows.columns import Columns
from domainkit.corpus.rows.open_rows import RowsGiven, name_of
from domainkit.corpus.rows.tools import ToolsGiven, read_tools
from domainkit.distillation.distil import answer_and_write, parse_config
from domainkit.distillation.learnt_task import LearntTask, in_task_form
from domainkit.distillation.result import Distilled
from domainkit.distillation.teacher import GivenTeacher, make_teacher
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import Progress
from domainkit.evaluation.read_questions import read_questions
from domainkit.evaluation.task import Sample
from domainkit.leaving.incumbent import NAME, Asked
from domainkit.messages import JsonObject, Message
from domainkit.results.leaving import AskedAs, TaughtFacts
from domainkit.verdict.costs.payment import Payment, payment_of
from domainkit.verdict.costs.prices import OwnPrices, PriceTable

FOLDER = "taught"
"""Of the run folder: what `distil` writes."""
DECIDED = ("kind", "variant", "shots", "prices")
"""Options of `distil` that the run itself decides."""
PROMPTS: dict[AskedAs, str] = {"rows": "tuned", "instruction": "zero-shot"}
"""How the incumbent is asked, as the ladder names it: the bare question, or behind the instruction."""


@dataclass(frozen=True)
class Teaching:
    """What the incumbent is to teach."""

    inputs: RowsGiven | Sequence[str]
    options: Mapping[str, object]
    """Fields of DistilConfig."""
    columns: Columns | None = None
    tools: ToolsGiven | None = None


def teach(
    teaching: Teaching, incumbent: Asked, inputs: Inputs, out: Path, on_progress: Progress | None
) -> tuple[list[Example], TaughtFacts]:
    """The rows that the incumbent answered and that were accepted, and what the results say of them.

    It is asked as in the comparison. Nothing near a question of the test is asked. Answers are kept in `out`, as
    `distil` keeps them. Raises DomainkitError.
    """
    task, model = inputs.task, incumbent.model
    payment = payment_of(inputs.prices, NAME, model.name, hosted=not model.is_local)
    given, prompt = _teacher(incumbent)
    config = parse_config({**options_of(teaching, inputs, payment), "kind": task.kind, **prompt})
    learnt = LearntTask(task.model_copy(update={"samples": ()}), inputs.solved, task.source)
    asked = read_questions(teaching.inputs, teaching.columns, read_tools(teaching.tools))
    samples = in_task_form(asked, learnt, name_of(teaching.inputs))
    made = answer_and_write(
        samples,
        make_teacher(given, learnt, config),
        learnt,
        config,
        out / FOLDER,
        prices=_at(payment, model.name, inputs.prices),
        tested=[as_example(sample) for sample in task.samples],
        test=task.source or task.name,
        on_progress=on_progress,
    )
    return read_examples(made.file) if made.rows else [], _facts(made, payment)


def _teacher(incumbent: Asked) -> tuple[GivenTeacher, JsonObject]:
    """The teacher, and how it is asked; what is no chat model is asked through its chain."""
    model = incumbent.model
    if incumbent.is_chat_model:
        prompt = {"variant": PROMPTS[incumbent.form]}
        return GivenTeacher("", model=model, held=incumbent.held and incumbent.form == "instruction"), prompt
    return GivenTeacher(model.name, runnable=incumbent.variant.runnable), {}


def options_of(teaching: Teaching, inputs: Inputs, payment: Payment) -> JsonObject:
    """The options of `distil`. Raises ConfigError for those that the run decides, and for a budget in money where no
    price is known."""
    options = dict(teaching.options)
    if own := next((name for name in DECIDED if name in options), None):
        step = "give --prices to leave itself" if own == "prices" else "leave it out: it is asked as in the comparison"
        raise ConfigError(f"'{own}' is not an option of the teaching", where=f"teaching.{own}", next_step=step)
    if inputs.config.budget is not None and not any(name.startswith("budget_") for name in options):
        what = "the budget counts the test questions, and the teaching has none of its own"
        raise ConfigError(what, where="budget", next_step="add teaching.budget_money=…, budget_calls or budget_tokens")
    if options.get("budget_money") is not None and payment.paid_by == "tokens":
        if payment.reason:
            raise ConfigError(
                payment.reason, where="teaching.budget_money", next_step="give the price, or budget_calls"
            )
        options["prices"] = inputs.config.prices
    return options


def as_example(sample: Sample) -> Example:
    """A question of the test with its answer, to look for its copies."""
    system = [Message("system", sample.system)] if sample.system else []
    asked = Message("user", sample.input)
    turns = (*system, *sample.turns, asked, Message("assistant", sample.target))
    return Example(turns=turns, id=sample.id)


def _at(payment: Payment, model: str, prices: PriceTable) -> PriceTable:
    """The table with the incumbent's price under the name of its model, which is what `distil` looks for."""
    own = OwnPrices(
        paid_by=payment.paid_by, input=payment.input, cached_input=payment.cached_input, output=payment.output
    )
    return prices.model_copy(update={"variants": {**prices.variants, model: own}})


def _facts(made: Distilled, payment: Payment) -> TaughtFacts:
    [use] = made.uses
    is_paid = not use.is_local and payment.paid_by == "tokens"
    return TaughtFacts(
        questions=len(made.outcomes),
        rows=len(made.rows),
        refused=dict(made.refused().most_common()),
        samples=made.config.samples,
        calls=use.cost.calls,
        money=round(use.cost.money, 6) if is_paid and payment.is_known else None,
        paid=is_paid,
        ended_by=made.ended_by,
        score=made.quality,
        failures=len(use.failures),
    )


__all__ = ["DECIDED", "FOLDER", "Teaching", "as_example", "teach"]
