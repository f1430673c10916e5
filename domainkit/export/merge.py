"""merge(): an adapter and its base become one plain model folder, if held-out text shows that the tune survives it.

The adapter was trained beside the base's weights as they were held: rounded to 4 bits, for QLoRA. So the difference
belongs to those numbers, and by default it is added to them (dequantised). Added to the original weights it meets
another base than the one it was trained on; rounded to 4 bits again it mostly vanishes, since it is smaller than a
4-bit step.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch

from domainkit.adapters.folder import CARD
from domainkit.adapters.methods import peft_warnings_muted
from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError, saving
from domainkit.export.merge_card import MergeCard, check_merge_proof, make_merge_card
from domainkit.export.merge_plan import (
    MergeError,
    Origin,
    candidates,
    check_held_out,
    check_out,
    find_origin,
    refuse_method,
)
from domainkit.export.target import Exported, ExportJob, export_target, proof_lines
from domainkit.library_logs import quiet_bars
from domainkit.models import Quantization
from domainkit.models.load import LoadedBase, load_base
from domainkit.models.portable import make_portable
from domainkit.models.quantization import quantised_layers, round_to_nf4, stored_weight
from domainkit.models.source import BaseSource
from domainkit.models.tokenizer import adapter_chat_template, set_stop_tokens
from domainkit.progress import stage
from domainkit.registry import suggestion
from domainkit.storage import read_tensor_header, staged_folder, write_text
from domainkit.training.examples_to_ids import TokenizedExample, tokenize_examples, with_thinking
from domainkit.training.heldout import HeldOutComparison, HeldOutScore, compare_held_out, measure_held_out

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domainkit.adapters.tuned_model import AdaptedModel

Into = Literal["dequantised", "original", "auto"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
KEEP = 0.9
"""Least share of the adapter's gain that a merge must keep: the usual 16-bit merge of QLoRA stays below it."""
MOST_EXAMPLES = 256


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged model's folder and its card."""

    folder: Path
    card: MergeCard


def merge(
    adapter: str | Path,
    out: str | Path,
    held_out: Sequence[Example],
    *,
    into: Into = "dequantised",
    keep: float = KEEP,
    dtype: Precision = "auto",
    base: str | None = None,
    quantization: Quantization | None = None,
) -> Merged:
    """Write the base with the adapter's difference added to its weights to the folder `out`, whole or not at all.

    `held_out` are examples the adapter was not trained on; the merge is read back from the disk and measured on them
    against the adapter as trained. `into="auto"` tries both bases and takes the better. `dtype` is the file's number
    format, auto the base's own. `base` and `quantization` (as in training) are needed for a folder without a card.
    Raises MergeError when less than the share `keep` of the adapter's gain, or of its next tokens, is left, or the
    method cannot be merged; ConfigError, AdapterError, BaseModelError.
    """
    out = Path(out)
    # 1. Refuse what cannot work before anything is loaded.
    if dtype not in get_args(Precision):
        raise ConfigError(f"unknown number format '{dtype}'", next_step=suggestion(dtype, get_args(Precision)))
    origin = find_origin(adapter, base, quantization)
    refuse_method(origin.adapter)
    names = candidates(into, origin.quantization)
    fingerprint = check_held_out(held_out, origin.adapter)
    check_out(out)
    # 2. The predictions of the adapter as trained, and of the base.
    reference = _load(origin)
    rendered = render_held_out(held_out, reference)
    pad_id = reference.tokenizer.pad_token_id
    before = measure_held_out(reference.model, rendered, pad_id)
    model = load_adapted(reference.model, origin.adapter.folder).eval()
    trained = measure_held_out(model, rendered, pad_id)
    facts = _Facts(origin, reference.source, reference.folder, reference.tokenizer, rendered, before, trained)
    # Unpacked weights are what the first candidate starts from; packed ones make room for it.
    ready = [model] if not _is_packed(reference.model) and names[0] == _same_as_trained(origin) else []
    del reference, model
    # 3. Each candidate written, read back and measured.
    with saving(out), _work(out) as work:
        proofs: dict[str, HeldOutComparison] = {}
        for name in names:
            stored = _write(ready.pop() if ready else _plain_model(facts, name), facts, work / name, dtype)
            proofs[name] = _prove(work / name, facts, name)
        # 4. The best of them, if it still knows what the adapter learnt.
        best = min(proofs, key=lambda name: (proofs[name].merged_nll, names.index(name)))
        check_merge_proof(proofs, best, keep, origin.adapter)
        card = make_merge_card(origin, facts.source, fingerprint, best, stored, proofs)
        return _finish(work / best, out, card)


@export_target(uses=("out", "base", "quantization", "held_out"))
def export_merged(job: ExportJob) -> Exported:
    """The merged model folder, with proof on the job's held-out examples."""
    merged = merge(job.one_adapter(), job.required_out(), job.held_out, base=job.base, quantization=job.quantization)
    return Exported(tuple(merge_lines(merged)), merged.folder)


def merge_lines(merged: Merged) -> list[str]:
    """What the command line prints of a merge."""
    card = merged.card
    return [
        *proof_lines(card.proof, card.other_candidates),
        *(f"Note: {note}" for note in card.notes),
        f"\nModel: {merged.folder} ({card.dtype})",
    ]


