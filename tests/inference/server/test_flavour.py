"""Each server is told apart, asked in its own form, and named by what it tells of its weights."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.errors import MachineError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server.backend import ServerBackend
from domainkit.messages import Message
from tests.inference.server.scripted_server import answer, models, scripted

ASK = (Message("user", "Hello?"),)
CHAT = "/v1/chat/completions"
NEUTRAL = {"repetition_penalty": 1, "top_k": -1, "min_p": 0}
SGLANG = {"/server_info": {"model_path": "some/base", "version": "0.5.23", "admin_api_key": "secret", "port": 30000}}


@pytest.mark.parametrize(
    "own, title, neutral",
    [
        ({"/version": {"version": "0.33.0"}}, "vLLM 0.33.0", NEUTRAL),
        ({"/version": {"version": "domainkit 1.0"}}, "domainkit 1.0", NEUTRAL),
        (SGLANG, "SGLang 0.5.23", NEUTRAL),
        ({"/api/version": {"version": "0.33.0"}}, "Ollama 0.33.0", {}),
        ({}, "a server of unknown make", {}),
    ],
)
def test_what_a_server_is_and_the_neutral_fields_that_it_knows(
    own: dict[str, Any], title: str, neutral: dict[str, Any]
) -> None:
    with scripted({**own, "/v1/models": models("base"), CHAT: answer()}) as server:
        backend = ServerBackend("base", url=server.url)
        assert [a.text for a in backend.complete([Request(ASK)] * 3)] == ["hi"] * 3
        assert backend.flavour().title == title
        for body in server.bodies(CHAT):
            assert {name: body[name] for name in NEUTRAL if name in body} == neutral
        assert [path for path, _ in server.asked].count("/lora-adapters") == 1
        identity = backend.identity()
        assert identity["engine"] == title
        assert "secret" not in str(identity)
        assert "30000" not in str({k: v for k, v in identity.items() if k != "url"})


def test_the_identity_changes_with_the_weights_behind_an_address() -> None:
    routes: dict[str, Any] = {
        "/version": {"version": "0.33.0"},
        "/v1/models": models("base", root="/a", max_model_len=9),
    }
    with scripted(routes) as server:
        backend = ServerBackend("base", url=server.url)
        first = backend.identity()
        assert (first["root"], first["max_model_len"]) == ("/a", 9)
        server.routes["/v1/models"] = models("base", root="/b", max_model_len=9)
        assert backend.identity() != first


def test_a_server_that_fails_is_not_taken_for_an_unknown_one() -> None:
    with scripted({"/version": lambda _: (503, {"error": "loading"}), CHAT: answer()}) as server:
        backend = ServerBackend("base", url=server.url, max_retries=0)
        with pytest.raises(MachineError, match="HTTP 503"):
            backend.complete([Request(ASK)])
        server.routes["/version"] = {"version": "0.33.0"}
        assert backend.complete([Request(ASK)])[0].text == "hi"
        assert backend.flavour().engine == "vLLM"


def test_reasoning_without_an_answer_is_an_error_and_a_cut_one_is_not() -> None:
    for name in ("reasoning", "reasoning_content"):
        words = r"gave reasoning and no answer: 'Paris'(.|\n)*--reasoning-parser"
        with scripted({CHAT: answer(None, **{name: "Paris"})}) as server, pytest.raises(RequestError, match=words):
            ServerBackend("base", url=server.url).complete([Request(ASK)])
    cut = answer(None, reasoning="Well, ")
    cut["choices"][0]["finish_reason"] = "length"
    with scripted({CHAT: cut}) as server:
        found = ServerBackend("base", url=server.url).complete([Request(ASK)])[0]
        assert (found.text, found.reasoning, found.finish_reason) == ("", "Well, ", "length")


def test_a_choice_and_an_adapter_in_sglang_s_form() -> None:
    with scripted({**SGLANG, "/v1/models": models("base", "legal-1"), CHAT: answer("a (b)")}) as server:
        backend = ServerBackend("base", url=server.url)
        backend.complete([Request(ASK, adapter="legal-1", choices=("a (b)", "c.d"))])
        backend.complete([Request(ASK, choices=("a (b)",))])
        adapted, plain = server.bodies(CHAT)
        assert (adapted["model"], plain["model"]) == ("base:legal-1", "base")
        assert adapted["regex"] == r"(a \(b\)|c\.d)"
        assert "structured_outputs" not in adapted
