"""combine(): several LoRA adapters of one base into one, by weights, with a measurement of the result on held-out
examples.

The arithmetic is PEFT's add_weighted_adapter: `cat` is the exact weighted sum at the sum of the ranks; `svd` the best
approximation of it at the largest rank; `linear` adds A and B apart, which is rough; `ties` (arXiv 2306.01708) drops
small entries and resolves signs first; `dare_*` (arXiv 2311.03099) drops entries at random and scales up the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import torch

from domainkit.adapters.adaptation import sort_sets
from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Adapter, Card, birth_facts, check_replaceable, write_card
from domainkit.adapters.methods import abilities_of, peft_warnings_muted, read_adapter_config
from domainkit.adapters.methods.low_rank.lora import PLAIN_STARTS, Lora, is_plain_lora, special_features, start_of
from domainkit.corpus.example import Example
from domainkit.errors import AdapterError, ConfigError
from domainkit.export.merge import render_held_out
from domainkit.export.merge_plan import MergeError, Origin, check_held_out, find_origin, refuse_method
from domainkit.models import Quantization
from domainkit.models.load import load_base
from domainkit.registry import suggestion
from domainkit.storage import sha256_file, sha256_lines, staged_folder
from domainkit.training.heldout import HeldOutComparison, HeldOutScore, compare_held_out, measure_held_out

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel
    from domainkit.training.examples_to_ids import TokenizedExample

Combination = Literal["cat", "svd", "linear", "ties", "dare_linear", "dare_ties"]
KEEP = 0.5
"""Least share of the best parent's gain that a combination must keep; it serves several domains."""


@dataclass(frozen=True, slots=True)
class Combined:
    """The new adapter, its proof against the best parent, and each parent's NLL on the held-out examples."""

    adapter: Adapter
    proof: HeldOutComparison
    parents_nll: dict[str, float]


def combine(
    adapters: Sequence[str | Path],
    out: str | Path,
    held_out: Sequence[Example],
    *,
    weights: Sequence[float] | None = None,
    combination: Combination = "cat",
    density: float = 0.5,
    keep: float = KEEP,
    base: str | None = None,
    quantization: Quantization | None = None,
    seed: int = 0,
) -> Combined:
    """Write the weighted combination of LoRA `adapters` to the folder `out`, whole or not at all.

    `weights` are equal shares when left out; `density` is the share of entries that ties and dare keep. Raises
    MergeError when less than the share `keep` of the best parent's gain on `held_out` is left, or an adapter is not
    plain LoRA; ConfigError.
    """
    out = Path(out)
    # 1. Refuse what cannot work before anything is loaded.
    shares = _check_options(adapters, weights, combination, density)
    origins = [find_origin(a, base, quantization) for a in adapters]
    for origin in origins:
        refuse_method(origin.adapter)
        _refuse_special(origin.adapter)
        check_held_out(held_out, origin.adapter)
    check_replaceable(out)
    # 2. The parents, over one base.
    first = origins[0]
    loaded = load_base(first.base, revision=first.revision, quantization=first.quantization, purpose="infer")
    for origin in origins:
        origin.adapter.check_base(loaded.source.fingerprint, first.base)
    rendered, pad_id = render_held_out(held_out, loaded), loaded.tokenizer.pad_token_id
    before = measure_held_out(loaded.model, rendered, pad_id)
    names = [f"parent{i}" for i in range(len(origins))]
    model = _attach_all(loaded.model, names, origins)
    parents = [_measure_one(model, name, rendered, pad_id) for name in names]
    # 3. The combination, written, read back and measured.
    _add(model, names, shares, combination, density, seed)
    with staged_folder(out) as staged:
        _save(model, staged, first)
        with peft_warnings_muted():
            model.load_adapter(str(staged), adapter_name="written", is_trainable=False)
        best = min(parents, key=lambda m: m.nll)
        proof = compare_held_out(
            combination, before, best, _measure_one(model, "written", rendered, pad_id), len(rendered)
        )
        _check_proof(proof, keep, parents)
        card = _card(origins, shares, combination, proof, loaded.source.fingerprint, staged)
        write_card(staged, card)
    labels = [f"{o.adapter.folder} × {s:g}" for o, s in zip(origins, shares, strict=True)]
    return Combined(Adapter.load(out), proof, {n: round(m.nll, 5) for n, m in zip(labels, parents, strict=True)})


def _check_options(
    adapters: Sequence[object], weights: Sequence[float] | None, combination: str, density: float
) -> list[float]:
    if len(adapters) < 2:
        raise ConfigError("a combination needs two adapters or more", next_step="use merge for a single one")
    if combination not in get_args(Combination):
        raise ConfigError(
            f"unknown combination '{combination}'",
            where="--combination",
            next_step=suggestion(combination, get_args(Combination)),
        )
    if weights is not None and len(weights) != len(adapters):
        raise ConfigError(
            f"{len(weights)} weights for {len(adapters)} adapters",
            where="--weights",
            next_step="give one each, e.g. 0.5,0.5",
        )
    if not 0 < density <= 1:
        raise ConfigError(f"density={density} is not in (0, 1]", where="--density", next_step="0.5 keeps half")
    return list(weights) if weights is not None else [1 / len(adapters)] * len(adapters)


