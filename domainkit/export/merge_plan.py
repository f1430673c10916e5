"""The plan of a merge, checked before anything is loaded: origin, method, held-out examples, folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.adapters.folder import CARD, Adapter, read_json_object
from domainkit.adapters.methods import abilities_of, read_adapter_config
from domainkit.adapters.peft_config import read_peft_config
from domainkit.adapters.tuned_model import native_method
from domainkit.corpus.example import Example
from domainkit.errors import AdapterError, ConfigError, DomainkitError
from domainkit.models import Quantization
from domainkit.storage import check_writable, sha256_lines
from domainkit.training.heldout import HeldOutComparison


class MergeError(DomainkitError):
    """The merge lost the tune, or the method cannot be merged. `proofs` are the measurements, if any."""

    proofs: tuple[HeldOutComparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an adapter comes from: what to load to have it as it was trained."""

    adapter: Adapter
    base: str
    revision: str | None
    quantization: Quantization


def find_origin(adapter: str | Path, base: str | None = None, quantization: Quantization | None = None) -> Origin:
    """Base and quantization from the adapter's card, or from the caller in place of a card."""
    loaded = Adapter.load(adapter, need_card=False)
    if native_method(loaded.folder) is None:
        read_peft_config(loaded.folder)  # raises for values that PEFT's layers do not compute
    card = loaded.card
    if card is not None:
        return Origin(loaded, base or card.base, card.revision, quantization or card.quantization)  # type: ignore[arg-type]
    if base is None or quantization is None:
        raise ConfigError(
            f"has no {CARD}, so its base and how the base was quantised in training are unknown",
            where=str(adapter),
            next_step="give --base, and --quantization nf4, int8 or none",
        )
    return Origin(loaded, base, None, quantization)


def refuse_method(adapter: Adapter) -> None:
    """Raises MergeError for an adapter of a method that cannot become part of the base's weights."""
    name = read_adapter_config(adapter.folder)["peft_type"].lower()
    why_not = abilities_of(name).why_not_mergeable
    if why_not:
        raise MergeError(
            f"{name} cannot be merged: it {why_not}",
            where=str(adapter.folder),
            next_step="serve it as an adapter (DomainLLM, domainkit ask), or train with lora",
        )


def candidates(into: str, quantization: str) -> list[str]:
    """The bases to add the difference to, in order of preference. Raises ConfigError for a word that names none."""
    if into not in ("dequantised", "original", "auto"):
        raise ConfigError(f"unknown base '{into}'", where="--into", next_step="one of: dequantised, original, auto")
    if quantization == "none":
        return ["original"]  # nothing was rounded: both are the same weights
    return ["dequantised", "original"] if into == "auto" else [into]


def check_held_out(held_out: Sequence[Example], adapter: Adapter) -> str:
    """The examples' fingerprint. Raises ConfigError when there are none, or they are the training data."""
    if not held_out:
        raise ConfigError(
            "no held-out examples, so nothing would show whether the tune survives",
            where="--data",
            next_step="give examples the adapter was not trained on: --data held_out.jsonl",
        )
    fingerprint = sha256_lines(e.training_content for e in held_out)
    if adapter.card is not None and adapter.card.data_fingerprint == fingerprint:
        raise ConfigError(
            "these are the examples the adapter was trained on",
            where="--data",
            next_step="give examples it has not seen",
        )
    return fingerprint


def check_out(out: Path) -> None:
    """A new merged model may replace a merged model or an empty folder, and nothing else. Raises ConfigError."""
    check_writable(out)
    if not out.exists() or (out.is_dir() and {p.name for p in out.iterdir()} <= {"lost+found"}):
        return
    try:
        ours = read_json_object(out, CARD).get("kind") == "merged model"
    except AdapterError:
        ours = False
    if not ours:
        raise ConfigError(
            "exists and is not a merged model, so it is not replaced",
            where=f"out={out}",
            next_step="choose a new folder",
        )
