"""ServerBackend against real server processes on loopback."""

from __future__ import annotations

import json
import math
import os
import shlex
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domainkit.adapters.folder import Adapter
from domainkit.errors import AdapterError, ConfigError, MachineError, RequestError
from domainkit.export.vllm import adapter_name, serve_command
from domainkit.inference import BACKENDS
from domainkit.inference.backend import Backend, Request
from domainkit.inference.server.backend import ServerBackend
from domainkit.inference.server.wire import ServerAnswer, request_body
from domainkit.messages import Message, ToolCall

KEY = "s3cret-key"
ROOT = Path(__file__).resolve().parents[3]
ASK = (Message("user", "Hello?"),)
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
    },
}


def lora_folder(folder: Path, base: str, seed: int, *, rank: int = 4, **config: Any) -> Path:
    """A PEFT adapter with random, not zero, weights: it changes what the base says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    settings = LoraConfig(
        r=rank, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM", **config
    )
    with warnings.catch_warnings():  # peft still reads a name that transformers has renamed
        warnings.simplefilter("ignore", FutureWarning)
        get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters in folders of the same name."""
    made = tmp_path_factory.mktemp("adapters")
    return [lora_folder(made / str(seed) / "legal", tiny_base, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def address(tiny_base: str, adapters: list[Path]) -> Iterator[str]:
    """A served tiny base with the first adapter; the second is there to be loaded."""
    named = f"{adapter_name(adapters[0])}={adapters[0]}"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("openai_server.py")), tiny_base, named],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()
        process.wait(10)


@pytest.fixture
def backend(address: str, tiny_base: str) -> Iterator[ServerBackend]:
    made = ServerBackend(tiny_base, url=address, api_key=KEY)
    yield made
    made.close()


def fault(address: str, *faults: dict[str, Any]) -> None:
    httpx.post(f"{address}/_faults", json=list(faults))


def test_it_is_a_backend_of_the_table(backend: ServerBackend) -> None:
    assert BACKENDS.load("server") is ServerBackend
    assert isinstance(backend, Backend)


def test_answers_come_in_order_with_usage_and_the_same_again(backend: ServerBackend) -> None:
    requests = [Request((Message("user", f"Number {i}"),), max_tokens=4 + i) for i in range(6)]
    answers = backend.complete(requests)
    assert [a.completion_tokens for a in answers] == [4, 5, 6, 7, 8, 9]
    assert all(a.finish_reason == "length" and a.prompt_tokens > 10 for a in answers)
    assert [a.text for a in backend.complete(requests[3:4])] == [answers[3].text]
    assert backend.complete([]) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stop": ("L", "6", "e")},
        {"logprobs": True},
        {"json_schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}},
        {"tools": (ADD,), "tool_choice": "any", "max_tokens": 120},
        {"temperature": 1.0, "seed": 7},
    ],
)
def test_the_stream_adds_up_to_the_completion(backend: ServerBackend, fields: dict[str, Any]) -> None:
    request = Request(ASK, **{"max_tokens": 24, **fields})
    whole = backend.complete([request])[0]
    pieces = list(backend.stream(request))
    assert "".join(p.text for p in pieces) == whole.text
    assert [p.completion is None for p in pieces[:-1]] == [True] * (len(pieces) - 1)
    last = pieces[-1].completion
    assert last is not None
    assert (last.text, last.finish_reason) == (whole.text, whole.finish_reason)
    assert (last.prompt_tokens, last.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)
    assert [c.arguments for c in last.tool_calls] == [c.arguments for c in whole.tool_calls]
    assert last.logprobs == pytest.approx(whole.logprobs)
    assert bool(whole.logprobs) is bool(fields.get("logprobs"))


def test_constraints_reach_the_server(backend: ServerBackend) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    chosen, dated, object_ = backend.complete(
        [
            Request(ASK, choices=("yes", "no")),
            Request(ASK, regex="\\d{4}-\\d{2}"),
            Request(ASK, json_schema=schema),
        ]
    )
    assert chosen.text in ("yes", "no")
    assert [len(part) for part in dated.text.split("-")] == [4, 2]
    assert json.loads(object_.text)["n"] in (1, 2)


def test_forced_calls_come_back_as_calls(backend: ServerBackend) -> None:
    for choice in ("any", "add"):
        answer = backend.complete([Request(ASK, tools=(ADD,), tool_choice=choice)])[0]
        assert answer.finish_reason == "tool_calls"
        assert answer.text == ""
        assert [c.name for c in answer.tool_calls] == ["add"]
        assert isinstance(answer.tool_calls[0].arguments["a"], bool)
        assert answer.tool_calls[0].id


def test_closing_a_stream_gives_the_connection_back(address: str, tiny_base: str) -> None:
    backend = ServerBackend(tiny_base, url=address, api_key=KEY, connections=1)
    for _ in range(3):
        stream = backend.stream(Request(ASK, max_tokens=200))
        assert next(stream).completion is None
        stream.close()
    assert backend.complete([Request(ASK, max_tokens=2)])[0].completion_tokens == 2


