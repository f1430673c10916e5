"""make: documents to grounded question–answer rows. The writer writes, the filters decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from domainkit import progress
from domainkit.corpus.document import Document
from domainkit.corpus.read_files import read_documents, read_examples
from domainkit.errors import ConfigError, validation_error_text
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.llm.named_model import NamedModel, find_model
from domainkit.storage import JsonObject, locked_folder
from domainkit.synthesis.asking.asker import Asker, Reply
from domainkit.synthesis.asking.paid import limiter_of, prices_of, refuse_unpaid
from domainkit.synthesis.asking.replies import Malformed, Written, read_reply
from domainkit.synthesis.asking.requests import SHORT_TOKENS, writing
from domainkit.synthesis.budget import Budget, Cost, price_of
from domainkit.synthesis.candidate import Candidate, Dropped, Reason
from domainkit.synthesis.config import MakeConfig
from domainkit.synthesis.documents.quotes import find_quote
from domainkit.synthesis.documents.sides import COMPARED, is_large
from domainkit.synthesis.files import REPLIES, claim_folder, write_files
from domainkit.synthesis.filters import FILTERS, FORM, Context
from domainkit.synthesis.plan import Plan, SectionState
from domainkit.synthesis.result import MadeRows, ModelUse
from domainkit.verdict.costs.prices import PriceTable

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

    Model = str | Path | BaseChatModel

Progress = Callable[[str, int, int], None]
"""(what is counted, done, in all)."""
CHECKED_TOKENS = 400
"""Read by the judge, or the base, for one row, about."""


class _Answered(NamedTuple):
    """A section that was asked about in a round."""

    state: SectionState
    questions: int
    """That were asked for."""
    reply: Reply | None


@dataclass
class _Run:
    """What grows while rows are made."""

    plan: Plan
    askers: dict[str, Asker]
    budget: Budget
    context: Context
    kept: list[Candidate] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    written: int = 0
    surplus: int = 0


def make(
    corpus: str | Path | Sequence[Document],
    writer: Model,
    *,
    out: str | Path,
    judge: Model | None = None,
    base: Model | None = None,
    against: str | Path | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> MadeRows:
    """Make question–answer rows from documents, and write them to the folder `out`: train.jsonl, test.jsonl,
    dropped.jsonl, report.md, make.json.

    `writer`, `judge` and `base` are LangChain chat models or names of such (`llm.named_model.NAMES`). The judge reads
    quote, question and answer; a question that the base answers without the document is dropped; `against` are people's
    own rows, whose questions are not asked again. `options` are the fields of `MakeConfig`. Every reply is kept in
    out/replies.jsonl: an interrupted run continues there, to the same rows. Raises DomainkitError.
    """
    config = _config(options)
    prices = prices_of(config)
    documents = list(read_documents(corpus)) if isinstance(corpus, str | Path) else list(corpus)
    plan = Plan(documents, config)
    asked = [e.question for e in read_examples(against)] if against is not None else []
    given = {"writer": writer, "judge": judge, "base": base}
    models = {role: find_model(model, role) for role, model in given.items() if model is not None}
    refuse_unpaid(config, [model.is_local for model in models.values()])
    out = Path(out)
    with locked_folder(out):
        claim_folder(out)
        with RowStore(out / REPLIES) as store:
            run = _start(plan, models, store, prices, asked)
            _make_rounds(run, on_progress or progress.report)
        made = _result(run, out, str(corpus) if isinstance(corpus, str | Path) else "", prices)
        write_files(made)
    return made


def _config(options: JsonObject) -> MakeConfig:
    try:
        return MakeConfig(**options)
    except ValidationError as e:
        clauses = "; ".join(validation_error_text(error, MakeConfig) for error in e.errors())
        raise ConfigError(clauses, next_step="domainkit make --help lists every option") from e


def _start(
    plan: Plan, models: dict[str, NamedModel], store: RowStore, prices: PriceTable, against: Sequence[str]
) -> _Run:
    config = plan.config
    budget = Budget(config.budget_calls, config.budget_tokens, config.budget_money, prices.currency)
    limiter = limiter_of(config)
    askers = {
        role: Asker(
            role,
            model,
            price_of(model.name, prices, is_local=model.is_local),
            store,
            budget,
            config.max_concurrency,
            limiter,
        )
        for role, model in models.items()
    }
    checks = [asker.price.of(CHECKED_TOKENS, SHORT_TOKENS) for role, asker in askers.items() if role != "writer"]
    askers["writer"].follow_up = sum(checks, Cost()) * config.per_request
    not_done = {}
    if "judge" not in askers:
        not_done["judge"] = "no --judge was given: that answers follow from quotes is checked by their words alone"
    if "base" not in askers:
        not_done["closed book"] = "no --base was given: some questions may be answered without the documents"
    first_sections = [state.section for state in plan.states if not state.section.number]
    if 0 < config.test_share < 1 and is_large([section.document for section in first_sections]):
        not_done["copies"] = (
            f"documents of more than {COMPARED:,} letters are not compared for near copies: a test document may have "
            "one among the training documents"
        )
    context = Context(against=against, judge=askers.get("judge"), base=askers.get("base"), not_done=not_done)
    return _Run(plan, askers, budget, context)


def _make_rounds(run: _Run, report: Progress) -> None:
    """Ask about sections round by round until there are enough rows, no section is left, or the budget ends."""
    report("rows", 0, run.plan.config.rows)
    while chosen := run.plan.next_round():
        requests = [writing(state.section, count, state.written, state.attempts) for state, count in chosen]
        replies = run.askers["writer"].ask(requests)
        _read_round(run, [_Answered(*turn, reply) for turn, reply in zip(chosen, replies, strict=True)])
        report("rows", len(run.kept), run.plan.config.rows)
        if run.budget.ended_by:
            break


def _read_round(run: _Run, answered: Sequence[_Answered]) -> None:
    """From the replies of a round to rows kept and rows dropped."""
    candidates: list[Candidate] = []
    state_of = {turn.state.section.key: turn.state for turn in answered}
    for turn in answered:
        if turn.reply is not None:
            candidates += _candidates(run, turn.state, turn.reply)
    kept: Counter[tuple[str, int]] = Counter()
    room = {side: run.plan.missing(side) for side in run.plan.quota}
    for candidate in _filtered(run, candidates, state_of):
        side = state_of[candidate.section.key].side
        if room[side] > 0:
            room[side] -= 1
            run.kept.append(candidate)
            kept[candidate.section.key] += 1
        else:
            run.surplus += 1
    for turn in answered:
        # A request that got no reply is not counted: a section is not barren because a budget ended.
        if turn.reply is not None or not run.budget.ended_by:
            run.plan.note(turn.state, turn.questions, kept[turn.state.section.key])
    run.context.kept = tuple(run.kept)


def _candidates(run: _Run, state: SectionState, reply: Reply) -> list[Candidate]:
    found = []
    for item in read_reply(reply.text, cut_off=reply.cut_off):
        run.written += 1
        if isinstance(item, Malformed):
            _drop(run, Dropped(FORM, Reason(item.kind), state.section, quote=item.text), state)
            continue
        state.written.append(item.question)
        found.append(_candidate(state, item))
    return found


def _candidate(state: SectionState, item: Written) -> Candidate:
    section = state.section
    place = find_quote(item.quote, section.document.text, section.start, section.end)
    quote = section.document.text[slice(*place)] if place else item.quote
    return Candidate(section, item.question, item.answer, quote, place)


def _filtered(
    run: _Run, candidates: Sequence[Candidate], state_of: dict[tuple[str, int], SectionState]
) -> list[Candidate]:
    """Those that every filter lets pass."""
    for name in FILTERS:
        reasons = FILTERS.load(name)(candidates, run.context) if candidates else []
        for candidate, reason in zip(candidates, reasons, strict=True):
            if reason is not None:
                fields = (candidate.section, candidate.question, candidate.answer, candidate.quote)
                _drop(run, Dropped(name, reason, *fields), state_of[candidate.section.key])
        candidates = [c for c, reason in zip(candidates, reasons, strict=True) if reason is None]
    return list(candidates)


def _drop(run: _Run, dropped: Dropped, state: SectionState) -> None:
    run.dropped.append(dropped)
    state.dropped[f"{dropped.filter}: {dropped.reason.kind}"] += 1


def _result(run: _Run, out: Path, corpus: str, prices: PriceTable) -> MadeRows:
    writer = run.askers["writer"].model.name
    by_side: dict[str, list[JsonObject]] = {"train": [], "test": []}
    order = {state.section.key: i for i, state in enumerate(run.plan.states)}
    for candidate in sorted(run.kept, key=lambda c: (order[c.section.key], c.place or (0, 0), c.question)):
        side = run.plan.states[order[candidate.section.key]].side
        by_side[side].append(candidate.row(writer))
    return MadeRows(
        out=out,
        corpus=corpus,
        config=run.plan.config,
        train=tuple(by_side["train"]),
        test=tuple(by_side["test"]),
        written=run.written,
        surplus=run.surplus,
        dropped=tuple(run.dropped),
        sections=tuple(run.plan.states),
        models=tuple(
            ModelUse(
                role=role,
                name=asker.model.name,
                cost=run.budget.spent.get(role, Cost()),
                is_local=asker.model.is_local,
                estimated=asker.estimated,
                failures=tuple(asker.failures),
                from_disk=asker.from_disk,
            )
            for role, asker in run.askers.items()
        ),
        not_done=run.context.not_done,
        ended_by=run.budget.ended_by,
        currency=prices.currency,
        default_prices=any(name.startswith("tokens.") for name in prices.defaults),
    )
