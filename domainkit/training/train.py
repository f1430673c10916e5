"""train(): examples in, adapter folder out. Each stage is a call."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from domainkit.adapters.adaptation import hooks
from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods import Method, attach, parse_method
from domainkit.adapters.methods.virtual_tokens.prompt_learning import arguments
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError, DataError, TrainingError
from domainkit.models.load import LoadedBase, load_base, pick_device
from domainkit.models.source import resolve_base
from domainkit.registry import suggestion
from domainkit.storage import sha256_lines
from domainkit.training import distributed as ranks
from domainkit.training import sharding
from domainkit.training.batches import Batches, Pass, pad, use_segments, why_not_pack
from domainkit.training.checkpoints import finished, last_checkpoint, open_work, stopping_gently, work_folder
from domainkit.training.config import TrainConfig, parse_config
from domainkit.training.examples_to_ids import Rendered, render_all, render_documents
from domainkit.training.loop import Loop
from domainkit.training.outcome import check_learnt, check_out, make_card, save, trainable_weights
from domainkit.training.progress import Progress, show_progress

log = logging.getLogger("domainkit")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The configuration with every default made explicit, and why."""

    config: TrainConfig
    method: Method
    rate_source: str
    notes: tuple[str, ...]


def train(
    examples: Sequence[Example],
    config: TrainConfig | None = None,
    out: str | Path = "adapter",
    *,
    resume: bool = False,
    documents: Sequence[Document] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    loaded: LoadedBase | None = None,
) -> Adapter:
    """Train an adapter on examples (and raw documents) and write it to the folder `out`, whole or not at all.

    Until it is done, checkpoints are in `<out>.partial`; after an interruption, `resume=True` continues from the last one to the
    same losses, bit for bit. `on_progress` is called after every step; left out, progress goes to standard error.
    `loaded` is the configuration's base, already in memory; the adapter is taken out of it again.
    Raises DataError, ConfigError, BaseModelError, MachineError or TrainingError; KeyboardInterrupt after a checkpoint is saved.
    """
    config, out = config or parse_config({}), Path(out)
    with sharding.asked_for() as cut:
        return _train(examples, config, out, resume, documents or (), on_progress, loaded, cut)


def _train(
    examples: Sequence[Example], config: TrainConfig, out: Path, resume: bool, documents: Sequence[Document],
    on_progress: Callable[[Progress], None] | None, loaded: LoadedBase | None, cut: bool,
) -> Adapter:  # fmt: skip
    if not ranks.is_first():
        log.setLevel(logging.ERROR)  # the first process speaks for all
    # 1. Refuse what cannot work before anything is loaded.
    method = parse_method(config.method, config.method_options)
    if cut:
        sharding.check_can_cut(method, config.quantization)
    data = _data_fingerprint(examples, documents)
    identity = {
        "config": config.model_dump(),
        "data": data,
        "base": resolve_base(config.base, config.revision).fingerprint,
    }
    check_out(out)
    made = finished(out, identity) if resume else None
    if made is not None:
        return made
    ranks.wait()  # no process writes before every one has looked
    work = open_work(out, identity, resume=resume) if ranks.is_first() else work_folder(out)
    ranks.wait()
    # 2. The base, frozen and quantised.
    torch.manual_seed(config.seed)
    base = loaded or load_base(
        config.base, revision=config.revision, quantization=config.quantization, shards=ranks.count() if cut else 1
    )
    resolved = _resolve(config, method, base)
    # 3. Examples as token ids, with only the answers supervised.
    rendered = _render(examples, documents, base, resolved.config, method)
    # 4. The adapter's fresh weights.
    torch.manual_seed(config.seed)
    model = attach(method, base.model)
    if cut:
        sharding.cut(model, pick_device())
    batches, packed = _batches(rendered, model, resolved)
    pad_id = base.tokenizer.pad_token_id
    hooks(method).prepare(model, len(batches), lambda: _first_epoch(batches, model, pad_id))
    fresh, before = trainable_weights(model), _answers(model, rendered[0], pad_id)
    # 5. The loop.
    with nullcontext(on_progress) if on_progress or not ranks.is_first() else show_progress() as report:
        loop = Loop(model, batches, resolved.config, work, pad_id=pad_id, on_progress=report, method=method, cut=cut)
        with stopping_gently(loop):
            ledger = loop.run(last_checkpoint(work))
    # 6. Did it learn anything?
    check_learnt(model, fresh)
    _check_answers(before, _answers(model, rendered[0], pad_id))
    # 7. Weights and card, in one move.
    card = make_card(
        base, resolved.config, model, losses=ledger.losses, tokens=ledger.tokens, supervised=ledger.supervised,
        seconds=ledger.seconds, learning_rate_source=resolved.rate_source, examples=len(examples),
        documents=len(documents), data_fingerprint=data, notes=[*resolved.notes, *_notes(packed, cut)],
    )  # fmt: skip
    if ranks.is_first():
        save(model, card, out, hooks(method), fresh)
        shutil.rmtree(work, ignore_errors=True)
    ranks.wait()
    if loaded is not None:
        release(model)
    return Adapter.load(out)


