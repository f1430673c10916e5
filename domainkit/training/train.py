"""train(): examples in, adapter folder out. Each stage is a call."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from domainkit.adapter import PEFT_CONFIG, WEIGHTS, Adapter, Card, write_card
from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError, saving
from domainkit.machine import hardware, versions
from domainkit.storage import sha256_file, sha256_lines, staged_folder, write_text
from domainkit.training.base import LoadedBase, load_base, resolve_base
from domainkit.training.batches import Batches, use_segments, why_not_pack
from domainkit.training.config import TrainConfig, parse_config
from domainkit.training.loop import Ledger, Loop, TrainingError, last_checkpoint, stopping_gently
from domainkit.training.methods import Method, attach, parse_method
from domainkit.training.progress import Progress, show_progress
from domainkit.training.render import Rendered, encode_chat, render_all, render_documents

log = logging.getLogger("domainkit")

RUN = "run.json"
SETTINGS_FREE_TO_CHANGE = {"save_every"}


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
) -> Adapter:
    """Train an adapter on examples (and raw documents) and write it to the folder `out`, whole or not at all.

    Until it is done, checkpoints are in `<out>.partial`; after an interruption, `resume=True` continues from the last one to the
    same losses, bit for bit. `on_progress` is called after every step; left out, progress goes to standard error.
    Raises DataError, ConfigError, BaseModelError, MachineError or TrainingError; KeyboardInterrupt after a checkpoint is saved.
    """
    config, out = config or parse_config({}), Path(out)
    # 1. Refuse what cannot work before anything is loaded.
    method = parse_method(config.method, config.method_options)
    data = _data_fingerprint(examples, documents or ())
    identity = {
        "config": config.model_dump(),
        "data": data,
        "base": resolve_base(config.base, config.revision).fingerprint,
    }
    _check_out(out)
    finished = _finished(out, identity) if resume else None
    if finished is not None:
        return finished
    work = _open_work(out, identity, resume=resume)
    # 2. The base, frozen and quantised.
    torch.manual_seed(config.seed)
    base = load_base(config.base, revision=config.revision, quantization=config.quantization)
    resolved = _resolve(config, method, base)
    # 3. Examples as token ids, with only the answers supervised.
    rendered = _render(examples, documents or (), base, resolved.config)
    # 4. The adapter's fresh weights.
    torch.manual_seed(config.seed)
    model = attach(method, base.model)
    fresh = _weights(model)
    # 5. The loop.
    batches, packed = _batches(rendered, model, resolved)
    with nullcontext(on_progress) if on_progress else show_progress() as report:
        loop = Loop(model, batches, resolved.config, work, pad_id=base.tokenizer.pad_token_id, on_progress=report)
        ledger = _run(loop, last_checkpoint(work), work)
    # 6. Did it learn anything?
    _check_learnt(model, fresh)
    # 7. Weights and card, in one move.
    card = _card(base, resolved, examples, documents or (), data, ledger, model, packed)
    adapter = _save(model, card, out)
    shutil.rmtree(work, ignore_errors=True)
    return adapter


# ---- 1. what is asked for ----------------------------------------------------------------------------------------------


def _data_fingerprint(examples: Sequence[Example], documents: Sequence[Document]) -> str:
    if not examples and not documents:
        raise ConfigError("nothing to train on: no examples and no documents", next_step="give a file with --data")
    # Where a row came from does not change what is learnt from it.
    rows = [e.model_dump_json(include={"turns"}) for e in examples]
    return sha256_lines([*rows, *(d.model_dump_json(include={"text"}) for d in documents)])


def _check_out(out: Path) -> None:
    """An adapter may be replaced by a new one; nothing else is ever overwritten."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / PEFT_CONFIG).is_file()):
        raise ConfigError("exists and is no adapter", where=f"out={out}", next_step="choose a new folder")


def _finished(out: Path, identity: dict[str, Any]) -> Adapter | None:
    """The adapter in `out`, when no run is left to resume and it is what this run would make."""
    if not (out / PEFT_CONFIG).is_file() or last_checkpoint(_work(out)):
        return None
    adapter = Adapter.load(out)
    if adapter.card is None:
        return None
    made = {"config": adapter.card.config, "data": adapter.card.data_fingerprint, "base": adapter.card.base_fingerprint}
    changed = _differences(made, {**identity, "config": _as_made(identity["config"], adapter.card.config)})
    if changed:
        raise ConfigError(
            f"holds a finished adapter made with other settings: {'; '.join(changed)}",
            where=f"out={out}",
            next_step="choose another folder, or train without --resume to replace it",
        )
    return adapter