def test_adapters_are_told_apart_named_by_hash_and_loaded_when_missing(
    backend: ServerBackend, adapters: list[Path]
) -> None:
    asked = [Request(ASK, adapter=a, max_tokens=12) for a in (None, str(adapters[0]), str(adapters[1]))]
    texts = [a.text for a in backend.complete(asked)]
    assert len(set(texts)) == 3
    names = [adapter_name(a) for a in adapters]
    assert names[0].startswith("legal-")
    assert names[0] != names[1]
    assert set(names) <= set(backend.models())
    by_name = backend.complete([Request(ASK, adapter=names[1], max_tokens=12)])[0].text
    assert by_name == texts[2]
    assert backend.load_adapter(adapters[1]) == names[1], "loading again is no error"
    assert backend.identity(str(adapters[0]))["adapter"] == names[0]
    assert backend.identity(str(adapters[0])) != backend.identity(str(adapters[1])) != backend.identity()


def test_an_unknown_adapter_answers_with_the_near_one(backend: ServerBackend, adapters: list[Path]) -> None:
    name = adapter_name(adapters[0])
    with pytest.raises(RequestError, match=rf"has no adapter '{name}x'(.|\n)*did you mean '{name}'"):
        backend.complete([Request(ASK, adapter=f"{name}x")])


def test_scores_are_the_servers_own_logprobs(backend: ServerBackend) -> None:
    answer = backend.complete([Request(ASK, max_tokens=1, logprobs=True, regex="[a-z]")])[0]
    scores = backend.score(ASK, [answer.text, "zz", ""])
    assert scores[0] == pytest.approx(answer.logprobs[0].logprob, abs=1e-4)
    assert scores[1] < 0
    assert scores[2] == 0
    assert math.isfinite(sum(scores))


def test_tokens_are_counted_by_the_server(backend: ServerBackend) -> None:
    count = backend.count_tokens(ASK)
    assert count == backend.complete([Request(ASK, max_tokens=1)])[0].prompt_tokens
    assert len(backend.token_ids("abc")) == 3


# --- failures -----------------------------------------------------------------


def test_passing_failures_are_repeated_and_waited_for(address: str, backend: ServerBackend) -> None:
    fault(address, {"status": 503}, {"status": 429, "after": 0.2})
    begin = time.monotonic()
    assert backend.complete([Request(ASK, max_tokens=2)])[0].completion_tokens == 2
    assert time.monotonic() - begin > 0.3
    fault(address, {"status": 500})
    assert list(backend.stream(Request(ASK, max_tokens=2)))[-1].completion is not None


def test_a_server_that_goes_on_failing_is_named_and_the_key_is_not(address: str, tiny_base: str) -> None:
    backend = ServerBackend(tiny_base, url=address, api_key=KEY, max_retries=1)
    fault(address, {"status": 503}, {"status": 503})
    with pytest.raises(MachineError) as e:
        backend.complete([Request(ASK)])
    assert "failed 2 times (HTTP 503): fault for Bearer ***" in str(e.value)
    assert address in str(e.value)
    assert KEY not in f"{e.value}{backend!r}{vars(backend)}"


def test_a_refused_request_is_not_repeated_and_others_go_on(address: str, backend: ServerBackend) -> None:
    fault(address, {"status": 400})
    good, bad = Request(ASK, max_tokens=2), Request(ASK, adapter="nobody")
    answers = backend.complete([bad, good], return_errors=True)
    assert isinstance(answers[0], RequestError)
    with pytest.raises(RequestError, match="has no adapter 'nobody'"):
        backend.complete([good, bad])
    fault(address, {"status": 400})
    with pytest.raises(RequestError, match=r"refuses the request \(HTTP 400\)"):
        backend.complete([good])


def test_a_wrong_key_says_where_to_set_it(address: str, tiny_base: str) -> None:
    with pytest.raises(MachineError) as e:
        ServerBackend(tiny_base, url=address, api_key="wrong-key").complete([Request(ASK)])
    assert "refuses the key (HTTP 401)" in str(e.value)
    assert "DOMAINKIT_SERVER_KEY" in str(e.value)
    assert "wrong-key" not in str(e.value)


