"""A merge without proof is refused with what to try next; the card says what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.adapters.folder import Adapter
from domainkit.export.merge_card import check_merge_proof, make_merge_card
from domainkit.export.merge_plan import MergeError, Origin
from domainkit.models.source import BaseSource
from domainkit.training.heldout import HeldOutComparison
from tests.adapters.small_folders import card

ADAPTER = Adapter(Path("tuned"), card(), "a" * 64)


def proof(candidate: str, kept: float | None, nf4_nll: float | None = None) -> HeldOutComparison:
    return HeldOutComparison(
        candidate=candidate,
        examples=3,
        tokens=9,
        base_nll=3.0,
        adapter_nll=1.0,
        merged_nll=1.0 if kept is None else 3 - 2 * kept,
        kept=kept,
        agreement=1.0,
        nf4_nll=nf4_nll,
    )


def test_a_merge_that_keeps_enough_passes() -> None:
    check_merge_proof({"original": proof("original", 0.95)}, "original", 0.9, ADAPTER)


@pytest.mark.parametrize(
    ("tried", "best", "dequantised_is_next"),
    [(["original"], "original", True), (["original", "dequantised"], "dequantised", False)],
)
def test_a_refusal_names_every_measurement_and_what_was_not_tried(
    tried: list[str], best: str, dequantised_is_next: bool
) -> None:
    proofs = {name: proof(name, 0.5) for name in tried}
    with pytest.raises(MergeError) as caught:
        check_merge_proof(proofs, best, 0.9, ADAPTER)
    text = str(caught.value)
    assert text.count("50.0% of the tune is kept") == len(tried)
    assert "the least is 90%" in text
    assert ("--into dequantised" in text) == dequantised_is_next
    assert "serve the adapter beside its base" in text
    assert caught.value.proofs == tuple(proofs.values())


def test_the_card_has_the_best_and_the_rejected_and_warns_of_4_bits() -> None:
    proofs = {"original": proof("original", 0.8), "dequantised": proof("dequantised", None, nf4_nll=2.0)}
    source = BaseSource("base", "folder", Path("base"), None, "f" * 64)
    origin = Origin(ADAPTER, "base", None, "nf4")
    made = make_merge_card(origin, source, "h" * 64, "dequantised", "float32", proofs)
    assert made.proof == proofs["dequantised"]
    assert made.other_candidates == [proofs["original"]]
    assert (made.adapter, made.trained_on, made.merged_into) == ("tuned", "nf4", "dequantised")
    assert "(quantization=nf4) the NLL is 2.000, 50.0% of the tune: serve it in 16 bits or more" in made.notes[0]
    assert "gains nothing on the held-out text" in made.notes[1]
