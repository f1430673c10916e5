"""distil_context: the variant's context, baked into an adapter that answers the bare question."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from domainkit import progress
from domainkit.adapters.folder import Adapter
from domainkit.comparison.asking.call_runnable import answer_all, question_of
from domainkit.comparison.ladder import CHAINS
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.rebuild import read_rows
from domainkit.corpus.example import Example
from domainkit.corpus.rows.columns import Columns
from domainkit.corpus.rows.open_rows import RowsGiven
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.read_questions import NO_ANSWER, read_questions
from domainkit.evaluation.task import Sample
from domainkit.evaluation.variant import Variant
from domainkit.llm.messages import to_backend
from domainkit.messages import JsonObject
from domainkit.storage import cache_dir, check_writable
from domainkit.text.words import fold
from domainkit.training.config import TrainConfig, parse_config
from domainkit.training.objectives.context_distillation import ContextTeacher
from domainkit.training.optimization.progress import Progress
from domainkit.training.train import train
from domainkit.verdict.leakage import find_leaks
from domainkit.winner.load import measured_plan
from domainkit.winner.loaded_variant import Outside
from domainkit.winner.source import Source, open_source

log = logging.getLogger("domainkit")
Answers = Literal["rows", "teacher"]
"""Whose answers are learnt: those of the rows where they have one, or the teacher's own to all."""
OBJECTIVE = "KL(teacher ‖ student) of the answer's tokens, whole vocabulary, temperature 1"
TAUGHT = ("base", "revision", "quantization", "turns")
"""Settings that the run decides: teacher and student are the same base."""


@dataclass(frozen=True)
class Baked:
    """An adapter that answers the bare question, and what it was taught from."""

    adapter: Adapter
    variant: Variant
    questions: int
    """Rows that were learnt."""
    asked: int
    """Of these, questions without an answer of their own: the teacher's is learnt."""
    copies: int
    """Rows left out, since they copy test questions."""


def distil_context(
    run: str | Path,
    variant: str,
    out: str | Path,
    config: Mapping[str, object] | None = None,
    *,
    questions: Sequence[Example] | RowsGiven | None = None,
    answers: Answers = "rows",
    gold: float = 0.0,
    base: str | None = None,
    resume: bool = True,
    on_progress: Callable[[Progress], None] | None = None,
) -> Baked:
    """Train an adapter on bare questions, with the probabilities that the `variant` of the comparison in the folder
    `run` gives with its neighbours, passages or instruction in the prompt. Both share one base in memory.

    `questions` replace the run's training rows; a row without an answer gets the variant's own. `config` are fields of
    `TrainConfig`; left out, the settings of the variant's adapter, else the defaults. `gold` is the weight, from 0 to
    1, of the cross-entropy of the answers beside the KL. A question is never among its own solved examples, and rows
    that copy the run's test questions are left out.
    Raises ConfigError for a variant that no model of this base teaches from, and for questions that are test questions;
    the errors of `load_variant` and of `train`.
    """
    if answers not in ("rows", "teacher") or not 0 <= gold <= 1:
        raise ConfigError(
            f"answers={answers!r}, gold={gold!r}", next_step="answers is rows or teacher, and gold from 0 to 1"
        )
    out = Path(out)
    check_writable(out)
    opened = open_source(run)
    plan = teaching_plan(opened, variant, base)
    teaches = plan.variants[0]
    settings = _settings(opened, plan, config or {}, base)
    given, copies = _rows(opened, questions)
    rows = _answered(given, plan, opened, answers)
    asked = sum(a is not b for a, b in zip(rows, given, strict=True))
    adapter = plan.adapter_of(teaches)
    facts: JsonObject = {
        "run": opened.folder.resolve().name,
        "variant": variant,
        "adapter": adapter.weights_sha256 if adapter else None,
        "objective": OBJECTIVE,
        "gold_weight": gold,
        "rows": len(rows),
        "answered_by_teacher": asked,
    }
    taught = ContextTeacher(with_its_context(rows, plan), adapter, gold, facts)
    baked = train(rows, settings, out, resume=resume, on_progress=on_progress, teacher=taught)
    return Baked(baked, teaches, len(rows), asked, copies)


