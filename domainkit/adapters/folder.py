"""Adapter: a folder of trained weights in PEFT's layout, with the card that says where they come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from domainkit.errors import AdapterError, ConfigError
from domainkit.facts_table import facts_table
from domainkit.machine import hardware, versions
from domainkit.messages import JsonObject
from domainkit.storage import (
    check_writable,
    interrupted_save,
    parse_json,
    read_bytes,
    read_tensor_header,
    sha256_file,
    write_text,
)

CARD = "card.json"
WEIGHTS = "adapter_model.safetensors"
PEFT_CONFIG = "adapter_config.json"
MAX_JSON_BYTES = 64 * 2**20
"""A card holds a line for each step."""
PARTIAL = ".partial"
"""Last part of the name of a run's folder of checkpoints."""


class Card(BaseModel):
    """An adapter's birth certificate."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    base: str
    """The base as it was named: hub id, folder, GGUF file, or builtin:<name>."""
    base_fingerprint: str
    """Hex SHA-256 that identifies the base."""
    revision: str | None
    """Commit of a hub base."""
    quantization: str
    """Quantization of the frozen weights in training: nf4, int8 or none."""
    method: str
    config: JsonObject
    """The whole resolved configuration; nothing in it is "auto" or left out."""
    learning_rate_source: str
    prompt_format: str
    """The prompt of a row without a system turn, as the model read it; {question} stands for the user's words."""
    examples: int
    documents: int = 0
    teachers: dict[str, int] = {}
    """Of the examples, those whose answers a model gave, by its name."""
    data_fingerprint: str
    """Hex SHA-256 of the examples and documents in order."""
    tokens: int
    """Tokens of examples that were trained on, all epochs, without padding."""
    supervised_tokens: int
    losses: list[tuple[int, float]]
    """(optimizer step, mean loss per supervised token in nats)."""
    final_loss: float | None
    """Mean over the last tenth of the steps."""
    seconds: float
    """Wall time of the training loop, over all its runs."""
    tokens_per_second: float
    trainable_parameters: int
    hardware: JsonObject
    versions: dict[str, str]
    weights_sha256: str
    created: str
    """UTC, ISO 8601."""
    domainkit: str
    """Version of domainkit that trained it."""
    notes: list[str] = []
    parents: list[JsonObject] = []
    """Of an adapter combined or converted from others: their folder names, weight hashes, cards' data, and shares."""
    preference: JsonObject | None = None
    """Of training on preferences or a reward: objective, β, reference, reward, the curve step by step, and answers
    sampled before and after with their reward, length and KL to the reference."""
    teacher: JsonObject | None = None
    """Of a distilled adapter: who taught it, and what was minimised."""
    proof: JsonObject | None = None
    """Of a combined adapter: how it compares with its parents on held-out examples."""

    @field_validator("config")
    @classmethod
    def _options_are_named(cls, config: JsonObject) -> JsonObject:
        if not isinstance(config.get("method_options", {}), dict):
            raise ValueError("method_options is not an object")
        return config


@dataclass(frozen=True, slots=True)
class Adapter:
    """A verified adapter folder; `card` is None for a plain PEFT folder."""

    folder: Path
    card: Card | None
    weights_sha256: str

    @classmethod
    def load(cls, folder: str | Path, *, verify: bool = True, need_card: bool = True) -> Adapter:
        """Read the folder, and with `verify` check its weights against the card's hash.

        `need_card=False` accepts what PEFT wrote without a card. Raises AdapterError when the folder is missing,
        incomplete, damaged, or made by a newer domainkit.
        """
        folder = Path(folder)
        _check_files(folder)
        card = _read_card(folder)
        if card is None and need_card:
            raise AdapterError(
                f"has no {CARD}, so its base, data and method are unknown",
                where=str(folder),
                next_step="train it with domainkit, or load it with need_card=False and name the base yourself",
            )
        sha256 = sha256_file(folder / WEIGHTS) if verify or card is None else card.weights_sha256
        if card is not None and sha256 != card.weights_sha256:
            raise AdapterError(
                f"{WEIGHTS} is not what training wrote (SHA-256 {sha256[:12]}…, "
                f"the card says {card.weights_sha256[:12]}…)",
                where=str(folder),
                next_step="copy the folder again or train again; verify=False loads it as it is",
            )
        return cls(folder, card, sha256)

    def _repr_html_(self) -> str:
        card = self.card
        if card is None:
            return facts_table(f"Adapter {self.folder.name}", [("Card", "none: its base, data and method are unknown")])
        loss = None if card.final_loss is None else f"{card.final_loss:.3f}"
        facts = [
            ("Base", f"{card.base}, {card.quantization}"),
            ("Method", card.method),
            ("Learnt from", f"{card.examples:,} examples, {card.documents:,} documents"),
            ("Epochs", card.config.get("epochs")),
            ("Tokens", f"{card.tokens:,}"),
            ("Final loss", loss),
            ("Trained parameters", f"{card.trainable_parameters:,}"),
            ("Time", f"{card.seconds:,.0f} s"),
            ("Made", card.created),
            ("Folder", self.folder),
        ]
        return facts_table(f"Adapter {self.folder.name}", facts)

    def check_base(self, fingerprint: str, base: str = "this base") -> None:
        """Raises AdapterError when the adapter was trained on another base than the one of `fingerprint`."""
        if self.card is not None and self.card.base_fingerprint != fingerprint:
            raise AdapterError(
                f"was trained on {self.card.base} (fingerprint {self.card.base_fingerprint[:12]}…), "
                f"and {base} is another model "
                f"({fingerprint[:12]}…)",
                where=str(self.folder),
                next_step=f"use base={self.card.base}, or train an adapter for {base}",
            )


