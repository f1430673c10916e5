"""Writing variants.json into the run folder, with the training rows and passages that the variants use.

The user's own files may change or move afterwards. A Runnable of the user's own is named only: code is not stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Adapter
from domainkit.comparison.ladder import CHAINS
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.corpus.example import Example
from domainkit.evaluation.kinds.calls import tools_of_all
from domainkit.evaluation.trivial import COPY
from domainkit.evaluation.variant import Variant
from domainkit.machine import versions
from domainkit.messages import JsonObject
from domainkit.models.source import resolve_base
from domainkit.models.tokenizer import TEMPLATE_FILES
from domainkit.results.variants import (
    RECORD,
    MeasuredBase,
    MeasuredModel,
    MeasuredRetriever,
    MeasuredVariant,
    StoredFolder,
    StoredRows,
    VariantsRecord,
)
from domainkit.retrieval import MiniLMEmbeddings
from domainkit.storage import sha256_file, sha256_lines, write_text

INPUTS = "inputs"
"""The folder of the rows and passages, beside the record."""
SETTINGS = ("shots", "passages", "passage_words", "retriever", "decoding", "seed", "embed_hours")
"""Fields of CompareConfig that change how a variant answers, or how its index is built."""


def write_record(plan: ComparisonPlan, created: str, out: Path) -> VariantsRecord:
    """Write the record of `plan` into the run folder `out`, with the rows and passages that its variants use."""
    variants = [v for v in plan.variants if v.runnable is None]
    settings, simple = plan.inputs.config.model_dump(include=set(SETTINGS)), _simple(plan, variants)
    if plan.inputs.config.server is not None:
        settings["server"] = plan.inputs.config.server
    if plan.inputs.config.thinking is not None:
        settings["thinking"] = plan.inputs.config.thinking
    by_meaning = any(needs_embeddings(v, settings, str(simple.get("classical", ""))) for v in variants)
    record = VariantsRecord(
        created=created,
        task=plan.inputs.task.name,
        kind=plan.inputs.task.kind,
        labels=plan.inputs.task.labels,
        tools=tools_of_all(plan.inputs.task.samples) if plan.inputs.task.kind == "calls" else (),
        json_schema=plan.inputs.task.json_schema,
        dialogues=any(s.turns for s in plan.inputs.task.samples),
        settings=settings,
        examples=_stored_examples(plan, variants, out),
        passages=_stored_passages(plan, variants, out),
        retriever=_retriever(plan, variants),
        encoder=_encoder(plan, variants, out),
        embeddings=MiniLMEmbeddings().identity() if by_meaning else "",
        variants={v.name: _measured(plan, v) for v in plan.variants},
        versions=versions(),
        **_language_model(plan, variants, out),
        **simple,
    )
    write_text(out / RECORD, record.model_dump_json(indent=1) + "\n")
    _remove_older(out / INPUTS, record)
    return record


def flags_of(variant: Variant) -> JsonObject:
    return variant.model_dump(mode="json", exclude={"runnable", "identity"})


def reads_examples(variant: Variant) -> bool:
    """Whether the variant needs the training rows to answer; the trained ones have them in their weights."""
    return variant.shots != "none" or variant.classical == "auto"


def searches(variant: Variant) -> bool:
    """Whether the variant asks a retriever; an oracle is given its passages."""
    return variant.retrieve and not variant.oracle


def reads_passages(variant: Variant, *, own: bool) -> bool:
    """Whether the variant needs the corpus to answer; with a retriever of the user's `own` only an oracle does."""
    return variant.oracle or (variant.retrieve and not own)


def needs_embeddings(variant: Variant, settings: Mapping[str, object], classical: str) -> bool:
    """Whether the variant answers with MiniLM. `settings` has the retriever; `classical` is the chosen model."""
    by_meaning = searches(variant) and settings["retriever"] in ("dense", "fused")
    by_model = variant.classical == "encoder" or (variant.classical == "auto" and "embeddings" in classical)
    return variant.shots == "nearest" or by_meaning or by_model


def _measured(plan: ComparisonPlan, variant: Variant) -> MeasuredVariant:
    return MeasuredVariant(flags=flags_of(variant), key=plan.key(variant), own=variant.runnable is not None)


def _language_model(plan: ComparisonPlan, variants: Iterable[Variant], out: Path) -> JsonObject:
    """The fields about the language model; none where no variant uses one."""
    asked = [v for v in variants if v.uses_llm]
    if not asked:
        return {}
    on_base = any(v.uses_base for v in asked)
    fields: JsonObject = {
        "max_tokens": plan.max_tokens if on_base else None,
        "base": _base(plan) if on_base else None,
        "models": {name: _model(plan, name, out) for name in dict.fromkeys(v.model for v in asked if v.model)},
        "prompts": {name: plan.parts.prompt(name) for name in (plan.inputs.task.kind, "context")},
    }
    if any(v.agent for v in asked):
        fields["tool"] = CHAINS.load("agent tool")
    if plan.adapter is not None and any(v.tuned and not v.context for v in asked if v.uses_base):
        fields["adapter"] = _stored_adapter(plan.adapter, out)
    if plan.context_adapter is not None and any(v.context for v in asked if v.uses_base):
        fields["context_adapter"] = _stored_adapter(plan.context_adapter, out)
    return fields


