"""distil: a teacher answers questions, and what is accepted of its answers becomes training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from domainkit import progress
from domainkit.clinic.personal_data.find import find_personal_data
from domainkit.comparison.judging.model import read_rubric
from domainkit.corpus.example import Example
from domainkit.corpus.rows.columns import Columns
from domainkit.corpus.rows.open_rows import RowsGiven, name_of
from domainkit.corpus.rows.tools import ToolsGiven, read_tools
from domainkit.distillation.acceptance import Acceptance, Outcome
from domainkit.distillation.answer_form import read_answer
from domainkit.distillation.asking import Askers, make_askers
from domainkit.distillation.config import DistilConfig
from domainkit.distillation.files import ANSWERS, owned, write_files
from domainkit.distillation.learnt_task import Labels, LearntTask, Schema, in_task_form, learnt_task
from domainkit.distillation.questions import left_out
from domainkit.distillation.result import Distilled, Use
from domainkit.distillation.teacher import Teacher, TeacherGiven, make_teacher, open_teacher
from domainkit.errors import ConfigError, DomainkitError, validation_error_text
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.read_questions import read_questions
from domainkit.evaluation.task import Sample
from domainkit.llm.named_model import NamedModel, find_model
from domainkit.messages import JsonObject
from domainkit.statistics.intervals import estimate
from domainkit.storage import locked_folder
from domainkit.synthesis.asking.asker import Asker
from domainkit.synthesis.asking.paid import limiter_of, prices_of, refuse_unpaid
from domainkit.synthesis.budget import Cost
from domainkit.synthesis.report.sentences import counted
from domainkit.verdict.costs.prices import PriceTable

Progress = Callable[[str, int, int], None]
"""(what is counted, done, in all)."""
JudgeGiven = Any  # a chat model of any class, or the name of one
_BLOCK = 4
"""Questions under way for each call at once: after so many the progress is told, and the judge asked."""


def distil(
    inputs: RowsGiven | Sequence[str],
    teacher: TeacherGiven,
    *,
    out: str | Path,
    like: RowsGiven | None = None,
    test: RowsGiven | None = None,
    judge: JudgeGiven | None = None,
    rubric: str | None = None,
    labels: Labels | None = None,
    schema: Schema | None = None,
    tools: ToolsGiven | None = None,
    columns: Columns | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> Distilled:
    """Let `teacher` answer the questions of `inputs`, and write to the folder `out` what is accepted (train.jsonl),
    what is refused and why (refused.jsonl), and the facts of the run (distil.json).

    `inputs` are a text file with a question a line, a list of texts, or rows that leave their answers out; rows that
    have one measure the teacher. The teacher is a LangChain chat model or its name (`llm.named_model.NAMES`), a variant
    of a finished comparison (its RUN:VARIANT, or what `load_variant` gives), or a Runnable. `like` are solved examples:
    they say the kind of task, its labels or fields, and stand in the prompt. Near copies of the questions of `test` are
    not asked. `options` are the fields of `DistilConfig`. Every answer is kept in out/answers.jsonl: an interrupted run
    continues there, and asks nothing twice. Raises DomainkitError; where the provider ends in the middle, the files are
    written first, with what it answered until then.
    """
    config = parse_config(options)
    prices = prices_of(config)
    opened = open_teacher(teacher)
    offered = read_tools(tools)
    record = opened.loaded.record if opened.loaded is not None else None
    learnt = learnt_task(like, config, columns, labels, schema, offered, record)
    rows = read_questions(inputs, columns, offered)
    tested = read_questions(test, columns, offered) if test is not None else []
    samples = in_task_form(rows, learnt, name_of(inputs))
    copies = tuple(row.example for row in tested)
    return answer_and_write(
        samples,
        make_teacher(opened, learnt, config),
        learnt,
        config,
        Path(out),
        prices=prices,
        judging=_judge(judge, rubric),
        tested=copies,
        test=name_of(test) if test is not None else "",
        on_progress=on_progress,
    )


def answer_and_write(
    samples: Sequence[Sample],
    made: Teacher,
    learnt: LearntTask,
    config: DistilConfig,
    out: Path,
    *,
    prices: PriceTable,
    judging: tuple[NamedModel, str] | None = None,
    tested: Sequence[Example] = (),
    test: str = "",
    on_progress: Progress | None = None,
) -> Distilled:
    """Ask the teacher the questions `samples`, and write the run's files to `out`.

    `judging` is the judge and its rubric, `tested` the questions near whose copies none is asked, and `test` their
    file. Raises DomainkitError as `distil`.
    """
    refuse_unpaid(config, [made.is_local, *([judging[0].is_local] if judging else [])])
    skipped = left_out(samples, learnt.examples, tested)
    with locked_folder(out):
        owned(out).claim()
        with RowStore(out / ANSWERS) as store:
            askers = make_askers(made, judging, config, store, prices, limiter_of(config))
            acceptance = Acceptance(learnt.task, config)
            todo = [sample for sample in samples if sample.id not in skipped]
            outcomes, last = _ask(todo, learnt, askers, acceptance, config, on_progress or progress.report)
            if last is not None and not askers.replied:
                raise last  # there is nothing to write, and an earlier run's rows are better than none
            done = {o.sample.id: o for o in outcomes}
        distilled = Distilled(
            out=out,
            config=config,
            task=learnt.task,
            teacher=made,
            outcomes=tuple((skipped | done)[sample.id] for sample in samples),
            quality=estimate([o.score for o in done.values() if o.score is not None]),
            metric=acceptance.title,
            uses=tuple(_use(asker, asker is askers.teacher and made.is_local) for asker in askers.all),
            ended_by=askers.budget.ended_by,
            stopped=last.what if last is not None else "",
            currency=prices.currency,
            default_prices=_are_default(prices),
            test=test,
            personal_data=_personal_data(done.values()),
        )
        write_files(distilled)
    if last is not None:
        raise _with_rows(last, distilled) from last
    return distilled


def _with_rows(error: DomainkitError, distilled: Distilled) -> DomainkitError:
    """The error that ended the run, with what is in its files all the same."""
    rows, questions = len(distilled.rows), counted(len(distilled.outcomes), "question")
    found = f"{counted(rows, 'row')} of {questions} {'is' if rows == 1 else 'are'} in {distilled.file}"
    what = f"{error.what}; {found if rows else f'none of {questions} is a row yet'}"
    return type(error)(what, where=error.where, next_step=error.next_step)


def parse_config(options: JsonObject) -> DistilConfig:
    """DistilConfig from plain values; every wrong option in one ConfigError."""
    try:
        return DistilConfig(**options)
    except ValidationError as e:
        clauses = "; ".join(validation_error_text(error, DistilConfig) for error in e.errors())
        raise ConfigError(clauses, next_step="domainkit distil --help lists every option") from e


def _judge(judge: JudgeGiven | None, rubric: str | None) -> tuple[NamedModel, str] | None:
    """The model and its rubric. Raises ConfigError for one without the other."""
    if judge is None and rubric is None:
        return None
    if judge is None or rubric is None:
        missing, given = ("rubric", "judge") if rubric is None else ("judge", "rubric")
        next_step = "say what makes an answer good, or name a file that says it" if rubric is None else "name a model"
        raise ConfigError(f"--{given} is given without --{missing}", next_step=f"{next_step}: --{missing}")
    return find_model(judge, "judge"), read_rubric(rubric)


def _ask(
    questions: Sequence[Sample],
    learnt: LearntTask,
    askers: Askers,
    acceptance: Acceptance,
    config: DistilConfig,
    report: Progress,
) -> tuple[list[Outcome], DomainkitError | None]:
    """What becomes of each question, block by block; and the error after which nobody could be asked any more: from
    then on the replies on disk alone count."""
    size = max(1, _BLOCK * config.max_concurrency // config.samples)
    found: list[Outcome] = []
    last: DomainkitError | None = None
    report("questions", 0, len(questions))
    while block := questions[len(found) : len(found) + size]:
        try:
            found += _decided(block, learnt, askers, acceptance)
        except DomainkitError as e:
            if last is not None:  # not of a provider: none is asked
                raise
            last = e
            askers.close()
            continue
        if last is None:
            report("questions", len(found), len(questions))
    return found, last


def _decided(block: Sequence[Sample], learnt: LearntTask, askers: Askers, acceptance: Acceptance) -> Sequence[Outcome]:
    """Of each question its samples, the choice among them, and the judge's grade."""
    replies = askers.teacher.answers(block)
    read = [
        [read_answer(learnt.task, sample, reply.text, cut_off=reply.cut_off) for reply in some]
        for sample, some in zip(block, replies, strict=True)
    ]
    return askers.graded([acceptance.decide(s, answers) for s, answers in zip(block, read, strict=True)])


def _use(asker: Asker, is_local: bool) -> Use:
    dates = sorted(row.asked for row in asker.used if row.asked)
    return Use(
        role=asker.role,
        name=asker.model.name,
        cost=asker.budget.spent.get(asker.role, Cost()),
        is_local=is_local or asker.model.is_local,
        versions=tuple(sorted({row.model_version for row in asker.used if row.model_version})),
        asked_from=dates[0] if dates else "",
        asked_to=dates[-1] if dates else "",
        estimated=asker.estimated,
        failures=tuple(asker.failures),
        from_disk=asker.from_disk,
    )


def _personal_data(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Accepted rows that hold some, by kind."""
    texts = (f"{o.sample.query}\n{o.answer}" for o in outcomes if not o.refused)
    return dict(Counter(kind for text in texts for kind in {found.kind for found in find_personal_data(text)}))


def _are_default(prices: PriceTable) -> bool:
    return any(name.startswith("tokens.") for name in prices.defaults)
