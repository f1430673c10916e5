"""variants.json: what the variants of a finished comparison were built from, so that they can be built again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from domainkit.evaluation.task import Kind
from domainkit.messages import JsonObject
from domainkit.results.answers import Record

FORMAT: Literal["domainkit.variants/1"] = "domainkit.variants/1"
RECORD = "variants.json"


class StoredRows(Record):
    """A JSON Lines file beside the record."""

    file: str
    sha256: str
    rows: int


class StoredFolder(Record):
    """A folder of weights, and the files in it that change an answer."""

    folder: str
    """Relative to the record where it lies below it, else absolute."""
    files: dict[str, str]
    """Name to hex SHA-256."""


class MeasuredBase(Record):
    """The base model that answered."""

    name: str
    """builtin:<name>, a hub id, or the absolute path of a folder or GGUF file."""
    revision: str | None
    """Commit of a hub base."""
    quantization: str
    """As it was loaded: nf4, int8 or none, never auto."""
    fingerprint: str
    device: str = ""
    """cpu, cuda or mps; auto in older records."""


class MeasuredRetriever(Record):
    """A retriever of the user's own, which is not stored."""

    name: str
    """module:function that makes it, else its class."""
    spec: str = ""
    """module:function; "" where a program gave it."""
    identity: str | None = None
    """Digest of its code and settings; None where these could not be read."""


class MeasuredModel(Record):
    """A chat model beside the base. Its key, as all keys of providers, is nowhere in the file."""

    spec: str | None
    """What `--model NAME=SPEC` said, with the whole path of a file or folder; None where a program gave the object."""
    name: str
    """For people: the provider and the model."""
    identity: str
    """Digest of what its answers depend on, as far as that can be read."""
    weights: bool
    """Whether `identity` is of weights that were read, so that another one is another model."""
    max_tokens: int | None = None
    """None where its provider's own limit stood."""
    adapter: StoredFolder | None = None
    """Of a base of our own that variants were tuned on; so is the next."""
    context_adapter: StoredFolder | None = None


class MeasuredVariant(Record):
    """One variant of the comparison."""

    flags: JsonObject
    """The fields of `Variant`, without its Runnable."""
    key: str
    """The content key of its answers in rows.jsonl."""
    own: bool = False
    """Whether it is a Runnable of the user's own, which is not stored."""


class VariantsRecord(Record):
    """The file."""

    format: Literal["domainkit.variants/1"] = FORMAT
    created: str
    """That of the results.json beside it."""
    task: str
    kind: Kind
    labels: tuple[str, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    """Of a task of calls whose questions all had the same ones."""
    json_schema: JsonObject | None = None
    """Of the answers, in a task of the kind fields."""
    dialogues: bool = False
    """Whether questions were asked with earlier turns."""
    settings: JsonObject
    """The fields SETTINGS of CompareConfig."""
    max_tokens: int | None = None
    base: MeasuredBase | None = None
    """None where no language model took part; so are the next fields where no variant needs them."""
    models: dict[str, MeasuredModel] = Field(default_factory=dict)
    """The models beside the base, by the name that variants give them."""
    adapter: StoredFolder | None = None
    context_adapter: StoredFolder | None = None
    encoder: StoredFolder | None = None
    examples: StoredRows | None = None
    chosen_shots: bool = False
    """Whether the examples are only those of a few-shot prompt, in its order."""
    passages: StoredRows | None = None
    retriever: MeasuredRetriever | None = None
    """Of the user's own, in place of an index over the passages."""
    prompts: dict[str, str] = Field(default_factory=dict)
    """The texts that opened and framed the prompts, by name: the kind of task, context."""
    tool: JsonObject | None = None
    """The agent's tool as the model saw it."""
    embeddings: str = ""
    """Identity of the embedding model that retrieval, nearest examples and simple models used."""
    classical: str = ""
    """The classical model that was chosen."""
    trivial: str | None = None
    """The answer that the trivial variant gives; None where it copies the input, or is not there."""
    variants: dict[str, MeasuredVariant]
    versions: dict[str, str]

    @property
    def adapters(self) -> list[StoredFolder]:
        """Those of the base and of the models beside it."""
        named = [folder for m in self.models.values() for folder in (m.adapter, m.context_adapter)]
        return [folder for folder in (self.adapter, self.context_adapter, *named) if folder is not None]

    def adapter_of(self, context: bool, model: str | None) -> StoredFolder | None:
        """The adapter of the model (None is the base) that was trained on bare questions, or with passages."""
        owner = self if model is None else self.models[model]
        return owner.context_adapter if context else owner.adapter

    def limit_of(self, model: str | None) -> int | None:
        """Most new tokens of an answer of the model; None is the base."""
        return self.max_tokens if model is None else self.models[model].max_tokens


def content_keys(run: Path) -> dict[str, str]:
    """The content keys of a run's variants by name; none where `run` is a results.json, or has no readable record of
    the same comparison."""
    try:
        record = VariantsRecord.model_validate_json((run / RECORD).read_text(encoding="utf-8"))
        created = json.loads((run / "results.json").read_text(encoding="utf-8")).get("created")
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return {name: v.key for name, v in record.variants.items() if not v.own} if created == record.created else {}