def _notes(why_padded: str | None, cut: bool) -> list[str]:
    """How the rows were laid out, and how many processes shared them and the base."""
    rows = f"rows are padded: {why_padded}" if why_padded else "rows are packed"
    shared = f"{ranks.count()} processes" + (", the base cut over them" if cut else "")
    return [rows, *([shared] if ranks.count() > 1 else [])]


def release(model: Any) -> None:
    """Take the adapter out of its base, which can then take another."""
    base = model.get_base_model()
    if not getattr(model.active_peft_config, "is_prompt_learning", False):
        model.unload()
    for name in ("peft_config", "_hf_peft_config_loaded"):
        base.__dict__.pop(name, None)


# ---- 1. what is asked for ----------------------------------------------------------------------------------------------


def _data_fingerprint(examples: Sequence[Example], documents: Sequence[Document]) -> str:
    if not examples and not documents:
        raise ConfigError("nothing to train on: no examples and no documents", next_step="give a file with --data")
    # Where a row came from does not change what is learnt from it.
    rows = [e.training_content for e in examples]
    return sha256_lines([*rows, *(d.model_dump_json(include={"text"}) for d in documents)])


# ---- 2. to 4. base, examples, adapter ----------------------------------------------------------------------------------


def _resolve(config: TrainConfig, method: Method, base: LoadedBase) -> Resolved:
    rate, source = config.learning_rate, "as given"
    warned = _far_rate(method, rate)
    if rate is None:
        rate, source = method.default_learning_rate(base.parameters)
    if config.gradient_checkpointing and not hooks(method).checkpoints:
        raise ConfigError(
            f"{config.method} does not reach layers whose activations are recomputed, so it would not train",
            where="gradient_checkpointing",
            next_step="set gradient_checkpointing=false, and lower max_tokens_per_pass to save memory",
        )
    resolved = config.model_copy(
        update={
            "learning_rate": rate,
            "quantization": base.quantization,
            "revision": base.source.revision,
            "max_length": config.max_length or base.context_length - hooks(method).prepended(),
            "method_options": {k: v for k, v in method.model_dump().items() if k != "kind"},
        }
    )
    notes = (*base.notes, f"learning rate {rate:g}: {source}")
    for note in notes:
        log.info(note)
    if warned:
        log.warning(warned)
        notes = (*notes, warned)
    return Resolved(resolved, method, source, notes)


FAR = 3.0
"""A rate so many times beyond the published ones is far from them."""