# ---- the variant -----------------------------------------------------------------------------------------------------


def teaching_plan(opened: Source, name: str, base: str | None) -> ComparisonPlan:
    """The plan of the variant alone. Raises ConfigError for one that cannot teach, with the reason."""
    where = str(opened.folder)
    if opened.manifest is not None:
        raise ConfigError("is a pack, which keeps no training rows", where=where, next_step="name the run folder")
    measured = opened.record.variants.get(name)
    flags = Variant.model_validate(measured.flags) if measured and not measured.own else None
    why = why_not_taught(flags) if flags else None
    if why:
        others = [n for n, m in opened.record.variants.items() if not m.own]
        able = [n for n in others if not why_not_taught(Variant.model_validate(opened.record.variants[n].flags))]
        next_step = f"take one of: {', '.join(able)}" if able else "compare a variant with a context first"
        raise ConfigError(f"'{name}' {why}", where=where, next_step=next_step)
    return measured_plan(opened, name, Outside(base=base))


def why_not_taught(variant: Variant) -> str | None:
    """Why the variant cannot teach the bare model of its base, as the end of a sentence; None where it can."""
    if variant.model is not None:
        return f"answers with {variant.model}, and only a model of the same base gives probabilities of the same tokens"
    if not variant.uses_llm:
        return "has no language model that writes, so it has no probabilities of tokens"
    if variant.agent:
        return "writes searches of its own before it answers, so there is no one prompt to learn from"
    if variant.oracle:
        return "is given the right document, which it knows for the test questions only"
    if variant.tuned and variant.shots == "none" and not variant.retrieve:
        return "reads the bare question already: there is no context to bake in"
    return None


def _settings(opened: Source, plan: ComparisonPlan, config: Mapping[str, object], base: str | None) -> TrainConfig:
    wrong = [name for name in TAUGHT if name in config]
    if wrong:
        raise ConfigError(
            "teacher and student are the same base, as the run measured it",
            where=wrong[0],
            next_step=f"leave {wrong[0]} out",
        )
    measured, adapter = opened.record.base, plan.adapter_of(plan.variants[0])
    assert measured is not None, "a variant that writes has a base"
    card = adapter.card if adapter else None
    kept: JsonObject = {}
    if card is not None and "objective" not in card.config:
        kept = {k: v for k, v in card.config.items() if k in TrainConfig.model_fields and k not in TAUGHT}
    if "method" in config:  # another method has options and a rate of its own
        kept = {k: v for k, v in kept.items() if k not in ("method_options", "learning_rate")}
    fixed = {
        "base": base or measured.name,
        "revision": None if base else measured.revision,
        "quantization": measured.quantization,
    }
    return parse_config({**kept, **dict(config), **fixed})


# ---- the questions ---------------------------------------------------------------------------------------------------


def _rows(opened: Source, questions: Sequence[Example] | RowsGiven | None) -> tuple[list[Example], int]:
    """(the student's rows, how many copies of test questions were left out)."""
    where, record = str(opened.folder), opened.record
    if questions is not None:
        examples = questions_of(questions)
    elif record.examples is None or record.chosen_shots:
        raise ConfigError(
            "the run kept no training rows: none of its variants reads them while it answers",
            where=where,
            next_step="give the questions (--inputs)",
        )
    else:
        stored = read_rows(record.examples, opened.folder, Example)
        lines = (f"{record.examples.file}:{i}" for i in range(1, len(stored) + 1))
        examples = [
            e.model_copy(update={"source": line, "tools": record.tools}) for e, line in zip(stored, lines, strict=True)
        ]
    items = opened.results().items
    samples = [Sample(id=i.id, input=i.input, target=i.target, references=i.references, turns=i.turns) for i in items]
    tested = {fold(s.query) for s in samples}
    same = [e for e in examples if fold(e.query) in tested]
    if same and questions is not None:
        raise ConfigError(
            f"{len(same)} of the {len(examples)} questions are test questions of the run, such as {same[0].source}: "
            "learnt, they would make its test one of memory",
            where="questions",
            next_step="take them out of the file",
        )
    leaks, _ = find_leaks(examples, samples, kind=record.kind, pairs=None)
    sources = {pair.source for leak in leaks if leak.counted for pair in leak.pairs}
    kept = [e for i, e in enumerate(examples) if (e.source or e.id or f"train[{i}]") not in sources]
    if len(kept) < len(examples):
        log.warning("%d rows are left out: they copy questions of the run's test", len(examples) - len(kept))
    if not kept:
        raise ConfigError("no row is left to learn from", where=where, next_step="give other questions")
    return kept, len(examples) - len(kept)


