"""to_plain_lora(): an adapter of another kind as the plain LoRA that changes the same weights, where there is one.

Servers load plain LoRA and little else. AdaLoRA, LoHa, VeRA and MiSS add a matrix of known rank, which is a LoRA of that rank;
PiSSA and OLoRA also take a part out of the base, so that BA − B₀A₀ is a LoRA of twice the rank (arXiv 2404.02948, appendix C).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Adapter, write_card
from domainkit.adapters.methods import peft_warnings_muted
from domainkit.errors import ConfigError
from domainkit.export.merge import attach_saved
from domainkit.export.merge_plan import MergeError, Origin, find_origin, refuse_method
from domainkit.models import Quantization
from domainkit.models.load import load_base
from domainkit.storage import sha256_file, staged_folder

EXACT = 1e-3
"""Largest difference of logits, as a share of the largest logit, that counts as none: float32 decompositions leave 1e-5."""
PROBE = 48

RANKS: dict[str, Callable[[dict[str, Any]], int]] = {
    "ADALORA": lambda c: max([c["init_r"], *map(sum, (c.get("rank_pattern") or {}).values())]),
    "LOHA": lambda c: c["r"] ** 2,
    "VERA": lambda c: c["r"],
    "MISS": lambda c: c["r"],
}
"""Rank of the matrix a method adds to each weight, from its adapter_config.json."""


def to_plain_lora(
    adapter: str | Path, out: str | Path, *, base: str | None = None, quantization: Quantization | None = None
) -> Adapter:
    """Write `adapter` as plain LoRA to the folder `out`, whole or not at all, checked to give the same logits.

    Raises MergeError when no LoRA changes the same weights exactly; ConfigError when it is plain LoRA already.
    """
    out = Path(out)
    origin = find_origin(adapter, base, quantization)
    config = json.loads((origin.adapter.folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    convert = _way(config, origin)
    if out.exists() and any(out.iterdir()) and not (out / PEFT_CONFIG).is_file():
        raise ConfigError("exists and is no adapter", where=f"out={out}", next_step="choose a new folder")
    with staged_folder(out) as staged, peft_warnings_muted():
        wanted = convert(origin, config, staged)
        _name_base(staged, origin)
        found = _logits(attach_saved(_base(origin), staged))
        _check_same(wanted, found, origin)
        _write_card(origin, staged)
    return Adapter.load(out, need_card=origin.adapter.card is not None)


def _way(config: dict[str, Any], origin: Origin) -> Callable[..., torch.Tensor]:
    """How this kind is converted. Raises when it cannot be, or need not be."""
    kind, folder = str(config.get("peft_type", "")).upper(), str(origin.adapter.folder)
    refuse_method(origin.adapter)
    if kind in RANKS and not (kind == "MISS" and config.get("init_weights") == "bat"):
        return _by_rank
    start = str(config.get("init_lora_weights", True)).lower()
    if kind == "LORA" and start.startswith(("pissa", "olora")) and not config.get("use_dora"):
        if origin.quantization != "none":
            raise MergeError(
                f"{start} took its part out of weights that were then quantised, so the exact difference is not known",
                where=folder,
                next_step="train with quantization=none, or merge it: domainkit merge",
            )
        return _from_start
    if kind == "LORA" and not config.get("use_dora") and start in ("true", "false", "gaussian", "eva", "orthogonal"):
        raise ConfigError("is plain LoRA already", where=folder, next_step="give it to the server as it is")
    name = "dora" if config.get("use_dora") else kind.lower()
    raise MergeError(
        f"{name} changes weights by more than a matrix of low rank, so that no plain LoRA is the same",
        where=folder,
        next_step="merge it into its base (domainkit merge), which any server loads, or train with method=lora",
    )


def _base(origin: Origin) -> Any:
    """The base's plain weights; the difference does not depend on how they are rounded."""
    loaded = load_base(origin.base, revision=origin.revision, quantization="none", purpose="infer")
    origin.adapter.check_base(loaded.source.fingerprint, origin.base)
    return loaded.model


