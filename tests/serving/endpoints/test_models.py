"""/v1/models, and adapters that come and go."""

from __future__ import annotations

from pathlib import Path

from openai import OpenAI

from domainkit.export.vllm import adapter_name
from domainkit.serving.state import State
from tests.serving.running_server import http


def test_the_base_comes_first_and_adapters_name_their_weights(client: OpenAI, address: str, adapter_home: Path) -> None:
    lines = client.models.list().data
    assert [line.id for line in lines][:2] == ["tiny", adapter_name(adapter_home / "red")]
    assert lines[1].model_extra is not None
    assert lines[1].model_extra["parent"] == "tiny"
    assert client.models.retrieve("red").id == lines[1].id
    assert str(adapter_home) not in http.get(f"{address}/v1/models").text  # no path of the server's


def test_an_adapter_is_loaded_used_and_dropped(client: OpenAI, address: str, adapter_home: Path) -> None:
    body = {"lora_name": "b", "lora_path": "blue"}
    assert http.post(f"{address}/v1/load_lora_adapter", json=body).status_code == 200
    again = http.post(f"{address}/v1/load_lora_adapter", json=body)
    assert again.status_code == 400
    assert "already been loaded" in again.json()["error"]["message"]
    asked = {"messages": [{"role": "user", "content": "hm"}], "max_tokens": 12}
    texts = {n: client.post("/chat/completions", body={**asked, "model": n}, cast_to=object) for n in ("tiny", "b")}
    assert texts["tiny"]["choices"] != texts["b"]["choices"]  # type: ignore[index]
    assert http.post(f"{address}/v1/unload_lora_adapter", json={"lora_name": "b"}).status_code == 200
    gone = http.post(f"{address}/v1/chat/completions", json={**asked, "model": "b"})
    assert gone.status_code == 404
    assert http.post(f"{address}/v1/unload_lora_adapter", json={"lora_name": "tiny"}).status_code == 400


def test_only_folders_below_the_named_one_are_loaded(address: str, adapter_home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (adapter_home / "link").symlink_to(outside)
    (adapter_home / "empty").mkdir()
    for path in ("../outside", str(outside), "/etc", "link", "nowhere"):
        refused = http.post(f"{address}/v1/load_lora_adapter", json={"lora_name": "x", "lora_path": path})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_loadable"), path
        assert str(adapter_home) not in refused.text
    empty = http.post(f"{address}/v1/load_lora_adapter", json={"lora_name": "x", "lora_path": "empty"})
    assert empty.status_code == 400
    assert "cannot be served" in empty.json()["error"]["message"]


def test_without_a_folder_nothing_is_loaded(state: State) -> None:
    from domainkit.serving.models import Models

    models = Models(state.models.base)
    assert models.loadable is None
