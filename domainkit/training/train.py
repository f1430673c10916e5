"""train(): examples in, adapter folder out. Each stage is a call."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from domainkit.adapters.adaptation import Adaptation
from domainkit.adapters.folder import Adapter, check_replaceable, work_folder
from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.micro_batch import MicroBatch
from domainkit.adapters.tuned_model import release
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import examples_of
from domainkit.corpus.rows.columns import described
from domainkit.corpus.rows.open_rows import RowsGiven
from domainkit.errors import ConfigError, DataError
from domainkit.messages import JsonObject
from domainkit.models.language_model import rope_boundary
from domainkit.models.load import LoadedBase, load_base, pick_device
from domainkit.models.memory import training_pass
from domainkit.models.source import resolve_base
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.progress import shown, stage
from domainkit.registry import suggestion
from domainkit.storage import sha256_lines
from domainkit.training.adapter_card import make_card, save_adapter
from domainkit.training.batches import Batches, pad, use_segments, why_not_pack
from domainkit.training.config import TrainConfig, parse_config
from domainkit.training.distributed import barrier, is_main_process, world_size
from domainkit.training.examples_to_ids import (
    TokenizedExample,
    longest_example,
    note_of_turns,
    rows_of_examples,
    tokenize_documents,
    unused_tasks,
    with_thinking,
)
from domainkit.training.loop import Loop
from domainkit.training.objectives.context_distillation import ContextTeacher, TeacherStates, teacher_states
from domainkit.training.objectives.supervised import supervised_logits
from domainkit.training.optimization.checkpoints import (
    RunIdentity,
    check_resolved,
    finished_adapter,
    last_checkpoint,
    locked_run,
    open_work_folder,
)
from domainkit.training.optimization.guards import check_answers_changed, check_weights_changed, trainable_weights
from domainkit.training.optimization.loggers import check_loggers, step_callbacks
from domainkit.training.optimization.progress import Progress
from domainkit.training.sharding import check_can_shard, shard, sharding_requested

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel

log = logging.getLogger("domainkit")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The configuration with every default made explicit, and why."""

    config: TrainConfig
    method: Adaptation
    rate_source: str
    notes: tuple[str, ...]


def train(
    examples: Sequence[Example] | RowsGiven,
    config: TrainConfig | None = None,
    out: str | Path = "adapter",
    *,
    resume: bool = False,
    documents: Sequence[Document] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    loaded: LoadedBase | None = None,
    columns: Mapping[str, str] | None = None,
    teacher: ContextTeacher | None = None,
) -> Adapter:
    """Train an adapter on examples (and raw documents) and write it to the folder `out`, whole or not at all.

    `examples` may also be whatever `read_examples` reads: a file, `hf:owner/name`, a `datasets.Dataset`, a list of
    dicts. `columns` says what our fields are called there; the adapter's card keeps it.

    Until it is done, checkpoints are in `<out>.partial`; after an interruption, `resume=True` continues from the last
    one to the same losses, bit for bit. `on_progress` is called after every step; left out, progress goes to standard
    error. `loaded` is the configuration's base, already in memory; the adapter is taken out of it again. With a
    `teacher`, the answers' tokens are learnt from its probabilities (`objectives/context_distillation.py`).
     Raises DataError, ConfigError, BaseModelError, MachineError or TrainingError; KeyboardInterrupt after a checkpoint
     is saved.
    """
    config, out = parse_config({}) if config is None else config, Path(out)
    if not isinstance(config, TrainConfig):
        what = f"the configuration is of the type {type(config).__name__}"
        raise ConfigError(what, next_step='give TrainConfig(method="lora", epochs=2), or leave it out')
    examples = examples_of(examples, columns)
    if not is_main_process():
        log.setLevel(logging.ERROR)  # only the main process speaks
    with sharding_requested() as sharded, locked_run(out), nullcontext() if on_progress else shown():
        # 1. Refuse what cannot work before anything is loaded.
        method = parse_method(config.method, config.method_options)
        if sharded:
            check_can_shard(method, config.quantization)
            if teacher is not None:
                raise ConfigError("a teacher reads a whole base, and here it is sharded", next_step="train on one GPU")
        check_loggers(config.report_to)
        identity = _identity(config, examples, documents or (), teacher)
        check_replaceable(out)
        finished = finished_adapter(out, identity) if resume else None
        if finished is not None:
            return finished
        barrier()  # no process may write before all have looked
        work = open_work_folder(out, identity, resume=resume) if is_main_process() else work_folder(out)
        barrier()
        checkpoint = last_checkpoint(work) if resume else None
        # 2. The base, frozen and quantised.
        torch.manual_seed(config.seed)
        base = loaded or load_base(
            config.base,
            revision=config.revision,
            quantization=config.quantization,
            shards=world_size() if sharded else 1,
            tokens_per_pass=config.max_tokens_per_pass,
            checkpointing=config.gradient_checkpointing,
        )
        base = replace(base, chat_template=_thinking_of(base, config, examples))
        resolved = _resolve(config, method, base)
        if is_main_process():
            check_resolved(work, resolved.config.model_dump())
        # 3. Examples as token ids, with only the answers supervised.
        with stage("encoding the examples"):
            tokenized, note = _render(examples, documents or (), base, resolved)
        unused = [] if method.task_names() else unused_tasks(examples, method.kind)
        for warning in unused:
            log.warning(warning)
        # What a teacher says of them, before the student is there.
        taught = teacher_states(teacher, tokenized, base, resolved.config) if teacher else None
        # 4. The adapter's fresh weights.
        torch.manual_seed(config.seed)
        model = attach(method, base.model)
        if taught is not None:
            taught.check(model)
        if sharded:
            shard(model, pick_device())
        batches, why_padded = _batches(tokenized, model, resolved)
        pad_id = base.tokenizer.pad_token_id
        method.prepare(model, len(batches), lambda: _first_epoch(batches, model, pad_id))
        fresh, before = trainable_weights(model), _answers(model, tokenized[0], pad_id)
        # 5. The loop.
        with step_callbacks(on_progress, resolved.config, out) as callbacks:
            loop = Loop(model, batches, resolved.config, method, work, pad_id, sharded, callbacks, checkpoint)
            ledger = (loop if taught is None else replace(loop, loss=taught.loss)).run()
        # 6. Did it learn anything?
        check_weights_changed(model, fresh)
        check_answers_changed(before, _answers(model, tokenized[0], pad_id))
        # 7. Weights and card, in one move.
        card = make_card(
            base,
            resolved.config,
            model,
            ledger,
            learning_rate_source=resolved.rate_source,
            examples=len(examples),
            documents=len(documents or ()),
            teachers=dict(Counter(e.teacher for e in examples if e.teacher)),
            data_fingerprint=identity.data,
            teacher=_teachers_facts(teacher, taught),
            notes=[
                *(*resolved.notes, *unused, *([note] if note else [])),
                *(*_notes(why_padded, sharded), *([described(columns)] if columns else [])),
            ],
        )
        if is_main_process():
            save_adapter(model, card, out, method, fresh)
            shutil.rmtree(work, ignore_errors=True)
        barrier()
        if loaded is not None:
            release(model)
        return Adapter.load(out)


