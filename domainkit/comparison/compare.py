"""compare(): every variant on the same questions, paired statistics, a verdict, and the report.

Answers are kept row by row, so a killed run continues. Scores, verdict and report are made from them without a model.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainkit.comparison.asking.answer import answer_variants
from domainkit.comparison.asking.refresh import Refresh
from domainkit.comparison.asking.served import meet_before_training, meet_server
from domainkit.comparison.asking.timing import time_variants
from domainkit.comparison.cost_and_forgetting import with_consequences
from domainkit.comparison.decide import decide_results, score_answers
from domainkit.comparison.fitting.fine_tuned_encoder import with_tuned_encoder
from domainkit.comparison.fitting.train_missing import train_missing
from domainkit.comparison.inputs import check_index, parse_options, read_inputs
from domainkit.comparison.planning.choice import choose_variants, wanted
from domainkit.comparison.planning.model_settings import check_thinking
from domainkit.comparison.planning.models import read_models
from domainkit.comparison.planning.payments import check_budget
from domainkit.comparison.record import write_record
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.corpus.rows.open_rows import RowsGiven
from domainkit.corpus.rows.tools import ToolsGiven
from domainkit.evaluation.answers_on_disk import Progress
from domainkit.evaluation.task import Task
from domainkit.evaluation.variant import Variant
from domainkit.progress import report, shown, stage
from domainkit.report import write_report
from domainkit.report.since_last import keep_previous
from domainkit.results.schema import Results
from domainkit.storage import locked_folder
from domainkit.training.config import TrainConfig
from domainkit.verdict.people.by_people import with_people

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.retrievers import BaseRetriever


def compare(
    task: Task | RowsGiven,
    variants: Sequence[str | Variant] | None,
    out: Path | str,
    *,
    train: RowsGiven | Sequence[Example] | None = None,
    corpus: Path | str | Sequence[Document] | None = None,
    adapter: Path | str | None = None,
    context_adapter: Path | str | None = None,
    fit: TrainConfig | None = None,
    dev: RowsGiven | Sequence[Example] | None = None,
    curve: Sequence[Path | str] = (),
    replicas: Sequence[Path | str] = (),
    columns: Mapping[str, str] | None = None,
    tools: ToolsGiven | None = None,
    schema: Mapping[str, Any] | Path | str | None = None,
    retriever: str | BaseRetriever | None = None,
    models: Mapping[str, str | Path | BaseChatModel] | None = None,
    on_progress: Progress | None = None,
    **options: Any,
) -> Results:
    """Answer every question of `task` with every variant and decide.

    `variants` are names of the ladder, or Variants of your own (any LangChain Runnable as `runnable`). None runs all of
    the ladder that the inputs allow. `context_adapter` is one trained with passages in its prompts (`chains.context`).

    `models` are chat models beside the base, by name: LangChain chat models, or what `--model` takes as text
    ({"gpt": "openai:gpt-5-mini"}). Every variant that asks the base runs on each of them too, as few-shot@gpt; with an
    adapter on those alone that `fit` can tune: bases of our own in this process. In `variants`, few-shot@gpt names that
    one alone, and few-shot@base the one on the base.

    `retriever` is how passages are found: a name of our own index over `corpus`, or a LangChain BaseRetriever, or the
    module:function that makes one: then your store is what is measured, and `corpus` is needed by an oracle only.

    `schema` is the JSON Schema of the objects that are answers in a task of the kind fields, or its file; left out, it
    is learnt from `train`.

    `task`, `train` and `dev` are whatever `read_examples` reads: files, `hf:owner/name`, a `datasets.Dataset`, lists of
    dicts. `columns` says what our fields are called in them: {"input": "Question", "target": "Final answer"}.
    `tools` are those of rows that bring none: a list, or the JSON file of one.

    With `fit`, the adapters that the variants need and that are not given are trained on `train`, all with this
    configuration, into `out`. An adapter that is there already is used again. "tuned-encoder" is trained with `fit`,
    or where it is named.

    `dev` are the questions that settings were chosen on, if any: test questions among them are reported. `curve` are
    adapters trained on smaller parts of train (`fit_nested`), for a learning curve of "tuned". `replicas` are adapters
    trained as `adapter` was, with other seeds: the results then also say what holds over training seeds. `options` are
    the fields of CompareConfig; `metrics` may also hold a `judge(llm, rubric)` and a `judge_pairs(llm, rubric)`.

    Writes results.json, report.html and report.md to `out`, where rows.jsonl keeps the answers, and variants.json what
    the variants were built from (`load_winner`). Results of another comparison that stand there are kept as
    previous_results.json, and the report says what changed. Run it again after an interruption: only what is missing
    is asked.

    `on_progress` is called with (part, done, total); left out, progress is shown on standard error
    (`with domainkit.progress.hidden():` shows none).

    Raises DataError, AdapterError or ConfigError before the first question when the inputs do not fit together.
    """
    started, out = time.perf_counter(), Path(out)
    options |= {"retriever": retriever} if isinstance(retriever, str) else {}
    config, named = parse_options(options), read_models(models)
    all_variants = wanted(variants, named)
    needs = {need for v in all_variants for need in v.needs}
    on_progress = on_progress or report
    with shown(), locked_folder(out):
        # 1. read
        inputs = read_inputs(
            task,
            config,
            train=train,
            corpus=corpus,
            dev=dev,
            adapter=adapter,
            context_adapter=context_adapter,
            curve=curve,
            replicas=replicas,
            columns=columns,
            tools=tools,
            schema=dict(schema) if isinstance(schema, Mapping) else schema,
            retriever=None if isinstance(retriever, str) else retriever,
            models=named,
            will_train=fit is not None and bool(needs & {"adapter", "context adapter"}),
        )
        inputs = replace(inputs, metrics=inputs.metrics.kept_in(out / "grades.jsonl", on_progress))
        check_budget(inputs, all_variants)
        if "corpus" in needs:
            check_index(inputs)
        meet_before_training(config, fit)
        # 2. train what is missing
        inputs = train_missing(inputs, all_variants, fit, out / "adapters")
        wants_encoder = "encoder" in needs and (fit is not None or variants is not None)
        inputs = with_tuned_encoder(inputs, out / "encoders", on_progress, wanted=wants_encoder)
        # 3. choose variants
        plan = replace(choose_variants(inputs, variants), on_progress=on_progress)
        check_thinking(plan)
        plan = meet_server(plan)
        # 4. answer
        refresh = Refresh(out, wanted=config.refresh)
        answers = answer_variants(plan, out / "rows.jsonl", on_progress, refresh.since)
        # 5. time
        times = time_variants(plan, answers.task, out / "latency.jsonl", on_progress, answers.spending, refresh.since)
        refresh.finish(answers.rows[v.name] for v in plan.variants if plan.asks_elsewhere(v))
        # 6. score
        with stage("scoring the answers"):
            scored = score_answers(plan, answers, times)
        # 7. decide
        with stage("weighing the evidence"):
            results = decide_results(plan, answers, scored, time.perf_counter() - started)
        # 8. cost and forgetting
        results = with_consequences(results, plan, out / "general.jsonl", on_progress)
        results = with_people(results, out)
        # 9. write
        write_record(plan, results.created, out)
        keep_previous(out, results)
        results.save(out / "results.json")
        with stage("writing the report"):
            write_report(out)
        return results
