"""A base of this machine, answered by a server: as here, or an error before the first answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit import DomainLLM
from domainkit.errors import AdapterError, BaseModelError, ConfigError, PromptTooLongError
from domainkit.export.vllm import adapter_name
from domainkit.inference.backend import Backend, Request
from domainkit.inference.local import local_backend
from domainkit.inference.server.prompt_lengths import PromptLengths
from domainkit.inference.server.served_base import ServedBase
from domainkit.messages import Message
from domainkit.serving.sources import make_models, read_sources
from domainkit.serving.state import State
from tests.inference.server.conftest import lora_folder
from tests.inference.server.scripted_server import Scripted, answer, models, scripted
from tests.serving.running_server import running

ASK = (Message("user", "Hello?"),)
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def home(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapters red and blue."""
    made = tmp_path_factory.mktemp("served")
    for seed, name in enumerate(("red", "blue")):
        lora_folder(made / name, tiny_base, seed)
    return made


@pytest.fixture(scope="module")
def address(tiny_base: str, home: Path) -> Iterator[str]:
    """`domainkit serve` with the adapter red; blue may be loaded."""
    state = State(make_models(read_sources([home / "red"], tiny_base), loadable=home))
    with running(state) as url:
        yield url


def vllm(base: str, *, shift: int = 0, **facts: Any) -> dict[str, Any]:
    """The routes of a vLLM whose tokenizer is the base's, or one that is `shift` ids off."""
    here = local_backend(base)

    def tokenize(body: dict[str, Any]) -> tuple[int, Any]:
        ids = here.prompt_ids(Request(tuple(Message(m["role"], m["content"]) for m in body["messages"])))
        return 200, {"tokens": [i + shift for i in ids]}

    return {
        "/version": {"version": "0.33.0"},
        "/v1/models": models("the-base", max_model_len=2048, root=base, **facts),
        "/tokenize": tokenize,
        CHAT: answer("hi"),
    }


def test_texts_are_those_of_here_and_adapters_are_loaded(tiny_base: str, home: Path, address: str) -> None:
    served, here = ServedBase(tiny_base, url=address), local_backend(tiny_base)
    assert isinstance(served, Backend)
    asked = [
        Request((Message("user", f"Box {i}?"),), adapter=adapter, max_tokens=12)
        for i in range(2)
        for adapter in (None, str(home / "red"), str(home / "blue"))
    ]
    texts = [c.text for c in here.complete(asked)]
    assert len(set(texts)) > 2
    assert [c.text for c in served.complete(asked)] == texts
    assert "".join(p.text for p in served.stream(asked[1])) == texts[1]
    chosen = Request(ASK, choices=("yes", "no"), adapter=str(home / "red"))
    assert served.complete([chosen])[0].text == here.complete([chosen])[0].text
    assert adapter_name(home / "blue") in served.models(fresh=True)
    found = served.meet(str(home / "red"))
    assert found.facts == {"template and tokenizer": "checked: the same token ids for 3 conversations", "context": 2048}
    identity = served.identity(str(home / "red"))
    assert identity["base_fingerprint"] == here.source.fingerprint
    assert identity["server"]["weights_sha256"] == here.source.fingerprint
    assert "url" not in identity["server"], "the same weights at another address are the same"
    assert served.identity() != identity


def test_a_chat_model_with_a_server_answers_as_without(tiny_base: str, home: Path, address: str) -> None:
    adapter = str(home / "red")
    here = DomainLLM(base=tiny_base, adapter=adapter, max_tokens=12)
    there = DomainLLM(base=tiny_base, adapter=adapter, max_tokens=12, server=address)
    assert there.invoke("Box 7?").text == here.invoke("Box 7?").text
    assert there.get_num_tokens("a box") == here.get_num_tokens("a box")
    assert there.meet_server()["context"] == 2048
    with pytest.raises(ConfigError, match="another engine"):
        DomainLLM(base=tiny_base, backend="echo", server=address)
    for url in ("http://user:secret-1@host:8000", "http://host/?key=secret-1", "host:8000"):
        with pytest.raises(ConfigError, match="DOMAINKIT_SERVER_KEY") as e:
            DomainLLM(base=tiny_base, server=url)
        assert "secret-1" not in str(e.value)