def questions_of(given: Sequence[Example] | RowsGiven, columns: Columns | None = None) -> list[Example]:
    """Examples as they are; anything else is read as questions, which may leave their answers out."""
    if isinstance(given, Sequence) and given and all(isinstance(one, Example) for one in given):
        return list(given)
    return [row.example for row in read_questions(given, columns)]


def _answered(rows: Sequence[Example], plan: ComparisonPlan, opened: Source, answers: Answers) -> list[Example]:
    """The rows, the teacher's own answers in those that have none (or in all)."""
    asked = [i for i, e in enumerate(rows) if answers == "teacher" or not has_answer(e)]
    if not asked:
        return list(rows)
    name = plan.variants[0].name
    if opened.record.kind == "calls":
        what = f"{rows[asked[0]].source} has no answer, and calls are learnt from rows that have them"
        raise ConfigError(what, where="questions", next_step="give rows with calls, and leave answers=teacher out")
    key = opened.record.variants[name].key
    samples = [_sample(rows[i], str(i)) for i in asked]
    store_file = cache_dir() / "teachers" / f"answers-{key[:32]}.jsonl"
    store_file.parent.mkdir(parents=True, exist_ok=True)
    chain = _chain(plan)
    with RowStore(store_file) as store:
        found = answer_all(name, key, lambda: chain, samples, store, batch_size=32, on_progress=progress.report)
    given = [row for row in found if row is not None and not row.error]
    if len(given) < len(found):
        why = next((row.error for row in found if row is not None and row.error), "it was not asked")
        raise ConfigError(
            f"{len(found) - len(given)} of {len(found)} questions got no answer: {why}",
            where=f"variant {name}",
            next_step="run the same command again: the answers that are there are kept",
        )
    texts = dict(zip(asked, (row.text for row in given), strict=True))
    # Even where the text is the same, the row is another: it is counted as the teacher's.
    return [e.with_target(texts[i]).model_copy() if i in texts else e for i, e in enumerate(rows)]


def has_answer(example: Example) -> bool:
    return bool(example.target.replace(NO_ANSWER, "").strip())


def _sample(example: Example, name: str) -> Sample:
    system = next((t.content for t in example.prompt if t.role == "system"), None)
    turns = tuple(t for t in example.prompt[:-1] if t.role != "system")
    return Sample(
        id=name, input=example.question, target="", references=(), system=system, turns=turns, tools=example.tools
    )


# ---- the teacher's prompts -------------------------------------------------------------------------------------------


def with_its_context(rows: Sequence[Example], plan: ComparisonPlan) -> list[Example]:
    """The rows with the prompt that the plan's variant would put before the model."""
    chain = _chain(plan)
    if plan.variants[0].shots == "nearest":
        plan.nearest.nearest_many([e.query for e in rows])  # all questions are embedded in one batch
    return [
        e.model_copy(update={"turns": (*to_backend(chain.messages(question_of(_sample(e, "")))), e.turns[-1])})
        for e in rows
    ]


def _chain(plan: ComparisonPlan) -> Any:  # chains.AnswerChain, which domainkit knows by name only
    """The variant's chain, in whose prompts no question stands with its own answer."""
    variant, parts = plan.variants[0], plan.parts
    if variant.shots == "nearest":

        def nearest(questions: Sequence[str]) -> list[list[Example]]:
            return [found[::-1] for found in plan.nearest.nearest_many(questions, exclude_same=True)]

        parts = replace(parts, nearest=nearest)
    chain = CHAINS.load("build_chain")(variant, parts)
    if variant.shots == "fixed":
        fixed = chain.shots

        def others(questions: Sequence[str]) -> list[list[Example]]:
            return [[e for e in fixed if fold(e.query) != fold(q)] for q in questions]

        chain = chain.model_copy(update={"choose_shots": others})
    return chain