# ---- 2. the adapter as trained ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Facts:
    """What every candidate is made from and measured against."""

    origin: Origin
    source: BaseSource
    folder: Path
    tokenizer: PreTrainedTokenizerBase
    rendered: list[TokenizedExample]
    before: HeldOutScore
    trained: HeldOutScore


def _load(origin: Origin, quantization: Quantization | None = None) -> LoadedBase:
    loaded = load_base(
        origin.base, revision=origin.revision, quantization=quantization or origin.quantization, purpose="infer"
    )
    origin.adapter.check_base(loaded.source.fingerprint, origin.base)
    template = adapter_chat_template(origin.adapter.folder, loaded.chat_template)
    if template is loaded.chat_template:
        return loaded
    # The merged base writes prompts as the adapter was trained to read them.
    stops, _ = set_stop_tokens(loaded.model, template)
    return replace(loaded, chat_template=template, stop_token_ids=stops)


def render_held_out(held_out: Sequence[Example], base: LoadedBase) -> list[TokenizedExample]:
    """The examples as ids: at most MOST_EXAMPLES, spread evenly over what was given."""
    examples = held_out
    if len(held_out) > MOST_EXAMPLES:
        examples = [held_out[i * len(held_out) // MOST_EXAMPLES] for i in range(MOST_EXAMPLES)]
    return tokenize_examples(examples, with_thinking(base.chat_template, {}, examples), base.context_length)


# ---- 3. candidates ---------------------------------------------------------------------------------------------------


@contextmanager
def _work(out: Path) -> Iterator[Path]:
    """A folder beside `out`, on its disk, deleted afterwards."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        yield Path(folder)


def _is_packed(model: PreTrainedModel) -> bool:
    return bool(getattr(model, "is_loaded_in_4bit", False) or getattr(model, "is_loaded_in_8bit", False))


def _same_as_trained(origin: Origin) -> str:
    """The candidate whose base is, number for number, the one the adapter was trained on."""
    return "original" if origin.quantization == "none" else "dequantised"


def _write(model: AdaptedModel, facts: _Facts, folder: Path, dtype: str) -> str:
    """Merge `model` in place and write it as a plain transformers folder; the number format of its weights."""
    try:
        with peft_warnings_muted():
            merged = model.merge_and_unload()
    except (AttributeError, NotImplementedError, ValueError, TypeError) as e:
        raise MergeError(
            f"the adapter's method cannot be merged: {e}",
            where=str(facts.origin.adapter.folder),
            next_step="serve it as an adapter (DomainLLM, domainkit ask)",
        ) from e
    stored = _stored_dtype(facts.folder) if dtype == "auto" else getattr(torch, dtype)
    with stage("writing the merged model"), quiet_bars():
        merged.to(stored).save_pretrained(str(folder))
    facts.tokenizer.save_pretrained(str(folder))
    make_portable(folder, type(merged).__name__)
    del model, merged
    gc.collect()
    return str(stored).removeprefix("torch.")


def _plain_model(facts: _Facts, name: str) -> AdaptedModel:
    """The adapter over unpacked weights: the original ones, or those that quantisation left (dequantised)."""
    loaded = _load(facts.origin, "none")
    if name == "dequantised":
        round_weights(loaded.model, facts.origin.quantization)
    return load_adapted(loaded.model, facts.origin.adapter.folder).eval()


@torch.no_grad()
def round_weights(model: PreTrainedModel, quantization: str) -> None:
    """Replace the weights that `quantization` (nf4, int8) would pack by the values it would leave, in place."""
    if quantization == "nf4":
        round_to_nf4(model)
    elif quantization == "int8":
        for layer in quantised_layers(model).values():
            # LLM.int8 (arXiv 2208.07339): each row is scaled by its largest value to -127 … 127, from float16.
            weight = stored_weight(layer)
            half = weight.half().float()
            scale = half.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
            weight.copy_((half / scale).round() * scale)


def _stored_dtype(folder: Path) -> torch.dtype:
    """The widest number format of the base's own matrices."""
    dtypes: set[str] = set()
    for file in folder.glob("*.safetensors"):
        dtypes |= {t["dtype"] for t in read_tensor_header(file).values() if len(t["shape"]) > 1}
    for name, dtype in {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}.items():
        if name in dtypes:
            return dtype
    return torch.float32


def _prove(folder: Path, facts: _Facts, name: str) -> HeldOutComparison:
    """The candidate as a user will read it: from its files."""
    pad_id = facts.tokenizer.pad_token_id
    loaded = load_base(str(folder), quantization="none", purpose="infer")
    merged = measure_held_out(loaded.model, facts.rendered, pad_id)
    again = None
    if facts.origin.quantization == "nf4":
        round_to_nf4(loaded.model)
        again = measure_held_out(loaded.model, facts.rendered, pad_id)
    return compare_held_out(name, facts.before, facts.trained, merged, len(facts.rendered), again)


# ---- 4. the verdict and the folder -----------------------------------------------------------------------------------


def _finish(folder: Path, out: Path, card: MergeCard) -> Merged:
    write_text(folder / CARD, card.model_dump_json(indent=1) + "\n")
    with staged_folder(out) as staged:
        for file in folder.iterdir():
            shutil.move(str(file), staged / file.name)
    return Merged(out, card)
