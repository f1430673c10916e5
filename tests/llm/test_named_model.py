"""A name becomes a chat model, or an error that says what to install or to write."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from domainkit import DomainkitError, DomainLLM
from domainkit.errors import BaseModelError, ConfigError, MachineError
from domainkit.llm.named_model import find_model


def test_a_missing_integration_is_named_with_its_pip_install() -> None:
    if importlib.util.find_spec("langchain_mistralai"):
        pytest.skip("langchain-mistralai is installed")
    with pytest.raises(MachineError) as raised:
        find_model("mistralai:mistral-large", "writer")
    assert "writer mistralai:mistral-large: the package of this provider is not installed" in str(raised.value)
    assert raised.value.next_step == "pip install langchain-mistralai"


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (
            "nobody:model",
            ConfigError,
            "writer nobody:model: 'nobody' is neither a provider that LangChain knows nor a module",
        ),
        ("server:localhost:8000", ConfigError, "'localhost:8000' is not a URL"),
        ("OpenAI:GPT-x", ConfigError, "next: write openai:GPT-x, if that is meant"),
        ("openai:gpt x", ConfigError, "writer openai:gpt x: is neither a file nor provider:model"),
        ("openai:", ConfigError, "next: a model is provider:model for LangChain's integrations"),
        ("no/such/folder", BaseModelError, "no such file or folder"),
        ("./missing.gguf", BaseModelError, "no such file or folder"),
    ],
)
def test_a_name_that_means_nothing_says_what_one_is(name: str, error: type[DomainkitError], text: str) -> None:
    with pytest.raises(error) as raised:
        find_model(name, "writer")
    assert text in str(raised.value)
    assert raised.value.next_step


def test_a_server_a_base_and_a_model_object_have_names() -> None:
    server = find_model("server:http://127.0.0.1:9/v1#big", "writer")
    assert isinstance(server.llm, DomainLLM)
    assert (server.llm.backend, server.llm.base, server.is_local, server.is_own) == ("server", "big", False, True)
    given = find_model(FakeListChatModel(responses=["x"]), "judge")
    assert (given.is_local, given.is_own) == (False, False)
    assert given.name
    with pytest.raises(ConfigError, match="neither a chat model nor the name of one"):
        find_model(7, "writer")  # type: ignore[arg-type]


def test_a_local_base_is_known_by_its_weights(tiny_base: str) -> None:
    found = find_model(Path(tiny_base), "writer")
    assert (found.name, found.is_local, found.is_own) == (tiny_base, True, True)
    assert found.key == find_model(tiny_base, "judge").key


def test_a_module_of_ones_own_may_begin_with_a_capital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from langchain_core.language_models.fake_chat_models import FakeListChatModel\n"
    (tmp_path / "OwnDesk.py").write_text(code + "def clerk(): return FakeListChatModel(responses=['x'])\n")
    monkeypatch.chdir(tmp_path)
    assert type(find_model("OwnDesk:clerk", "writer").llm) is FakeListChatModel
