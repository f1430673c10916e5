"""thinking=: off, on, or a number of tokens after which the reasoning is closed and the answer follows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from domainkit import DomainLLM, compare
from domainkit.errors import ConfigError
from domainkit.llm.calls import read_options
from domainkit.messages import Message
from domainkit.models.thinking import refuse_two_switches
from domainkit.training.config import TrainConfig, parse_config
from tests.inference.server.scripted_server import answer, models, scripted
from tests.llm.test_thinking import COLOUR, base

__all__ = ["base"]  # a fixture
TASK = [{"id": str(i), "input": f"Box {i}?", "target": ("left", "right")[i % 2]} for i in range(4)]


@pytest.fixture(scope="module")
def llm(base: str) -> DomainLLM:
    """Random weights: it neither opens nor closes reasoning by itself."""
    return DomainLLM(base=base, quantization="none", max_tokens=40)


def thought(message: Any) -> str:
    return str(message.additional_kwargs.get("reasoning_content", ""))


def test_off_on_and_a_budget(llm: DomainLLM) -> None:
    off = llm.invoke("red?", thinking="off")
    assert thought(off) == ""
    assert off.content == llm.invoke("red?").content, "off is the default"
    on = llm.invoke("red?", thinking="on")
    assert on.content == llm.invoke("red?", enable_thinking=True).content != off.content
    few, more = (llm.invoke("red?", thinking=n) for n in (6, 12))
    assert few.content, "the answer follows"
    assert more.content
    assert thought(more).startswith(thought(few).strip())
    assert 0 < len(thought(few)) < len(thought(more))
    assert few.usage_metadata is not None
    assert few.usage_metadata["output_tokens"] <= 40


def test_a_budget_holds_in_a_stream_a_batch_and_before_a_form(llm: DomainLLM) -> None:
    few, budgeted = llm.invoke("red?", thinking=6), DomainLLM(**llm.model_dump(exclude={"thinking"}), thinking=6)
    chunks = list(budgeted.stream("red?"))
    assert "".join(c.text for c in chunks) == few.content
    assert "".join(map(thought, chunks)) == thought(few)
    assert [m.content for m in budgeted.batch(["red?", "red?"])] == [few.content] * 2
    held = budgeted.invoke("red?", json_schema=COLOUR, max_tokens=90)
    assert thought(held) == thought(few)
    assert held.content in ('{"c": "red"}', '{"c": "blue"}', '{"c":"red"}', '{"c":"blue"}')
    assert thought(budgeted.invoke("red?", thinking="off")) == "", "a call's word counts"
    assert budgeted.identity()["thinking"] == 6
    assert "thinking" not in llm.identity()


def test_a_budget_without_room_is_named(llm: DomainLLM, caplog: pytest.LogCaptureFixture) -> None:
    llm.invoke("red?", thinking=6, max_tokens=2)
    assert "thinking=6 is not used: max_tokens leaves no room for it" in caplog.text


@pytest.mark.parametrize(
    ("given", "read"), [("off", "off"), (False, "off"), (True, "on"), ("on", "on"), (64, 64), ("64", 64)]
)
def test_the_forms_of_the_option(given: Any, read: Any) -> None:
    assert read_options({"thinking": given}).thinking == read
    assert parse_config({"thinking": given}).thinking == read


@pytest.mark.parametrize("given", [0, -3, "much", 1.5, []])
def test_what_is_no_choice_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="thinking"):
        read_options({"thinking": given})


def test_two_switches_that_contradict_are_refused(llm: DomainLLM) -> None:
    with pytest.raises(ConfigError, match="thinking=off and enable_thinking=True contradict each other"):
        llm.invoke("x", thinking="off", enable_thinking=True)
    with pytest.raises(ConfigError, match="thinking=9 and thinking=False contradict each other"):
        refuse_two_switches(9, {"thinking": False}, "here")
    with pytest.raises(ConfigError, match="contradict"):
        TrainConfig(thinking="on", template_options={"enable_thinking": False})
    assert TrainConfig(thinking=9).switched_options == {"enable_thinking": True}
    assert "thinking" not in TrainConfig().model_dump(), "names of adapter folders stay"


def test_an_adapter_keeps_its_budget_on_the_card(base: str, tmp_path: Path) -> None:
    from domainkit.corpus.example import Example
    from domainkit.training.train import train

    row = Example(
        turns=(Message("user", "red?"), Message("assistant", "<think>\nso red\n</think>\n\nred")), source="x:1"
    )
    values = {"base": base, "quantization": "none", "epochs": 1, "batch_size": 1, "thinking": 3, "method.rank": 2}
    made = train([row], parse_config(values), tmp_path / "a", on_progress=lambda _: None)
    assert made.card is not None
    assert (made.card.config["thinking"], made.card.config["template_options"]) == (3, {"enable_thinking": True})
    tuned = DomainLLM(base=base, adapter=str(tmp_path / "a"), quantization="none", max_tokens=30)
    assert tuned.invoke("red?").content == tuned.invoke("red?", thinking=3).content != ""
    assert thought(tuned.invoke("red?", thinking="off")) == ""


def test_a_comparison_gives_it_to_the_base_and_says_so(base: str, tmp_path: Path) -> None:
    results = compare(
        TASK, ["zero-shot"], tmp_path, base=base, thinking=5, max_tokens=60, latency_items=0, kind="label"
    )
    assert next(v for v in results.variants if v.name == "zero-shot").settings["thinking"] == 5
    assert results.model["thinking"] == 5
    other = compare(TASK, ["zero-shot"], tmp_path, base=base, max_tokens=60, latency_items=0, kind="label")
    rows = (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()
    assert len([r for r in rows if '"zero-shot"' in r]) == 8, "another key"
    assert "thinking" not in other.model


def test_a_base_without_reasoning_is_refused_before_it_is_asked(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"thinking: thinking=5 is given, and the chat template of .* has no reason"):
        compare(TASK, ["zero-shot"], tmp_path, base=tiny_base, thinking=5, kind="label")


def test_a_server_without_a_budget_is_named_once_and_ours_gets_it(caplog: pytest.LogCaptureFixture) -> None:
    routes = {"/v1/models": models("m"), "/v1/chat/completions": answer("hi")}
    caplog.set_level(logging.WARNING)
    with scripted({**routes, "/version": {"version": "0.33.0"}}) as server:
        asked = DomainLLM(backend="server", backend_options={"url": server.url}, thinking=7)
        asked.batch(["a", "b"])
        bodies = server.bodies("/v1/chat/completions")
        assert [b["chat_template_kwargs"] for b in bodies] == [{"enable_thinking": True}] * 2
        assert all("thinking_budget" not in b for b in bodies)
    assert caplog.text.count("thinking=7 is not used: vLLM 0.33.0 takes no budget of reasoning in a request") == 1
    with scripted({**routes, "/version": {"version": "domainkit 1"}}) as server:
        DomainLLM(backend="server", backend_options={"url": server.url}, thinking=7).invoke("a")
        assert server.bodies("/v1/chat/completions")[0]["thinking_budget"] == 7
