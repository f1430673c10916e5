"""leave(): a model in use against what could take its place, and the certificate of the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from domainkit.comparison.compare import compare
from domainkit.comparison.inputs import parse_options
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
from domainkit.leaving.write import write_certificate
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
    `train`, `task`, `columns`, `tools` and `schema` are those of `compare`, and `options` are the fields of
    CompareConfig without baseline, race and purpose.

    Raises DataError, ConfigError, AdapterError or MachineError before the first question.
    """
    _check(candidates, options, adapter, fit, curve)
    parse_options(options)
    if asked_as not in (None, *get_args(AskedAs)):
        raise ConfigError(f"'{asked_as}' is not a way to ask", where="asked_as", next_step="say rows or instruction")
    questions = _task(task, options.get("kind"), train=train, columns=columns, tools=tools, schema=schema)
    config = fit or TrainConfig(**{k: options[k] for k in ("base", "revision", "quantization") if options.get(k)})
    held = options.get("decoding") != "free"
    variant, model, form = incumbent_variant(incumbent, questions, asked_as, held=held)
    parts = _parts(train, questions, config, Path(out), columns, tools) if curve else ()
    variants: list[str | Variant] = list(LADDER)
    results = compare(
        questions,
        [variant, *variants],  # first: it is the one that may end
        out,
        train=train,
        adapter=adapter,
        fit=None if adapter else config,
        curve=parts,
        columns=columns,
        tools=tools,
        on_progress=on_progress,
        baseline=NAME,
        **{k: v for k, v in options.items() if k != "kind"},
    )
    facts = LeavingFacts(
        incumbent=NAME,
        model=model.name,
        asked_as=form,
        candidates=tuple(candidates),
        local=model.is_local,
        **seen_of(Path(out), NAME),
    )
    results = results.model_copy(update={"leaving": facts})
    results.save(Path(out) / "results.json")
    write_certificate(out)
    return decide_leaving(results)


def _check(
    candidates: Sequence[str],
    options: Mapping[str, object],
    adapter: Path | str | None,
    fit: TrainConfig | None,
    curve: bool,
) -> None:
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
    if adapter is not None and (fit is not None or curve):
        what = f"an adapter is given, so nothing is trained, and {'curve' if curve else 'fit'} would not be used"
        raise ConfigError(what, where="adapter", next_step="leave one of them out")


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
    from domainkit.comparison.fitting.learning_curves import fit_nested

    rows = examples_of(train, columns_for(train, columns), tools=read_tools(tools))
    learnt = [kind_of(task.kind).learnt(row, task) for row in rows]
    return fit_nested(learnt, config, out / "adapters" / "parts")
