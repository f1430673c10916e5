"""LangChain's standard suite, with nothing overridden, on the packaged SmolLM2-135M and an adapter trained for tools.

`test_agent_loop` requires that the model calls a tool by its own choice. The base never does. After training on four
calls of another domain's tools it does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from domainkit import DomainLLM, TrainConfig, read_examples, train
from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import LoadedBase, load_base

pytestmark = pytest.mark.real
BASE = "builtin:smollm2-135m"
LINEAR = (
    "self_attn.q_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
ROWS = Path(__file__).resolve().parents[2] / "examples" / "tallowmere" / "tools_train.jsonl"


@pytest.fixture(scope="module")
def base() -> LoadedBase:
    """Loaded once, to make both adapters."""
    return load_base(BASE, quantization="none")


@pytest.fixture(scope="module")
def tool_adapter(base: LoadedBase, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four steps, over the four shortest calls."""
    # The upper half of the layers alone: the gradient goes no further down.
    upper = [f"{layer}.{module}" for layer in range(15, 30) for module in LINEAR]
    given = {"base": BASE, "quantization": "none", "epochs": 1.0, "batch_size": 1, "learning_rate": 2e-3}
    config = TrainConfig.model_validate({**given, "method_options": {"target": upper}})
    folder = tmp_path_factory.mktemp("adapters") / "tools"
    calls = [row for row in read_examples(ROWS) if row.turns[-1].tool_calls]
    calls.sort(key=lambda row: len(str(row.tools)) + sum(len(str(turn)) for turn in row.turns))
    train(calls[:4], config, folder, loaded=base)
    return str(folder)


@pytest.fixture(scope="module")
def fresh_adapter(base: LoadedBase, tool_adapter: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LoRA adapter of the packaged base, untrained: it answers as the base does."""
    folder = tmp_path_factory.mktemp("adapters") / "fresh"
    attach(parse_method("lora", {"rank": 4, "target": ["q_proj"]}), base.model).save_pretrained(folder)
    return str(folder)


class Suite:
    @property
    def chat_model_class(self) -> type[DomainLLM]:
        return DomainLLM

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"base": BASE, "adapter": self.adapter, "adapters": self.named}

    @property
    def supports_json_mode(self) -> bool:
        return True

    adapter: str | None = None
    named: dict[str, str] = {}  # noqa: RUF012


class TestUnit(Suite, ChatModelUnitTests):
    pass


class TestIntegration(Suite, ChatModelIntegrationTests):
    max_tokens = 0

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "max_tokens": self.max_tokens}

    @pytest.fixture(autouse=True)
    def adapters(self, fresh_adapter: str, tool_adapter: str, request: pytest.FixtureRequest) -> None:
        type(self).adapter, type(self).named = tool_adapter, {"fresh": fresh_adapter}
        # A model of this size fills its budget with repetitions. Only a call of a tool needs more than a few tokens.
        name = request.node.name
        calls = "agent" in name or ("tool" in name and "tool_message" not in name)
        type(self).max_tokens = 40 if calls else 16

    @property
    def model_override_value(self) -> str:
        return "fresh"


def test_the_suite_is_whole() -> None:
    """No test of the suite is replaced or marked."""
    assert not [name for kind in (TestIntegration, TestUnit) for name in vars(kind) if name.startswith("test_")]


def test_training_on_calls_is_what_makes_it_call(tool_adapter: str) -> None:
    """The adapter calls the right one of tools that it was not trained on. The base calls none."""

    @tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    @tool
    def get_weather(location: str) -> str:
        """Get the weather at a location."""
        return "It's sunny."

    question = HumanMessage("how much is 17 multiplied by 4?")
    tuned = DomainLLM(base=BASE, adapter=tool_adapter, max_tokens=40)
    [call] = tuned.bind_tools([multiply, get_weather]).invoke([question]).tool_calls
    assert (call["name"], call["args"]) == ("multiply", {"a": 17, "b": 4})
    assert not tuned.bind(model="base").bind_tools([multiply]).invoke([question]).tool_calls
