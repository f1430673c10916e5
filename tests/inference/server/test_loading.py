"""An adapter that a server does not load is an error with the server's reason, after one request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import AdapterError, RequestError
from domainkit.export.vllm import adapter_name
from domainkit.inference.backend import Request
from domainkit.inference.server.backend import ServerBackend
from domainkit.messages import Message
from tests.inference.server.conftest import lora_folder
from tests.inference.server.scripted_server import models, scripted

ASK = (Message("user", "Hello?"),)
VLLM = {"/version": {"version": "0.33.0"}, "/v1/models": models("base")}
SGLANG = {"/server_info": {"model_path": "some/base", "version": "0.5.23"}, "/v1/models": models("base")}
LOAD = {"vLLM": "/v1/load_lora_adapter", "SGLang": "/load_lora_adapter"}


@pytest.fixture(scope="module")
def folder(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lora_folder(tmp_path_factory.mktemp("loading") / "legal", tiny_base, 1)


def changed(folder: Path, **config: Any) -> Path:
    values = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**values, **config}))
    return folder


@pytest.mark.parametrize(
    "engine, reply, step",
    [
        ("vLLM", (500, {"error": {"message": "rank 64 is greater than max_lora_rank 16"}}), "VLLM_ALLOW_RUNTIME"),
        ("vLLM", (404, {"detail": "Not Found"}), "--lora-modules legal-"),
        ("vLLM", (403, {"error": {"message": "not here"}}), "at this path"),
        ("SGLang", (400, {"success": False, "error_message": "no such module"}), "--lora-paths legal-"),
        ("SGLang", (200, {"success": False, "error_message": "no such module"}), "--enable-lora"),
    ],
)
def test_a_refusal_is_asked_once_and_names_reason_and_step(
    folder: Path, engine: str, reply: tuple[int, Any], step: str
) -> None:
    with scripted({**(VLLM if engine == "vLLM" else SGLANG), LOAD[engine]: lambda _: reply}) as server:
        with pytest.raises(AdapterError, match="does not load this adapter") as e:
            ServerBackend("base", url=server.url).complete([Request(ASK, adapter=str(folder))])
        assert len(server.bodies(LOAD[engine])) == 1
        assert step in str(e.value.next_step)
        assert any(words in str(e.value) for words in ("max_lora_rank 16", "Not Found", "not here", "no such module"))


def test_what_is_loaded_already_is_no_error(folder: Path) -> None:
    reply = (400, {"error": {"message": "The lora adapter 'legal' has already been loaded."}})
    with scripted({**VLLM, LOAD["vLLM"]: lambda _: reply}) as server:
        assert ServerBackend("base", url=server.url).load_adapter(folder) == adapter_name(folder)
        assert server.bodies(LOAD["vLLM"])[0]["lora_path"] == str(folder.resolve())


@pytest.mark.parametrize(
    "engine, config, reason",
    [
        ("vLLM", {"bias": "all"}, "trained the layers' biases too"),
        ("vLLM", {"lora_bias": True}, "uses lora_bias"),
        ("vLLM", {"trainable_token_indices": [1]}, "uses trainable_token_indices"),
        ("vLLM", {"init_lora_weights": "olora"}, "changes the base's weights"),
        ("vLLM", {"modules_to_save": ["lm_head"]}, "holds whole modules"),
        ("SGLang", {"use_rslora": True}, "is rsLoRA, which SGLang scales as plain LoRA"),
        ("SGLang", {"rank_pattern": {"q_proj": 4}}, "has rank_pattern, which SGLang does not read"),
        ("SGLang", {"use_dora": True}, "is DoRA, which SGLang does not serve"),
    ],
)
def test_a_form_that_the_server_computes_otherwise_is_never_sent(
    tiny_base: str, folder: Path, tmp_path: Path, engine: str, config: dict[str, Any], reason: str
) -> None:
    import shutil

    other = changed(Path(shutil.copytree(folder, tmp_path / "other")), **config)
    with scripted(VLLM if engine == "vLLM" else SGLANG) as server:
        with pytest.raises(AdapterError, match=reason):
            ServerBackend("base", url=server.url).load_adapter(other)
        assert not server.bodies(LOAD[engine])


def test_llama_server_says_how_the_adapter_comes_to_it(folder: Path) -> None:
    with scripted({"/lora-adapters": []}) as server, pytest.raises(RequestError) as e:
        ServerBackend("base", url=server.url).load_adapter(folder)
    assert f"domainkit export {folder} --to gguf --out legal.gguf" in str(e.value)