def _teachers_facts(teacher: ContextTeacher | None, taught: TeacherStates | None) -> JsonObject | None:
    if teacher is None or taught is None:
        return None
    return {**teacher.facts, "prompt_tokens": dict(taught.prompt_tokens), "identity": teacher.identity}


def _notes(why_padded: str | None, sharded: bool) -> list[str]:
    """How rows were laid out, and how many processes shared the batches and the base."""
    notes = [f"rows are padded: {why_padded}" if why_padded else "rows are packed"]
    if world_size() > 1:
        notes.append(f"{world_size()} processes" + (", the base sharded over them" if sharded else ""))
    return notes


# ---- 1. what is asked for --------------------------------------------------------------------------------------------


def _identity(
    config: TrainConfig, examples: Sequence[Example], documents: Sequence[Document], teacher: ContextTeacher | None
) -> RunIdentity:
    if teacher and (documents or config.turns == "all" or len(teacher.examples) != len(examples)):
        raise ConfigError(
            "a teacher teaches the last turn of examples, one of its own for each",
            next_step="train without documents and with turns=last",
        )
    if not examples and not documents:
        raise ConfigError("nothing to train on: no examples and no documents", next_step="give a file with --data")
    # Where a row came from does not change what is learnt from it.
    rows = [e.training_content for e in examples]
    data = sha256_lines([*rows, *(d.model_dump_json(include={"text"}) for d in documents)])
    base = resolve_base(config.base, config.revision).fingerprint
    return RunIdentity(config.model_dump(), data, base, teacher=teacher.identity if teacher else None)


# ---- 2. to 4. base, examples, adapter --------------------------------------------------------------------------------


def _resolve(config: TrainConfig, method: Adaptation, base: LoadedBase) -> Resolved:
    rate, source = config.learning_rate, "as given"
    warned = _far_rate(method, rate)
    if rate is None:
        rate, source = method.default_learning_rate(base.parameters)
    if config.gradient_checkpointing and not method.checkpoints:
        raise ConfigError(
            f"{config.method} does not reach layers whose activations are recomputed, so it would not train",
            where="gradient_checkpointing",
            next_step="set gradient_checkpointing=false, and lower max_tokens_per_pass to save memory",
        )
    one_side = "virtual tokens have those of short rows" if method.virtual_tokens() else None
    resolved = config.model_copy(
        update={
            "learning_rate": rate,
            "quantization": base.quantization,
            "revision": base.source.revision,
            "max_length": longest_example(base, config.max_length, method.virtual_tokens(), one_side),
            "template_options": base.chat_template.options,
            "method_options": {k: v for k, v in method.model_dump().items() if k != "kind"},
        }
    )
    notes = (*base.notes, f"learning rate {rate:g}: {source}", *_shorter_passes(config, base.device))
    for note in notes:
        log.info(note)
    if warned:
        log.warning(warned)
        notes = (*notes, warned)
    return Resolved(resolved, method, source, notes)