def _as_made(asked: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """What was asked for, with what it left open (None, auto) as it was resolved in `made`."""
    settled = {f: made.get(f) if v in (None, "auto") else v for f, v in asked.items()}
    return settled | {"method_options": {**made.get("method_options", {}), **asked["method_options"]}}


def _work(out: Path) -> Path:
    return out.absolute().with_name(out.absolute().name + ".partial")


def _open_work(out: Path, identity: dict[str, Any], *, resume: bool) -> Path:
    """The folder of checkpoints: continued when `resume` finds the same run in it, begun afresh otherwise."""
    work = _work(out)
    identity = json.loads(json.dumps(identity))
    if resume and (work / RUN).is_file() and last_checkpoint(work):
        before = json.loads((work / RUN).read_text(encoding="utf-8"))
        changed = _differences(before, identity)
        if changed:
            raise ConfigError(
                f"cannot continue, since the run was started with other settings: {'; '.join(changed)}",
                where=str(work),
                next_step="use the settings of that run, or train without --resume to begin afresh",
            )
        return work
    with saving(work):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    write_text(work / RUN, json.dumps(identity, indent=1) + "\n")
    return work


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    old, new = before["config"], now["config"]
    fields = [f for f in dict.fromkeys([*old, *new]) if f not in SETTINGS_FREE_TO_CHANGE and old.get(f) != new.get(f)]
    changed = [f"{f} was {old.get(f)!r}, is {new.get(f)!r}" for f in fields]
    named = {"data": "the training data", "base": "the base model's weights"}
    return changed + [f"{text} changed" for key, text in named.items() if before[key] != now[key]]


# ---- 2. to 4. base, examples, adapter ----------------------------------------------------------------------------------


def _resolve(config: TrainConfig, method: Method, base: LoadedBase) -> Resolved:
    rate, source = config.learning_rate, "as given"
    if rate is None:
        rate, source = method.default_learning_rate(base.parameters)
    resolved = config.model_copy(
        update={
            "learning_rate": rate,
            "quantization": base.quantization,
            "revision": base.source.revision,
            "max_length": config.max_length or base.context_length,
            "method_options": {k: v for k, v in method.model_dump().items() if k != "kind"},
        }
    )
    notes = (*base.notes, f"learning rate {rate:g}: {source}")
    for note in notes:
        log.info(note)
    return Resolved(resolved, method, source, notes)


def _render(
    examples: Sequence[Example], documents: Sequence[Document], base: LoadedBase, config: TrainConfig
) -> list[Rendered]:
    length = config.max_length or base.context_length
    rendered = render_all(examples, base.tokenizer, length) + render_documents(documents, base.tokenizer, length)
    if not sum(r.supervised for r in rendered):
        raise ConfigError("nothing to learn: no token is supervised", next_step="look at the examples' targets")
    return rendered


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


def _weights(model: Any) -> dict[str, torch.Tensor]:
    """Copies of the trainable weights, in main memory."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


# ---- 5. and 6. the loop and its result ---------------------------------------------------------------------------------


def _run(loop: Loop, checkpoint: Path | None, work: Path) -> Ledger:
    try:
        with stopping_gently(loop):
            return loop.run(checkpoint)
    except KeyboardInterrupt as e:
        saved = last_checkpoint(work)
        step = f"; step {saved.name.removeprefix('checkpoint-')} is saved" if saved else "; nothing is saved yet"
        raise KeyboardInterrupt(f"{e or 'stopped'}{step}. Continue with the same command and --resume") from None


def _check_learnt(model: Any, fresh: dict[str, torch.Tensor]) -> None:
    """Every adapter weight is a number, and some have moved: otherwise the adapter is the base, and loads without a word."""
    trained = _weights(model)
    broken = [name for name, w in trained.items() if not bool(torch.isfinite(w).all())]
    if broken:
        raise TrainingError(
            f"the trained weights hold values that are not numbers: {', '.join(broken[:3])}",
            next_step="lower the learning rate",
        )
    if all(torch.equal(w, fresh[name]) for name, w in trained.items()):
        raise TrainingError(
            "training changed no weight, so the adapter would answer exactly as the base does",
            next_step="raise the learning rate or train for more epochs",
        )


# ---- 7. the folder -----------------------------------------------------------------------------------------------------


def _card(
    base: LoadedBase, resolved: Resolved, examples: Sequence[Example], documents: Sequence[Document], data: str,
    ledger: Ledger, model: Any, why_padded: str | None,
) -> Card:  # fmt: skip
    from domainkit import __version__

    losses = [loss for _, loss in ledger.losses]
    tail = losses[-max(1, len(losses) // 10) :]
    config = resolved.config
    return Card(
        base=config.base,
        base_fingerprint=base.source.fingerprint,
        revision=base.source.revision,
        quantization=base.quantization,
        method=config.method,
        config=config.model_dump(),
        learning_rate_source=resolved.rate_source,
        prompt_format=prompt_format(base.tokenizer),
        examples=len(examples),
        documents=len(documents),
        data_fingerprint=data,
        tokens=ledger.tokens,
        supervised_tokens=ledger.supervised,
        losses=ledger.losses,
        final_loss=sum(tail) / len(tail) if tail else None,
        seconds=round(ledger.seconds, 3),
        tokens_per_second=round(ledger.tokens_per_second, 1),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        hardware=hardware(),
        versions=versions(),
        weights_sha256="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        domainkit=__version__,
        notes=[*resolved.notes, f"rows are padded: {why_padded}" if why_padded else "rows are packed"],
    )


def prompt_format(tokenizer: Any) -> str:
    """The prompt as the model reads it when a row has no system turn; {question} stands for the user's words."""
    return tokenizer.decode(
        encode_chat(tokenizer, [{"role": "user", "content": "{question}"}], add_generation_prompt=True)
    )


def _save(model: Any, card: Card, out: Path) -> Adapter:
    """PEFT's own folder, and the card."""
    with staged_folder(out) as staged:
        for config in model.peft_config.values():
            config.base_model_name_or_path, config.revision = card.base, card.revision
        model.save_pretrained(str(staged), safe_serialization=True, save_embedding_layers=False)
        (staged / "README.md").unlink(missing_ok=True)  # PEFT's empty form; the card says what is known
        write_card(staged, card.model_copy(update={"weights_sha256": sha256_file(staged / WEIGHTS)}))
    return Adapter.load(out)


__all__ = ["TrainingError", "prompt_format", "train"]