def _base(plan: ComparisonPlan) -> MeasuredBase:
    from domainkit.models.load import pick_device  # torch: a language model took part

    identity = plan.base_llm.identity()
    if plan.inputs.config.server is not None:
        # Which weights it has, and on which device, is the server's.
        trained = plan.card.quantization if plan.card else "none"
        identity |= {"quantization": plan.inputs.config.quantization or trained, "device": None}
    source = resolve_base(identity["base"], identity["revision"])
    name = str(source.path.resolve()) if source.kind in ("folder", "gguf") else source.name
    facts = {field: identity[field] for field in ("revision", "quantization")}
    device = pick_device(identity["device"]).type if identity["device"] else ""
    return MeasuredBase(name=name, fingerprint=source.fingerprint, device=device, **facts)


def _model(plan: ComparisonPlan, name: str, out: Path) -> MeasuredModel:
    given = plan.inputs.models[name]
    tuned = {v.context: plan.model_adapters[name, v.context] for v in plan.variants if v.tuned and v.model == name}
    adapters = {is_context: _stored_adapter(adapter, out) for is_context, adapter in tuned.items()}
    spec = given.spec
    if spec is not None and Path(spec).exists():
        spec = str(Path(spec).resolve())
    return MeasuredModel(
        spec=spec,
        name=given.model.name,
        identity=plan.digest_of_model(name),
        weights=given.model.is_local,
        max_tokens=plan.max_tokens_of(name),
        adapter=adapters.get(False),
        context_adapter=adapters.get(True),
    )


def _stored_adapter(adapter: Adapter, out: Path) -> StoredFolder:
    names = (WEIGHTS, PEFT_CONFIG, *TEMPLATE_FILES)
    return stored_folder(adapter.folder, [n for n in names if (adapter.folder / n).is_file()], out)


def _encoder(plan: ComparisonPlan, variants: Iterable[Variant], out: Path) -> StoredFolder | None:
    folder = plan.inputs.encoder
    if folder is None or not any(v.classical == "encoder" for v in variants):
        return None
    return stored_folder(folder, sorted(f.name for f in folder.iterdir()), out)


def stored_folder(folder: Path, names: Iterable[str], out: Path) -> StoredFolder:
    """The folder with the hashes of its files `names`, as a record in `out` names it."""
    here, there = os.path.realpath(out), os.path.realpath(folder)
    inside = os.path.commonpath([here, there]) == here
    path = Path(there).relative_to(here).as_posix() if inside else there
    return StoredFolder(folder=path, files={name: sha256_file(folder / name) for name in names})


def _simple(plan: ComparisonPlan, variants: Iterable[Variant]) -> JsonObject:
    """The fields about the models without a language model."""
    kinds = {v.classical for v in variants}
    fields: JsonObject = {}
    if "auto" in kinds:
        fields["classical"] = plan.simple.choice.name
    if "trivial" in kinds:
        what, answer = plan.simple.trivial
        fields["trivial"] = None if what == COPY else answer("")
    return fields


def _stored_examples(plan: ComparisonPlan, variants: Iterable[Variant], out: Path) -> StoredRows | None:
    if not any(map(reads_examples, variants)):
        return None
    return write_rows(out, "examples", rows_of_examples(plan.inputs.examples))


def rows_of_examples(examples: Iterable[Example]) -> list[str]:
    """JSON Lines of what answers depend on; where the rows lay is left out."""
    return [e.model_dump_json(include={"turns", "id", "doc_ids"}, exclude_defaults=True) for e in examples]


def _stored_passages(plan: ComparisonPlan, variants: Iterable[Variant], out: Path) -> StoredRows | None:
    if not any(reads_passages(v, own=plan.inputs.retriever is not None) for v in variants):
        return None
    return write_rows(out, "passages", [d.model_dump_json(exclude_defaults=True) for d in plan.inputs.documents])


def _retriever(plan: ComparisonPlan, variants: Iterable[Variant]) -> MeasuredRetriever | None:
    own = plan.inputs.retriever
    if own is None or not any(searches(v) for v in variants):
        return None
    return MeasuredRetriever(name=own.name, spec=own.spec, identity=own.identity)


def write_rows(out: Path, name: str, lines: list[str]) -> StoredRows:
    """The file's name has its digest: an interrupted run leaves the files of the record before it as they are."""
    digest = sha256_lines(lines)
    file = f"{INPUTS}/{name}-{digest[:12]}.jsonl"
    write_text(out / file, "".join(f"{line}\n" for line in lines))
    return StoredRows(file=file, sha256=digest, rows=len(lines))


def _remove_older(folder: Path, record: VariantsRecord) -> None:
    """Rows and passages of an earlier comparison in the same folder."""
    kept = {Path(stored.file).name for stored in (record.examples, record.passages) if stored}
    for kind in ("examples", "passages"):
        for file in folder.glob(f"{kind}-*.jsonl"):
            if file.name not in kept:
                file.unlink(missing_ok=True)
