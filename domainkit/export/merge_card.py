"""The card of a merged model, and the proof that it needs: how much of the tune the merge keeps."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from domainkit.adapters.folder import Adapter, birth_facts
from domainkit.export.merge_plan import MergeError, Origin
from domainkit.messages import JsonObject
from domainkit.models.source import BaseSource
from domainkit.training.heldout import HeldOutComparison


class MergeCard(BaseModel):
    """A merged model's birth certificate."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["merged model"] = "merged model"
    base: str
    base_fingerprint: str
    revision: str | None
    trained_on: str
    """How the base's weights were held while the adapter was trained: nf4, int8 or none."""
    adapter: str
    """Name of the adapter's folder."""
    adapter_sha256: str
    adapter_card: JsonObject | None
    """The adapter's own card."""
    merged_into: str
    """The base's weights that the difference was added to: dequantised or original."""
    dtype: str
    """Number format of the file's weights."""
    held_out_fingerprint: str
    """Hex SHA-256 of the held-out examples."""
    proof: HeldOutComparison
    other_candidates: list[HeldOutComparison]
    """Merges that were tried and rejected."""
    versions: dict[str, str]
    hardware: JsonObject
    created: str
    notes: list[str]


def check_merge_proof(proofs: dict[str, HeldOutComparison], best: str, keep: float, adapter: Adapter) -> None:
    """Raises MergeError when `best` keeps less than the share `keep` of the tune."""
    proof = proofs[best]
    if proof.holds(keep, agree=keep):
        return
    least = f"the least is {keep:.0%}"
    steps = []
    if "dequantised" not in proofs and proof.candidate == "original":
        steps.append("--into dequantised, which adds the difference to the weights it was trained on")
    steps += ["--dtype float32, which rounds nothing away", "serve the adapter beside its base instead of merging it"]
    error = MergeError(
        f"the merge would lose the tune: {'; '.join(map(str, proofs.values()))} ({least}); nothing was written",
        where=str(adapter.folder),
        next_step="try " + ", or ".join(steps),
    )
    error.proofs = tuple(proofs.values())
    raise error


def make_merge_card(
    origin: Origin, source: BaseSource, fingerprint: str, best: str, stored: str, proofs: dict[str, HeldOutComparison]
) -> MergeCard:
    """The card of the candidate `best`; `fingerprint` is the held-out examples'."""
    proof = proofs[best]
    notes = []
    if proof.nf4_nll is not None:
        share = "" if proof.nf4_kept is None else f", {proof.nf4_kept:.1%} of the tune"
        notes.append(
            f"in 4 bits again (quantization=nf4) the NLL is {proof.nf4_nll:.3f}{share}: serve it in 16 bits or more"
        )
    if proof.kept is None:
        notes.append("the adapter gains nothing on the held-out text: the proof is that both models predict the same")
    return MergeCard(
        base=origin.base,
        base_fingerprint=source.fingerprint,
        revision=source.revision,
        trained_on=origin.quantization,
        adapter=origin.adapter.folder.absolute().name,
        adapter_sha256=origin.adapter.weights_sha256,
        adapter_card=origin.adapter.card.model_dump() if origin.adapter.card else None,
        merged_into=best,
        dtype=stored,
        held_out_fingerprint=fingerprint,
        proof=proof,
        other_candidates=[p for name, p in proofs.items() if name != best],
        **birth_facts(),
        notes=notes,
    )