def refused(server: Scripted, base: str, adapter: Path | None = None) -> Any:
    [found] = ServedBase(base, url=server.url).complete(
        [Request(ASK, adapter=str(adapter) if adapter else None)], return_errors=True
    )
    assert not server.bodies(CHAT), "nothing was asked"
    return found


def test_a_server_that_reads_other_prompts_is_an_error_and_is_asked_nothing(tiny_base: str, home: Path) -> None:
    with scripted(vllm(tiny_base, shift=1)) as server:
        error = refused(server, tiny_base)
        assert isinstance(error, BaseModelError)
        assert "reads another prompt than the base here: for the turns user it has" in str(error)
        assert "--chat-template FILE" in str(error.next_step)
    with scripted({**vllm(tiny_base), "/v1/models": models(adapter_name(home / "red"), "the-base")}) as server:
        server.routes["/tokenize"] = lambda _: (400, {"error": {"message": "no system turns here"}})
        server.routes["/v1/models"]["data"][0]["parent"] = "the-base"
        error = refused(server, tiny_base, home / "red")
        assert isinstance(error, AdapterError)
        assert "than the adapter's training: for the turns user it refuses it: no system turns here" in str(error)


def test_what_a_server_does_not_offer_is_not_checked_and_said(tiny_base: str) -> None:
    routes = vllm(tiny_base)
    del routes["/tokenize"], routes["/version"]
    routes["/v1/models"] = models("the-base")
    with scripted(routes) as server:
        served = ServedBase(tiny_base, url=server.url)
        assert served.complete([Request(ASK)])[0].text == "hi"
        facts = served.meet().facts
        assert facts["template and tokenizer"] == "not checked: the server gives no token ids of a conversation"
        assert facts["context"] == "not checked: the server does not tell it"


def test_a_prompt_that_the_server_would_not_read_is_never_sent(tiny_base: str) -> None:
    routes = {**vllm(tiny_base), "/v1/models": models("the-base", max_model_len=40)}
    with scripted(routes) as server:
        served = ServedBase(tiny_base, url=server.url)
        long, short = Request(ASK, max_tokens=30), Request(ASK, max_tokens=4)
        error, good = served.complete([long, short], return_errors=True)
        assert isinstance(error, PromptTooLongError)
        assert "and its answer up to 30; the server reads at most 40" in str(error)
        assert good.text == "hi"
        assert len(server.bodies(CHAT)) == 1
        lengths = PromptLengths(tiny_base, url=server.url).complete([short])
        assert lengths[0].prompt_tokens == len(local_backend(tiny_base).prompt_ids(short))
        assert len(server.bodies(CHAT)) == 1


def test_the_base_is_found_among_a_server_s_models(tiny_base: str) -> None:
    two = {"data": [{"id": "a", "root": "/a"}, {"id": "b", "root": tiny_base}, {"id": "c", "parent": "b"}]}
    with scripted({**vllm(tiny_base), "/v1/models": two}) as server:
        ServedBase(tiny_base, url=server.url).complete([Request(ASK)])
        ServedBase(tiny_base, url=f"{server.url}#a").complete([Request(ASK)])
        assert [b["model"] for b in server.bodies(CHAT)] == ["b", "a"]
        with pytest.raises(ConfigError, match=r"the server has no model 'd'; it has a, b, c(.|\n)*#NAME with one of"):
            ServedBase(tiny_base, url=f"{server.url}#d").complete([Request(ASK)])
        two["data"][1]["root"] = "/b"
        with pytest.raises(ConfigError, match=r"has several models, and none is named(.|\n)*#NAME"):
            ServedBase(tiny_base, url=server.url).complete([Request(ASK)])
