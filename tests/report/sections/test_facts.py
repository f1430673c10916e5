"""How a comparison was made, as rows."""

from __future__ import annotations

from domainkit.report.sections.facts import command, environment_facts, hardware_text, json_facts, training_facts
from domainkit.results.schema import Hardware, Results


def test_nested_facts_carry_the_outer_name() -> None:
    rows = json_facts({"base": {"name": "m", "is_chat": True}, "layers": [1, "two"], "revision": None})
    assert rows == [("base name", "m"), ("base is chat", "true"), ("layers", "1, two")]


def test_a_machine_is_one_line() -> None:
    assert (
        hardware_text(Hardware(processor="Xeon", cores=1, memory_gib=15.5, gpus=("L4", "L4")))
        == "Xeon, 1 core, 15.5 GiB, L4, L4"
    )
    assert hardware_text(Hardware(cores=2)) == "2 cores"


def test_the_receipt_and_the_environment_are_listed(label_results: Results) -> None:
    assert ("Hardware", "8 cores, NVIDIA L4") in training_facts(label_results)
    without = label_results.model_copy(update={"training": None})
    assert training_facts(without) == []
    on_small = {"training": label_results.training, "settings": {"runs_on": "small"}}
    variants = (*without.variants, without.variants[0].model_copy(update=on_small))
    assert training_facts(without.model_copy(update={"variants": variants}))[0] == ("Adapter of", "small")
    rows = environment_facts(label_results)
    assert ("whole comparison", "21 min 52 s") in rows
    assert "command" not in dict(rows)
    assert command(label_results).startswith("domainkit compare --test")