def _refuse_special(adapter: Adapter) -> None:
    """Raises MergeError for what add_weighted_adapter would ignore silently."""
    config = read_adapter_config(adapter.folder)
    start = start_of(config)
    if is_plain_lora(config) and start in PLAIN_STARTS:
        return
    special = ", ".join(special_features(config)) or f"init_lora_weights={start}"
    what = special if abilities_of(config["peft_type"]) is Lora else config["peft_type"].lower()
    raise MergeError(
        f"only plain LoRA adapters combine by weights, and this one has {what}",
        where=str(adapter.folder),
        next_step="convert it with domainkit export --plain-lora where that is exact, or train it with lora",
    )


def _attach_all(model: PreTrainedModel, names: list[str], origins: list[Origin]) -> AdaptedModel:
    from peft import PeftModel

    try:
        with peft_warnings_muted():
            host = PeftModel.from_pretrained(model, str(origins[0].adapter.folder), adapter_name=names[0])
            for name, origin in zip(names[1:], origins[1:], strict=True):
                host.load_adapter(str(origin.adapter.folder), adapter_name=name, is_trainable=False)
    except (RuntimeError, ValueError, KeyError) as e:
        raise AdapterError(
            f"an adapter does not fit the base: {str(e).strip().splitlines()[0]}", where=origins[0].base
        ) from e
    return cast("AdaptedModel", host.eval())


def _measure_one(model: AdaptedModel, name: str, rendered: list[TokenizedExample], pad_id: int) -> HeldOutScore:
    model.set_adapter(name)
    return measure_held_out(model, rendered, pad_id)


def _add(
    model: AdaptedModel, names: list[str], shares: list[float], combination: str, density: float, seed: int
) -> None:
    """PEFT's combination as the adapter "default", its scale within its weights."""
    # PEFT copies the first parent's rsLoRA mark, which would scale the result by the root of its rank once more.
    cast("LoraConfig", model.peft_config[names[0]]).use_rslora = False
    torch.manual_seed(seed)
    thinned = {"density": density} if combination.startswith(("ties", "dare")) else {}
    try:
        with peft_warnings_muted():
            model.add_weighted_adapter(
                names, shares, "default", combination_type=combination, svd_full_matrices=False, **thinned
            )
    except (ValueError, RuntimeError, TypeError) as e:
        raise ConfigError(
            f"these adapters do not combine by {combination}: {str(e).strip().splitlines()[0]}",
            where="--combination",
            next_step="cat and svd take adapters of different ranks and layers",
        ) from e


def _save(model: AdaptedModel, folder: Path, first: Origin) -> None:
    config = cast("LoraConfig", model.peft_config["default"])
    config.base_model_name_or_path, config.revision = first.base, first.revision
    config.init_lora_weights, config.inference_mode, config.eva_config = True, True, None
    sort_sets([config])
    model.save_pretrained(
        str(folder), selected_adapters=["default"], safe_serialization=True, save_embedding_layers=False
    )
    (folder / "README.md").unlink(missing_ok=True)


def _check_proof(proof: HeldOutComparison, keep: float, parents: list[HeldOutScore]) -> None:
    if proof.holds(keep):
        return
    each = ", ".join(f"{m.nll:.3f}" for m in parents)
    error = MergeError(
        f"the combination would lose the tune: {proof} (the least is {keep:.0%}; the parents alone: {each}); "
        "nothing was written",
        next_step="try --combination cat, other --weights (shares up to 1 each), or keep both adapters: "
        "DomainLLM serves them side by side over one base",
    )
    error.proofs = (proof,)
    raise error


def _card(
    origins: list[Origin], shares: list[float], combination: str, proof: HeldOutComparison, base: str, folder: Path
) -> Card:
    from domainkit import __version__

    cards = [o.adapter.card for o in origins]
    parents = [c for c in cards if c is not None]
    peft_config = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    return Card(
        base=origins[0].base,
        base_fingerprint=base,
        revision=origins[0].revision,
        quantization=origins[0].quantization,
        method=Lora.model_fields["kind"].default,
        config={"combination": combination, "weights": shares, "rank": peft_config["r"]},
        learning_rate_source="not trained: combined from its parents",
        prompt_format=parents[0].prompt_format if parents else "",
        examples=sum(c.examples for c in parents),
        documents=sum(c.documents for c in parents),
        teachers=dict(sum((Counter(c.teachers) for c in parents), Counter())),
        data_fingerprint=sha256_lines(c.data_fingerprint for c in parents),
        tokens=sum(c.tokens for c in parents),
        supervised_tokens=sum(c.supervised_tokens for c in parents),
        losses=[],
        final_loss=None,
        seconds=0.0,
        tokens_per_second=0.0,
        trainable_parameters=_count(folder / WEIGHTS),
        **birth_facts(),
        weights_sha256=sha256_file(folder / WEIGHTS),
        domainkit=__version__,
        notes=[f"combined by {combination}: {proof}"],
        parents=[
            {
                "adapter": o.adapter.folder.absolute().name,
                "weight": share,
                "weights_sha256": o.adapter.weights_sha256,
                "data_fingerprint": o.adapter.card.data_fingerprint if o.adapter.card else None,
            }
            for o, share in zip(origins, shares, strict=True)
        ],
        proof=proof.model_dump(),
    )


def _count(file: Path) -> int:
    from safetensors.torch import load_file

    return sum(t.numel() for t in load_file(str(file)).values())
