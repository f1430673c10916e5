"""llama.cpp's server as a backend: each request names its adapter, and what the server cannot do is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit import DomainLLM, TrainConfig, train
from domainkit.corpus.example import Example, Turn
from domainkit.errors import AdapterError, RequestError
from domainkit.export.gguf.target import export_gguf
from domainkit.export.llama_server import PACKAGE, start
from domainkit.export.target import ExportJob
from domainkit.export.vllm import adapter_name
from domainkit.inference.backend import Backend, Request
from domainkit.inference.local import LocalBackend
from domainkit.inference.server.backend import ServerBackend
from domainkit.inference.server.llama_cpp import choice_grammar
from domainkit.messages import Message
from tests.conftest import CONTROL
from tests.export.gguf.tiny_gguf import tiny_model, write_tiny_gguf

ASK = (Message("user", "Hello?"),)
ROWS = [
    Example(turns=(Turn(role="user", content=f"Box {i}?"), Turn(role="assistant", content=f"shelf {i % 3}")))
    for i in range(12)
]


def tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def without_control_tokens(text: str) -> str:
    """A random base writes some, which we leave out of a text and llama-server does not."""
    return re.sub("|".join(map(re.escape, CONTROL)), "", text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """tiny.gguf, an adapter trained over it, and its export."""
    pytest.importorskip(PACKAGE, reason=f"no llama-server: {PACKAGE} is not installed")
    home = tmp_path_factory.mktemp("llama")
    base = str(write_tiny_gguf(home / "tiny.gguf", tiny_model()))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DOMAINKIT_CACHE", str(home / "cache"))
        config = TrainConfig(base=base, quantization="none", epochs=2, batch_size=4, learning_rate=0.05)
        train(ROWS, config, home / "1" / "shelves")
        export_gguf(ExportJob((home / "1" / "shelves",), home / "1.gguf", engine="none"))
        yield home


@pytest.fixture(scope="module")
def url(made: Path) -> Iterator[str]:
    """A server of the base with the first adapter."""
    server = start(str(made / "tiny.gguf"), [str(made / "1.gguf")], port=0, threads=1)
    yield server.listening_address
    del server


@pytest.fixture(scope="module")
def backend(url: str) -> ServerBackend:
    return ServerBackend(url=url)


@pytest.fixture(scope="module")
def local(made: Path) -> LocalBackend:
    return LocalBackend(str(made / "tiny.gguf"), None, "none", "cpu")


def changed_copy(made: Path, home: Path, **facts: str) -> Path:
    """The adapter, with other facts in its card."""
    folder = Path(shutil.copytree(made / "1" / "shelves", home / "shelves"))
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **facts}))
    return folder


def test_base_and_adapter_in_turn_say_what_they_say_here(
    backend: ServerBackend, local: LocalBackend, made: Path
) -> None:
    folder = str(made / "1" / "shelves")
    assert isinstance(backend, Backend)
    boxes = [(Message("user", f"Box {i}?"),) for i in range(3)]
    asked = [Request(box, adapter=adapter, max_tokens=8) for box in boxes for adapter in (None, folder)]
    texts = [c.text for c in local.complete(asked)]
    assert len({*texts[:2]}) == 2
    for _ in range(2):  # one slot, whose keys and values are those of the one asked before
        assert [without_control_tokens(backend.complete([r])[0].text) for r in asked] == texts
    assert [without_control_tokens("".join(p.text for p in backend.stream(r))) for r in asked] == texts
    by_name = Request(ASK, adapter="1", max_tokens=8)
    assert backend.complete([by_name])[0].text == local.complete([Request(ASK, adapter=folder, max_tokens=8)])[0].text
    assert backend.models() == [str(made / "tiny.gguf"), adapter_name(folder)]
    assert backend.count_tokens(ASK) == local.count_tokens(ASK)
    assert backend.token_ids("a box") == local.token_ids("a box")


def test_another_training_in_a_folder_of_the_same_name_is_refused(
    backend: ServerBackend, made: Path, tmp_path: Path
) -> None:
    other = changed_copy(made, tmp_path, weights_sha256="0123456789" * 6 + "0123")
    with pytest.raises(RequestError) as e:
        backend.complete([Request(ASK, adapter=str(other))])
    assert f"has no adapter '{adapter_name(other)}' (it has {adapter_name(made / '1' / 'shelves')})" in str(e.value)
    assert f"domainkit export {other} --to gguf --out shelves.gguf" in str(e.value)
    with pytest.raises(RequestError, match="has no adapter 'shelf'"):
        backend.complete([Request(ASK, adapter="shelf")])


def test_a_prompt_that_is_not_the_training_s_is_an_error(backend: ServerBackend, made: Path, tmp_path: Path) -> None:
    folder = changed_copy(made, tmp_path, prompt_format="<s>[INST] {question} [/INST]")
    with pytest.raises(AdapterError) as e:
        backend.complete([Request(ASK, adapter=str(folder))])
    assert "llama-server writes another prompt than the adapter was trained with" in str(e.value)
    assert "--chat-template-file" in str(e.value)


def test_choices_and_schemas_hold_and_what_it_cannot_do_is_refused(backend: ServerBackend) -> None:
    choices = ('the "red"\nbox', "blue\\box")
    assert backend.complete([Request(ASK, choices=choices, max_tokens=40)])[0].text in choices
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    answer = backend.complete([Request(ASK, json_schema=schema, max_tokens=60)])[0]
    assert isinstance(json.loads(answer.text)["ok"], bool)
    refused = {
        "holds no answer to a regular expression": Request(ASK, regex="a+"),
        "goes on with the last turn": Request((*ASK, Message("assistant", "Yes"))),
        "leaves tools out here": Request(ASK, tools=(tool("add"),)),
    }
    for said, request in refused.items():
        with pytest.raises(RequestError, match=said):
            backend.complete([request])
    with pytest.raises(RequestError, match="does not offer prompt_logprobs"):
        backend.score(ASK, ["a"])
    with pytest.raises(RequestError, match="loads its adapters when it starts"):
        backend.load_adapter("anything")


def test_a_chat_model_asks_it_by_the_adapter_s_folder(url: str, made: Path, local: LocalBackend) -> None:
    folder = str(made / "1" / "shelves")
    llm = DomainLLM(backend="server", backend_options={"url": url}, adapter=folder, max_tokens=8)
    assert (
        llm.invoke("Box 1?").text
        == local.complete([Request((Message("user", "Box 1?"),), adapter=folder, max_tokens=8)])[0].text
    )
    identity = llm.identity()
    assert identity["adapter"] == adapter_name(folder)
    assert identity["model"] == str(made / "tiny.gguf")


def test_a_choice_is_spelled_for_its_grammar() -> None:
    assert choice_grammar(('a"b', "c\\d\n", "é\x01")) == 'root ::= "a\\"b" | "c\\\\d\\n" | "é\\x01"'