def _shorter_passes(config: TrainConfig, device: torch.device) -> list[str]:
    """What is said to who asked for passes that are not made."""
    asked, most = config.max_tokens_per_pass, training_pass(config.max_tokens_per_pass, device)
    if most == asked or "max_tokens_per_pass" not in config.model_fields_set:
        return []
    return [f"passes have {most:,} tokens at most, not {asked:,}: longer ones save little time on this CPU"]


FAR = 3.0
"""A rate this many times beyond the published ones is far from them."""


def _far_rate(method: Adaptation, rate: float | None) -> str | None:
    """A warning about a given rate that is far from every published rate of the method."""
    published = method.published_rates
    if rate is None or published is None or published[0] / FAR <= rate <= published[1] * FAR:
        return None
    usual, source = method.default_learning_rate()
    return (
        f"learning_rate={rate:g} is far from what is known to work for {method.kind}, "
        f"{published[0]:g} to {published[1]:g}: its default is {usual:g} ({source})"
    )


def _number_tasks(
    rows: Sequence[Sequence[TokenizedExample]],
    examples: Sequence[Example],
    documents: Sequence[Document],
    tasks: Sequence[str],
) -> list[TokenizedExample]:
    """The examples' rows with the numbers of their tasks. Raises DataError for an example of a task that the method
    does not have."""
    if not tasks:
        return [row for of_one in rows for row in of_one]
    problems, numbered = [], []
    for of_one, example in zip(rows, examples, strict=True):
        name = example.task if example.task is not None or len(tasks) > 1 else tasks[0]
        if name in tasks:
            numbered += [replace(row, task=tasks.index(name)) for row in of_one]
            continue
        what = "has no field 'task'" if name is None else f"is of the task '{name}', which method.tasks does not name"
        cure = f"one of: {', '.join(tasks)}" if name is None else suggestion(name, tasks)
        problems.append(example.problem(what, cure))
    if problems:
        raise DataError(problems)
    if documents and len(tasks) > 1:
        raise ConfigError("documents belong to no task", where="method.tasks", next_step="train on examples only")
    return numbered


def _thinking_of(base: LoadedBase, config: TrainConfig, examples: Sequence[Example]) -> ChatTemplate:
    return with_thinking(base.chat_template, config.switched_options, examples, config.turns)


def _render(
    examples: Sequence[Example], documents: Sequence[Document], base: LoadedBase, resolved: Resolved
) -> tuple[list[TokenizedExample], str | None]:
    """(rows of ids, what is to be said about the turns learnt)."""
    length, turns = resolved.config.max_length or base.context_length, resolved.config.turns
    boundary = rope_boundary(base.model.config)
    rows = rows_of_examples(examples, base.chat_template, length, turns, resolved.method.packs, boundary)
    blocks = tokenize_documents(documents, base.chat_template, length)
    if not sum(r.supervised for of_one in (*rows, blocks) for r in of_one):
        raise ConfigError("nothing to learn: no token is supervised", next_step="look at the examples' targets")
    note = note_of_turns(examples, rows) if turns == "all" else None
    if note:
        log.info(note)
    return _number_tasks(rows, examples, documents, resolved.method.task_names()) + blocks, note


def _first_epoch(batches: Batches, model: AdaptedModel, pad_id: int) -> Iterator[MicroBatch]:
    """The first epoch's forward passes, padded, on the model's device."""
    for step in range(min(batches.steps_per_epoch, len(batches))):
        for group in batches[step].micro_batches:
            yield pad(group, pad_id).to(model.device)


def _batches(tokenized: list[TokenizedExample], model: AdaptedModel, resolved: Resolved) -> tuple[Batches, str | None]:
    """(the run's batches, why rows are padded or None when they are packed)."""
    config = resolved.config
    why = None if config.packing else "packing is off"
    if why is None and not resolved.method.packs:
        why = f"the method {resolved.method.kind} cannot share rows"
    segmented = why is None and use_segments(model.get_base_model())
    why = why or why_not_pack(model, tokenized, segmented=segmented)
    batches = Batches(
        tokenized,
        batch_size=config.batch_size,
        epochs=config.epochs,
        seed=config.seed,
        max_tokens=training_pass(config.max_tokens_per_pass, model.device),
        packing=why is None,
        segmented=segmented,
        boundary=rope_boundary(model.config),
    )
    return batches, why


@torch.no_grad()
def _answers(model: AdaptedModel, row: TokenizedExample, pad_id: int) -> torch.Tensor:
    """Logits (n, vocabulary) at a row's supervised positions, without dropout."""
    one = pad([row], pad_id).to(model.device)
    was_training = model.training
    model.eval()
    logits = supervised_logits(model, one).cpu()
    model.train(was_training)
    return logits
