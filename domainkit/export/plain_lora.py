"""to_plain_lora(): an adapter of another kind as the plain LoRA that changes the same weights, where there is one.

Servers load plain LoRA and little else. A method that adds a matrix of known rank to each weight is a LoRA of that
rank.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from domainkit.adapters.adaptation import PeftConfigDict
from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Adapter, check_replaceable, write_card
from domainkit.adapters.methods import abilities_of, peft_warnings_muted, read_adapter_config
from domainkit.adapters.methods.low_rank.lora import PLAIN_STARTS, Lora, start_of
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import ConfigError
from domainkit.export.merge_plan import MergeError, Origin, find_origin, refuse_method
from domainkit.export.target import Exported, ExportJob, export_target
from domainkit.models import Quantization
from domainkit.models.load import load_base
from domainkit.models.precision import precision
from domainkit.storage import sha256_file, staged_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel

EXACT = 1e-3
"""Largest difference of logits, as a share of the largest, that counts as none; float32 decompositions leave 1e-5."""
PROBE = 48


def to_plain_lora(
    adapter: str | Path, out: str | Path, *, base: str | None = None, quantization: Quantization | None = None
) -> Adapter:
    """Write `adapter` as plain LoRA to the folder `out`, whole or not at all, checked to give the same logits.

    Raises MergeError when no LoRA changes the same weights exactly; ConfigError when it is plain LoRA already.
    """
    out = Path(out)
    origin = find_origin(adapter, base, quantization)
    config = read_adapter_config(origin.adapter.folder)
    check_convertible(config, origin)
    check_replaceable(out)
    with staged_folder(out) as staged, peft_warnings_muted():
        expected = _logits(_convert(config, origin, staged))
        _name_base(staged, origin)
        _check_same(expected, _logits(load_adapted(_base(origin), staged).eval()), origin)
        _write_card(origin, staged)
    return Adapter.load(out, need_card=origin.adapter.card is not None)


@export_target(uses=("out", "base", "quantization"))
def export_plain_lora(job: ExportJob) -> Exported:
    """The adapter as plain LoRA. The conversion does not depend on how a base without a card was quantised."""
    quantization = job.quantization or (None if job.base is None else "none")
    plain = to_plain_lora(job.one_adapter(), job.required_out(), base=job.base, quantization=quantization)
    return Exported((f"Adapter: {plain.folder} (plain LoRA, same logits)",), plain.folder)


def check_convertible(config: PeftConfigDict, origin: Origin) -> None:
    """Raises MergeError when no plain LoRA changes the same weights, ConfigError for what is plain LoRA already."""
    refuse_method(origin.adapter)
    folder = str(origin.adapter.folder)
    why_not = abilities_of(config["peft_type"]).why_not_plain_lora(config, origin.quantization)
    if why_not:
        raise MergeError(
            why_not,
            where=folder,
            next_step="merge it into its base (domainkit merge), which any server loads, or train with method=lora",
        )
    if abilities_of(config["peft_type"]) is Lora and start_of(config) in PLAIN_STARTS:
        raise ConfigError("is plain LoRA already", where=folder, next_step="give it to the server as it is")


def _convert(config: PeftConfigDict, origin: Origin, folder: Path) -> AdaptedModel:
    """Write the plain LoRA; the base with the adapter as it was."""
    method = abilities_of(config["peft_type"])
    try:
        model = method.write_plain_lora(_base(origin), origin.adapter.folder, config, folder)
    except (TypeError, ValueError) as e:
        raise MergeError(
            f"{config['peft_type'].lower()} does not convert to a LoRA of rank {method.lora_rank(config)}: "
            f"{str(e).splitlines()[0]}",
            where=str(origin.adapter.folder),
            next_step="merge it into its base instead: domainkit merge",
        ) from e
    return model


def _base(origin: Origin) -> PreTrainedModel:
    """The base's plain weights; the difference does not depend on how they are rounded."""
    loaded = load_base(origin.base, revision=origin.revision, quantization="none", purpose="infer")
    origin.adapter.check_base(loaded.source.fingerprint, origin.base)
    return loaded.model


def _name_base(folder: Path, origin: Origin) -> None:
    path = folder / PEFT_CONFIG
    values = json.loads(path.read_text(encoding="utf-8"))
    values |= {"base_model_name_or_path": origin.base, "revision": origin.revision}
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@torch.no_grad()
def _logits(model: AdaptedModel) -> torch.Tensor:
    """Logits (1, PROBE, vocabulary) of a fixed sequence of tokens."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(0, vocabulary, (1, PROBE), generator=torch.Generator().manual_seed(0))
    with precision(model):
        return model(input_ids=ids.to(model.device)).logits.float().cpu()


def _check_same(original: torch.Tensor, converted: torch.Tensor, origin: Origin) -> None:
    error = float((converted - original).abs().max() / original.abs().max())
    limit = EXACT if original.dtype == torch.float32 and not torch.cuda.is_available() else 5e-2
    if not error <= limit:
        raise MergeError(
            f"the plain LoRA would answer differently (logits differ by {error:.1%}); nothing was written",
            where=str(origin.adapter.folder),
            next_step="merge it into its base instead: domainkit merge",
        )


def _write_card(origin: Origin, folder: Path) -> None:
    card = origin.adapter.card
    if card is None:
        return
    config = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    parent = {"adapter": origin.adapter.folder.absolute().name, "weights_sha256": origin.adapter.weights_sha256}
    changes = {
        "weights_sha256": sha256_file(folder / WEIGHTS),
        "notes": [
            *card.notes,
            f"converted from {card.method} to plain LoRA of rank {config['r']}; logits are the same",
        ],
        "parents": [{**parent, "data_fingerprint": card.data_fingerprint}],
    }
    write_card(folder, card.model_copy(update=changes))
