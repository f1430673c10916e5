"""Adapter types that PEFT alone trains: what each can do is known from its configuration."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.adapters.methods import FOREIGN, abilities_of


@pytest.mark.parametrize(
    ("peft_type", "config", "rank"),
    [
        ("MISS", {"r": 8, "init_weights": "bat"}, None),
        ("MISS", {"r": 8, "init_weights": True}, 8),
        ("CPT", {}, None),
        ("UNHEARD_OF", {}, None),
    ],
)
def test_only_a_sum_with_a_matrix_of_low_rank_is_a_lora(peft_type: str, config: Any, rank: int | None) -> None:
    abilities, config = abilities_of(peft_type), {"peft_type": peft_type, **config}
    assert abilities.lora_rank(config) == rank
    why_not = abilities.why_not_plain_lora(config, "none")
    assert (why_not is None) == (rank is not None)
    assert why_not is None or why_not.startswith(f"{peft_type.lower()} changes weights by more than")


def test_virtual_tokens_and_interventions_cannot_be_merged() -> None:
    assert {n for n in FOREIGN if abilities_of(n.upper()).why_not_mergeable is None} == {"miss"}
