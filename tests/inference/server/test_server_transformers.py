"""ServerBackend against `transformers serve`, a server we did not write: plain chat works, what it lacks is said.

Needs fastapi, uvicorn and openai, which `transformers serve` imports; skipped, saying so, where they are missing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.import_utils import is_serve_available

from domainkit import compare
from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server.backend import ServerBackend
from domainkit.messages import Message

pytestmark = pytest.mark.skipif(not is_serve_available(), reason="transformers serve needs fastapi, uvicorn and openai")

ASK = (Message("system", "Be brief."), Message("user", "Hello?"))


@pytest.fixture(scope="module")
def backend(tiny_base: str) -> Iterator[ServerBackend]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", tiny_base, "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--device", "cpu"],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            if httpx.get(f"{url}/health").is_success:
                break
        except httpx.HTTPError:
            assert process.poll() is None, "the server did not start"
        time.sleep(0.1)
    made = ServerBackend(tiny_base, url=url, max_retries=1)
    yield made
    made.close()
    process.terminate()
    process.wait(10)


def greedy(base: str, tokens: int) -> str:
    """What the base says by itself."""
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    turns = [{"role": m.role, "content": m.content} for m in ASK]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = AutoModelForCausalLM.from_pretrained(base).generate(**prompt, max_new_tokens=tokens, do_sample=False)
    return tokenizer.decode(out[0][prompt["input_ids"].shape[1] :], skip_special_tokens=True)


def test_its_answer_is_the_models_own_whole_and_streamed(backend: ServerBackend, tiny_base: str) -> None:
    request = Request(ASK, max_tokens=16)
    answer = backend.complete([request])[0]
    assert answer.text == greedy(tiny_base, 16)
    assert (answer.finish_reason, answer.completion_tokens) == ("length", 16)
    assert answer.prompt_tokens > 20
    pieces = list(backend.stream(request))
    assert "".join(p.text for p in pieces) == answer.text
    assert pieces[-1].completion is not None
    assert pieces[-1].completion.prompt_tokens == answer.prompt_tokens


def test_what_it_cannot_do_is_said_not_swallowed(backend: ServerBackend) -> None:
    with pytest.raises(RequestError, match=r"HTTP 422.*structured_outputs"):
        backend.complete([Request(ASK, choices=("a", "b"), max_tokens=4)])
    with pytest.raises(RequestError, match="the server ignored logprobs"):
        backend.complete([Request(ASK, logprobs=True, max_tokens=4)])
    with pytest.raises(RequestError, match="this server does not offer /tokenize"):
        backend.count_tokens(ASK)


def test_it_stands_in_a_ladder_as_a_hosted_model(backend: ServerBackend, tiny_base: str, tmp_path: Path) -> None:
    url = backend._root
    rows = [{"input": f"box {i}", "target": "ab"[i % 2]} for i in range(4)]
    made = compare(
        rows,
        ["zero-shot@t", "trivial"],
        tmp_path,
        train=rows[:2],
        models={"t": f"server:{url}#{tiny_base}"},
        kind="label",
        decoding="free",
        max_tokens=4,
        latency_items=0,
    )
    [hosted] = [v for v in made.variants if v.name == "zero-shot@t"]
    assert hosted.failures == 0
    assert hosted.usage.completion_tokens
    [facts] = [m for m in made.models if m.name == "t"]
    assert not facts.local