def _far_rate(method: Method, rate: float | None) -> str | None:
    """What to tell about a given rate that is far from every rate known to work for the method."""
    known = hooks(method).known_rates
    if rate is None or known is None or known[0] / FAR <= rate <= known[1] * FAR:
        return None
    usual, source = method.default_learning_rate()
    return (
        f"learning_rate={rate:g} is far from what is known to work for {method.kind}, {known[0]:g} to {known[1]:g}: "
        f"its default is {usual:g} ({source})"
    )


def _number_tasks(
    rendered: list[Rendered], examples: Sequence[Example], documents: Sequence[Document], tasks: Sequence[str]
) -> list[Rendered]:
    """The rows with the numbers of their tasks. Raises DataError for rows of a task that the method does not have."""
    if not tasks:
        return rendered
    problems, numbered = [], []
    for row, example in zip(rendered, examples, strict=False):
        name = example.task if example.task is not None or len(tasks) > 1 else tasks[0]
        if name in tasks:
            numbered.append(replace(row, task=tasks.index(name)))
            continue
        what = "has no field 'task'" if name is None else f"is of the task '{name}', which method.tasks does not name"
        cure = f"one of: {', '.join(tasks)}" if name is None else suggestion(name, tasks)
        problems.append(example.problem(what, cure))
    if problems:
        raise DataError(problems)
    if documents and len(tasks) > 1:
        raise ConfigError("documents belong to no task", where="method.tasks", next_step="train on examples only")
    return numbered + rendered[len(examples) :]


def _render(
    examples: Sequence[Example], documents: Sequence[Document], base: LoadedBase, config: TrainConfig, method: Method
) -> list[Rendered]:
    length = config.max_length or base.context_length
    rendered = render_all(examples, base.chat_template, length) + render_documents(
        documents, base.chat_template, length
    )
    if not sum(r.supervised for r in rendered):
        raise ConfigError("nothing to learn: no token is supervised", next_step="look at the examples' targets")
    return _number_tasks(rendered, examples, documents, hooks(method).tasks_of_rows())


def _first_epoch(batches: Batches, model: Any, pad_id: int) -> Iterator[Pass]:
    """The first epoch's forward passes, padded, on the model's device."""
    for step in range(min(batches.steps_per_epoch, len(batches))):
        for group in batches[step].passes:
            yield pad(group, pad_id).to(model.device)


def _batches(rendered: list[Rendered], model: Any, resolved: Resolved) -> tuple[Batches, str | None]:
    """(the run's batches, why rows are padded or None when they are packed)."""
    config = resolved.config
    why = None if config.packing else "packing is off"
    if why is None and not resolved.method.packs:
        why = f"the method {resolved.method.kind} cannot share rows"
    segmented = why is None and use_segments(model.get_base_model())
    why = why or why_not_pack(model, rendered, segmented=segmented)
    batches = Batches(
        rendered, batch_size=config.batch_size, epochs=config.epochs, seed=config.seed,
        max_tokens=config.max_tokens_per_pass, packing=why is None, segmented=segmented,
    )  # fmt: skip
    return batches, why


@torch.no_grad()
def _answers(model: Any, row: Rendered, pad_id: int) -> torch.Tensor:
    """Logits (n, vocabulary) at a row's supervised positions, without dropout."""
    one = pad([row], pad_id).to(model.device)
    given, shift = arguments(model, one)
    was_training = model.training
    model.eval()
    logits = model(**given).logits[one.rows, one.columns + shift].float().cpu()
    model.train(was_training)
    return logits


# ---- 5. and 6. the loop and its result ---------------------------------------------------------------------------------


def _check_answers(before: torch.Tensor, after: torch.Tensor) -> None:
    """The trained adapter answers otherwise than the fresh one: weights may move without any effect."""
    if torch.equal(before, after):
        raise TrainingError(
            "training changed weights but not one answer, so the adapter would answer exactly as the base does",
            next_step="raise the learning rate, train for more epochs, or choose other target layers",
        )


__all__ = ["TrainingError", "release", "train"]