def _by_rank(origin: Origin, config: dict[str, Any], folder: Path) -> torch.Tensor:
    """Write the LoRA of the method's own rank; the logits it must give."""
    from peft import convert_to_lora

    model = attach_saved(_base(origin), origin.adapter.folder)
    wanted = _logits(model)
    kind = str(config["peft_type"]).upper()
    rank = RANKS[kind](config)
    try:
        made, weights = _triplets(model, rank, config) if kind == "ADALORA" else convert_to_lora(model, rank=rank)
    except (TypeError, ValueError) as e:
        raise MergeError(
            f"{kind.lower()} does not convert to a LoRA of rank {rank}: {str(e).splitlines()[0]}",
            where=str(origin.adapter.folder),
            next_step="merge it into its base instead: domainkit merge",
        ) from e
    made.task_type, made.inference_mode = config.get("task_type"), True
    save_file({k: w.detach().cpu().contiguous() for k, w in weights.items()}, folder / WEIGHTS, {"format": "pt"})
    made.save_pretrained(str(folder))
    return wanted


@torch.no_grad()
def _triplets(model: Any, rank: int, config: dict[str, Any]) -> tuple[Any, dict[str, torch.Tensor]]:
    """AdaLoRA's B·diag(E)·A as (LoRA config, weights), layers of fewer ranks filled up with zeros."""
    from peft import LoraConfig

    weights = {}
    for name, layer in model.named_modules():
        if "default" not in getattr(layer, "lora_E", {}):
            continue
        a = layer.lora_A["default"] * layer.lora_E["default"]
        b = layer.lora_B["default"] * (layer.scaling["default"] / (float(layer.ranknum["default"]) + 1e-5))
        missing = rank - len(a)
        weights[f"{name}.lora_A.weight"] = torch.nn.functional.pad(a, (0, 0, 0, missing))
        weights[f"{name}.lora_B.weight"] = torch.nn.functional.pad(b, (0, missing))
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=config["target_modules"]), weights


def _from_start(origin: Origin, config: dict[str, Any], folder: Path) -> torch.Tensor:
    """Write what training added to the start that PiSSA or OLoRA made; the logits it must give."""
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

    settings = PeftConfig.from_pretrained(str(origin.adapter.folder))
    settings.inference_mode = False
    model = get_peft_model(_base(origin), settings)
    with tempfile.TemporaryDirectory() as first:
        model.peft_config["default"].init_lora_weights = True  # or PEFT would read the start as one more start
        model.save_pretrained(first)
        set_peft_model_state_dict(model, load_file(str(origin.adapter.folder / WEIGHTS)))
        model.eval()
        wanted = _logits(model)
        model.save_pretrained(str(folder), path_initial_model_for_weight_conversion=first)
    (folder / "README.md").unlink(missing_ok=True)
    return wanted


def _name_base(folder: Path, origin: Origin) -> None:
    path = folder / PEFT_CONFIG
    values = json.loads(path.read_text(encoding="utf-8"))
    values |= {"base_model_name_or_path": origin.base, "revision": origin.revision}
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    """Logits (1, PROBE, vocabulary) of a fixed sequence of tokens."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(0, vocabulary, (1, PROBE), generator=torch.Generator().manual_seed(0))
    return model(input_ids=ids.to(model.device)).logits.float().cpu()


def _check_same(wanted: torch.Tensor, found: torch.Tensor, origin: Origin) -> None:
    error = float((found - wanted).abs().max() / wanted.abs().max())
    limit = EXACT if wanted.dtype == torch.float32 and not torch.cuda.is_available() else 5e-2
    if not error <= limit:
        raise MergeError(
            f"the plain LoRA would answer otherwise (logits differ by {error:.1%}); nothing was written",
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


__all__ = ["RANKS", "to_plain_lora"]
