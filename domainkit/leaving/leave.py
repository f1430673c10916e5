"""leave(): a model in use against what could take its place, and the certificate of the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from domainkit.comparison.compare import compare
from domainkit.comparison.inputs import parse_options, read_inputs
from domainkit.comparison.planning.payments import check_budget
from domainkit.corpus.read_files import examples_of
from domainkit.corpus.rows.columns import columns_for
from domainkit.corpus.rows.open_rows import RowsGiven
from domainkit.corpus.rows.tools import ToolsGiven, read_tools
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import Progress
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.read_task import read_task
from domainkit.evaluation.task import Task
from domainkit.evaluation.variant import Variant
from domainkit.leaving.decision import LeaveDecision, decide_leaving
from domainkit.leaving.incumbent import NAME, incumbent_variant, seen_of
from domainkit.leaving.teaching import Teaching
from domainkit.leaving.teaching import teach as teach_rows
from domainkit.leaving.write import write_certificate
from domainkit.models.source import resolve_base
from domainkit.registry import suggestion
from domainkit.results.leaving import AskedAs, LeavingFacts
from domainkit.training.config import TrainConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

CANDIDATES = ("tuned", "tuned-knn")
LADDER = ("trivial", "classical", "zero-shot", "tuned", "tuned-knn")
"""What is tried beside the incumbent."""
OWN = ("baseline", "race", "purpose")
"""Options of a comparison that a certificate decides itself."""


def leave(
    incumbent: str | BaseChatModel,
    task: Task | RowsGiven,
    out: Path | str,
    *,
    train: RowsGiven,
    adapter: Path | str | None = None,
    fit: TrainConfig | None = None,
    candidates: Sequence[str] = CANDIDATES,
    asked_as: AskedAs | None = None,
    curve: bool = False,
    teach: RowsGiven | Sequence[str] | None = None,
    teaching: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    tools: ToolsGiven | None = None,
    schema: Mapping[str, Any] | Path | str | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> LeaveDecision:
    """May `incumbent`, a chat model in use, be left for an adapter of your own?

    Trains an adapter on `train` (with `fit`, or TrainConfig's defaults), unless `adapter` is given; compares it with
    the incumbent on the questions of `task`, and writes certificate.html and certificate.md beside the report in `out`.
    Run it again after an interruption: only what is missing is asked.

    `incumbent` is whatever `--judge` takes too (provider:model, server:URL#model, module:function …), or a LangChain
    chat model. It is asked the messages of the rows as they are (`asked_as="rows"`) where it is a fine-tuned model or
    the rows have system turns, else domainkit's instruction before the question ("instruction").
    `candidates` are the variants that may take its place, the preferred one first; several share the 5 % of error.
    `curve`: train on an eighth, a quarter and half of the rows too, to say how many rows would close a gap.
    `teach` are questions that nobody has labelled, as `distil` reads them: the incumbent answers them, and what is
    accepted joins the training rows. `teaching` are options of `distil` for it ({"samples": 3, "budget_money": 2}).
    `train`, `task`, `columns`, `tools` and `schema` are those of `compare`, and `options` are the fields of
    CompareConfig without baseline, race and purpose.

    Raises DataError, ConfigError, AdapterError or MachineError before the first question.
    """
    _check(candidates, options)
    _check_training(adapter, teaching, fit=fit is not None, curve=curve, teach=teach is not None)
    parse_options(options)
    if asked_as not in (None, *get_args(AskedAs)):
        raise ConfigError(f"'{asked_as}' is not a way to ask", where="asked_as", next_step="say rows or instruction")
    questions = _task(task, options.get("kind"), train=train, columns=columns, tools=tools, schema=schema)
    config = fit or TrainConfig(**{k: options[k] for k in ("base", "revision", "quantization") if options.get(k)})
    held = options.get("decoding") != "free"
    found = incumbent_variant(incumbent, questions, asked_as, held=held)
    own = {k: v for k, v in options.items() if k != "kind"} | {"baseline": NAME}
    taught = None
    if teach is not None:
        resolve_base(config.base, config.revision)  # raises now: nothing is paid for a base that is not there
        inputs = read_inputs(questions, parse_options(own), train=train, columns=columns, tools=tools, will_train=True)
        check_budget(inputs, [found.variant])
        rows, taught = teach_rows(
            Teaching(teach, teaching or {}, columns, tools), found, inputs, Path(out), on_progress
        )
        train = [*examples_of(train, columns_for(train, columns), tools=read_tools(tools)), *rows]
    parts = _parts(train, questions, config, Path(out), columns, tools) if curve else ()
    variants: list[str | Variant] = list(LADDER)
    results = compare(
        questions,
        [found.variant, *variants],  # first: it is the one that may end
        out,
        train=train,
        adapter=adapter,
        fit=None if adapter else config,
        curve=parts,
        columns=columns,
        tools=tools,
        on_progress=on_progress,
        **own,
    )
    facts = LeavingFacts(
        incumbent=NAME,
        model=found.model.name,
        asked_as=found.form,
        candidates=tuple(candidates),
        local=found.model.is_local,
        taught=taught,
        **seen_of(Path(out), NAME),
    )
    results = results.model_copy(update={"leaving": facts})
    results.save(Path(out) / "results.json")
    write_certificate(out)
    return decide_leaving(results)


def _check(candidates: Sequence[str], options: Mapping[str, object]) -> None:
    own = next((name for name in OWN if options.get(name)), None)
    if own:
        what = "a certificate needs every question, and the incumbent is its baseline"
        raise ConfigError(what, where=own, next_step="leave it out")
    if isinstance(candidates, str) or not candidates or len(set(candidates)) < len(candidates):
        next_step = "name one or more variants, each once"
        raise ConfigError(f"{candidates!r} are not candidates", where="candidates", next_step=next_step)
    for name in candidates:
        if name not in LADDER:
            raise ConfigError(
                f"'{name}' is not among the variants", where="candidates", next_step=suggestion(name, LADDER)
            )


def _check_training(adapter: Path | str | None, teaching: Mapping[str, Any] | None, **of_training: bool) -> None:
    """`of_training`: what only training would use, and whether it is given."""
    unused = next((name for name, is_given in reversed(of_training.items()) if is_given), None)
    if adapter is not None and unused:
        what = f"an adapter is given, so nothing is trained, and {unused} would not be used"
        raise ConfigError(what, where="adapter", next_step="leave one of them out")
    if teaching and not of_training["teach"]:
        what = f"{', '.join(teaching)} is set, and nothing is to be taught"
        raise ConfigError(what, where="teaching", next_step="give questions without answers: --teach questions.txt")


def _task(task: Task | RowsGiven, kind: Any, **given: Any) -> Task:
    if isinstance(task, Task):
        return task
    return read_task(task, kind=kind, **{k: v for k, v in given.items() if v is not None})


def _parts(
    train: RowsGiven,
    task: Task,
    config: TrainConfig,
    out: Path,
    columns: Mapping[str, str] | None,
    tools: ToolsGiven | None,
) -> list[Path]:
    """Adapters trained on nested parts of the rows."""
    from domainkit.comparison.learning_curves import fit_nested

    rows = examples_of(train, columns_for(train, columns), tools=read_tools(tools))
    learnt = [kind_of(task.kind).learnt(row, task) for row in rows]
    return fit_nested(learnt, config, out / "adapters" / "parts")
