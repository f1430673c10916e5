"""A variant's settings, its hit rates and its training machine, in today's files and in older ones."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.results.answers import Estimate, Hardware, TrainingReceipt, VariantResult


def variant(**fields: Any) -> VariantResult:
    return VariantResult(name="v", family="prompt", description="", metrics={}, **fields)


def receipt(hardware: Any) -> TrainingReceipt:
    facts = {"method": "lora", "examples": 1, "tokens": 1, "seconds": 1, "trainable_parameters": 1, "adapter_bytes": 1}
    return TrainingReceipt.model_validate({**facts, "hardware": hardware})


def test_settings_that_do_not_apply_read_as_none() -> None:
    plain = variant()
    assert (plain.shots, plain.chosen_shots, plain.trained_on_passages, plain.hit_rates) == (0, "", False, {})
    full = variant(settings={"shots": 4, "chosen": "nearest", "trained_on": "passages"})
    assert (full.shots, full.chosen_shots, full.trained_on_passages) == (4, "nearest", True)


def test_hit_rates_are_those_of_hit_at_k_with_a_value() -> None:
    hits = {
        "hit@1": Estimate(value=0.5),
        "hit@5": Estimate(value=None),
        "hit@20": Estimate(value=0.9),
        "mrr": Estimate(value=0.7),
    }
    assert variant(retrieval=hits).hit_rates == {1: 0.5, 20: 0.9}


@pytest.mark.parametrize(
    ("recorded", "machine"),
    [
        (
            {"processor": "Xeon", "cores": 2, "memory_gib": 7.5, "kernel": "6"},
            Hardware(processor="Xeon", cores=2, memory_gib=7.5),
        ),
        ("{'processor': 'Xeon', 'cores': 2, 'gpus': ['L4']}", Hardware(processor="Xeon", cores=2, gpus=("L4",))),
        ("", None),
        ("a machine", Hardware(processor="a machine")),
        ("{not a dict", Hardware(processor="{not a dict")),
        (None, None),
    ],
)
def test_a_receipt_names_its_machine_also_where_an_older_file_holds_a_text(
    recorded: Any, machine: Hardware | None
) -> None:
    assert receipt(recorded).hardware == machine
