from __future__ import annotations

from domainkit.inference.backend import Request
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message
from tests.serving.running_server import http


def test_tokens_of_texts_and_conversations_are_the_models_own(address: str, backend: LocalBackend) -> None:
    def ids(**body: object) -> list[int]:
        found = http.post(f"{address}/tokenize", json=body).json()
        assert found["count"] == len(found["tokens"])
        return list(found["tokens"])

    turns = [{"role": "user", "content": "hm"}]
    prompt = backend.prompt_ids(Request((Message("user", "hm"),)))
    assert ids(messages=turns) == ids(model="red", messages=turns) == prompt
    opened = ids(messages=turns, add_generation_prompt=False)
    assert prompt[: len(opened)] == opened != prompt
    assert ids(prompt="a<|end|>", add_special_tokens=False) == backend.token_ids("a<|end|>")
    for body in ({}, {"prompt": "a", "messages": turns}):
        assert http.post(f"{address}/tokenize", json=body).json()["error"]["param"] == "prompt"