def split_task(adapter: str) -> tuple[str, str | None]:
    """(folder, task) of `folder#task`, a task of an adapter that holds several; task None for a plain folder."""
    folder, mark, task = adapter.rpartition("#")
    return (folder, task) if mark and folder and not Path(adapter).is_dir() else (adapter, None)


def work_folder(out: Path) -> Path:
    """Where the checkpoints of a training are until its adapter is in `out`: beside it, or inside a mount point, which
    may be all that outlives a container."""
    out = out.absolute()
    return out / PARTIAL if os.path.ismount(out) else out.with_name(out.name + PARTIAL)


def check_replaceable(out: Path) -> None:
    """Raises ConfigError for a folder that exists and holds anything but an adapter: nothing else is ever
    overwritten. Raises ConfigError or MachineError where it could not be written."""
    check_writable(out)
    contents = {p.name for p in out.iterdir()} if out.is_dir() else set()
    if os.path.ismount(out):  # there, only the files of an adapter are replaced
        contents -= {"lost+found", PARTIAL}
    if (out.exists() and not out.is_dir()) or (contents and PEFT_CONFIG not in contents):
        raise ConfigError(
            "exists and is not an adapter, so it is not replaced", where=f"out={out}", next_step="choose a new folder"
        )


def birth_facts() -> JsonObject:
    """The fields of a card that say when, on what and with what it is written."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"hardware": hardware(), "versions": versions(), "created": created}


def write_card(folder: Path, card: Card) -> None:
    """Write the card into `folder`."""
    write_text(folder / CARD, card.model_dump_json(indent=1) + "\n")


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        next_step = "check the path"
        if previous := interrupted_save(folder):
            next_step = f"saving it was interrupted; the previous version is whole: mv '{previous}' '{folder}'"
        elif work_folder(folder).is_dir():
            next_step = "training was interrupted: run it again with --resume"
        raise AdapterError("no such adapter folder", where=str(folder), next_step=next_step)
    missing = [name for name in (PEFT_CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        pickled = (folder / "adapter_model.bin").is_file()
        raise AdapterError(
            f"is not an adapter: {' and '.join(missing)} missing",
            where=str(folder),
            next_step="save it again as safetensors (pickled weights can run code)" if pickled else "check the path",
        )
    read_json_object(folder, PEFT_CONFIG)
    read_tensor_shapes(folder)


def read_json_object(folder: Path, name: str) -> JsonObject:
    """The values of a JSON file of an adapter folder. Raises AdapterError for anything but an object."""
    try:
        values = parse_json(read_bytes(folder / name, MAX_JSON_BYTES))
        if isinstance(values, dict):
            return values
        reason = f"it holds a {type(values).__name__} in place of an object"
    except (OSError, ValueError) as e:
        reason = str(getattr(e, "strerror", None) or e)
    raise AdapterError(
        f"{name} is damaged: {reason}", where=str(folder), next_step="copy the folder again, or train again"
    )


def read_tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """The shapes of the folder's tensors, from a file that is whole: the header, and the bytes that it declares.

    Raises AdapterError for a damaged one.
    """
    from safetensors import SafetensorError, safe_open

    file = folder / WEIGHTS
    try:
        header = read_tensor_header(file)
        with safe_open(str(file), framework="numpy"):  # checks shapes and types against the bytes
            return {name: list(t["shape"]) for name, t in header.items()}
    except (OSError, ValueError, SafetensorError) as e:
        reason = str(getattr(e, "strerror", None) or e)
        raise AdapterError(
            f"{WEIGHTS} is damaged: {reason}", where=str(folder), next_step="copy the folder again, or train again"
        ) from e


def _read_card(folder: Path) -> Card | None:
    if not os.path.lexists(folder / CARD):
        return None
    values = read_json_object(folder, CARD)
    try:
        return Card.model_validate(values)
    except ValidationError as e:
        problems = "; ".join(f"{'.'.join(map(str, x['loc'])) or CARD}: {x['msg'].lower()}" for x in e.errors()[:5])
        raise AdapterError(
            f"{CARD} cannot be read ({problems})",
            where=str(folder),
            next_step="it was edited, or made by another version of domainkit: use that version, "
            "or need_card=False without the card",
        ) from e