def test_no_server_says_how_to_start_one() -> None:
    backend = ServerBackend("base", url="http://user:pass@127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(MachineError) as e:
        backend.complete([Request(ASK)])
    assert "no answer from the server" in str(e.value)
    assert "serve_command() prints the command" in str(e.value)
    assert str(e.value).startswith("http://127.0.0.1:9: ")
    assert "pass@" not in str(e.value)


def test_a_late_answer_is_one_requests_error(address: str, backend: ServerBackend) -> None:
    fault(address, {"sleep": 1.0})
    begin = time.monotonic()
    with pytest.raises(RequestError, match=r"no whole answer within 0\.3 s"):
        backend.complete([Request(ASK, timeout=0.3)])
    assert time.monotonic() - begin < 0.9, "and it is not asked again"


def test_a_stream_cut_off_is_an_error_not_an_answer(address: str, backend: ServerBackend) -> None:
    fault(address, {"cut": 3})
    pieces = []
    with pytest.raises(RequestError, match="the answer broke off"):
        for piece in backend.stream(Request(ASK, max_tokens=8)):
            pieces.append(piece)
    assert pieces
    assert all(p.completion is None for p in pieces)


@pytest.mark.parametrize(
    "fields, message, said",
    [
        ({"choices": ("yes", "no")}, {"content": "Sure, yes!"}, "ignored the choices: it answered 'Sure, yes!'"),
        ({"json_schema": {"type": "object"}}, {"content": "Sure!"}, "ignored the JSON schema: it answered 'Sure!'"),
        ({"tools": (ADD,), "tool_choice": "any"}, {"content": "Sure!"}, "ignored tool_choice 'any'"),
        ({"logprobs": True}, {"content": "Sure!"}, "ignored logprobs"),
    ],
)
def test_a_server_that_ignores_the_demand_is_found_out(
    address: str, backend: ServerBackend, fields: dict[str, Any], message: dict[str, Any], said: str
) -> None:
    reply = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"completion_tokens": 3}}
    fault(address, {"reply": reply})
    with pytest.raises(RequestError) as e:
        backend.complete([Request(ASK, **fields)])
    assert said in str(e.value)
    assert "vLLM" in str(e.value.next_step)


def test_something_that_is_no_such_server_is_said_to_be_none(address: str, backend: ServerBackend) -> None:
    fault(address, {"reply": {"choices": ["?"]}})
    with pytest.raises(RequestError, match="is not in OpenAI's chat format"):
        backend.complete([Request(ASK)])


# --- the wire -----------------------------------------------------------------


def test_a_conversation_with_tools_is_written_as_openai_does() -> None:
    call = ToolCall("c1", "add", {"a": True})
    messages = (*ASK, Message("assistant", "", (call,)), Message("tool", "2", tool_call_id="c1", name="add"))
    body = request_body(Request(messages, tools=(ADD["function"],), tool_choice="add", json_schema={}), "m")
    assert body["tools"] == [ADD]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert "response_format" not in body, "a forced call leaves no room for another grammar"
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": true}'}
    assert body["messages"][2] == {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "add"}


def test_streamed_calls_are_put_together_and_broken_ones_kept() -> None:
    answer = ServerAnswer(Request(ASK, tools=(ADD,)))
    for index, function in [(0, {"name": "add", "arguments": ""}), (1, {"name": "sub", "arguments": "{}"}),
                            (0, {"arguments": '{"a": '}), (0, {"arguments": "true}"}), (2, {"name": "add", "arguments": "{"})]:  # fmt: skip
        answer.add(
            {"choices": [{"delta": {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}}]}
        )
    answer.add({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    completion = answer.completion(0.5)
    assert completion.tool_calls == (ToolCall("c0", "add", {"a": True}),)
    assert completion.invalid_tool_calls[0].reason == "no tool is named 'sub'"
    assert completion.invalid_tool_calls[1].reason.startswith("not JSON (")
    assert completion.decode_seconds == 0.5


def test_an_error_in_the_stream_and_an_odd_end_are_errors() -> None:
    with pytest.raises(RequestError, match="broke the answer off: out of memory"):
        ServerAnswer(Request(ASK)).add({"error": {"message": "out of memory"}})
    with pytest.raises(RequestError, match="finish_reason None"):
        ServerAnswer(Request(ASK)).completion(0)


# --- the vLLM command ---------------------------------------------------------


def test_the_command_names_adapters_as_the_backend_asks_for_them(
    adapters: list[Path], tiny_base: str, tmp_path: Path
) -> None:
    wide = lora_folder(tmp_path / "wide one", tiny_base, 3, rank=24)
    words = shlex.split(serve_command(tiny_base, [adapters[0], wide], quantization="nf4", port=9000))
    assert words[:5] == ["vllm", "serve", tiny_base, "--port", "9000"]
    assert words[words.index("--quantization") + 1] == "bitsandbytes"
    assert words[words.index("--max-lora-rank") + 1] == "32"
    assert words[words.index("--max-loras") + 1] == "2"
    start = words.index("--lora-modules")
    assert words[start + 1 : start + 3] == [f"{adapter_name(a)}={a.resolve()}" for a in (adapters[0], wide)]
    assert Adapter.load(wide, need_card=False).weights_sha256.startswith(adapter_name(wide).rsplit("-", 1)[1])
    assert "--enable-lora" not in serve_command(tiny_base, [])
    assert "--quantization" not in serve_command(tiny_base, [])


def test_what_vllm_cannot_serve_is_refused_with_the_way_out(
    tiny_base: str, adapters: list[Path], tmp_path: Path
) -> None:
    dora = lora_folder(tmp_path / "dora", tiny_base, 4, use_dora=True)
    with pytest.raises(AdapterError, match=r"is DoRA, which vLLM does not serve(.|\n)*merge it into its base"):
        serve_command(tiny_base, [dora])
    with pytest.raises(ConfigError, match="the adapters name no base"):
        serve_command(None, adapters)
    with pytest.raises(ConfigError, match="vLLM does not serve builtin:smollm2-135m"):
        serve_command("builtin:smollm2-135m", adapters)
