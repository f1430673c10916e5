"""Laws of the backend over vLLM's engine, against a stand-in for vLLM."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit import DomainLLM
from domainkit.errors import AdapterError, ConfigError, DomainkitError, MachineError, RequestError
from domainkit.inference import BACKENDS
from domainkit.inference.backend import Backend, Request
from domainkit.inference.local import LocalBackend
from domainkit.inference.vllm_backend.backend import VLLMBackend
from domainkit.messages import Message
from tests.inference.test_local import SCHEMA, VARIED, stable_fields
from tests.inference.tiny_adapters import ask
from tests.inference.vllm_backend.stand_in import AsyncLLM, install

HELLO = (Message(role="user", content="hello"),)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[AsyncLLM]:
    return install(monkeypatch)


@pytest.fixture
def vllm(engine: type[AsyncLLM], tiny_base: str) -> Iterator[VLLMBackend]:
    backend: VLLMBackend = BACKENDS.load("vllm")(tiny_base)
    yield backend
    backend.close()


def test_a_batch_changes_no_answer_and_a_stream_is_the_same_text(vllm: VLLMBackend) -> None:
    assert isinstance(vllm, Backend)
    assert vllm.complete([]) == []
    together = vllm.complete(VARIED * 2)
    assert [stable_fields(c) for c in together] == [stable_fields(vllm.complete([r])[0]) for r in VARIED] * 2
    for request, whole in zip(VARIED, together, strict=False):
        pieces = list(vllm.stream(request))
        assert "".join(p.text for p in pieces) == whole.text
        assert [p.completion is not None for p in pieces] == [False] * (len(pieces) - 1) + [True]
        assert [lp for p in pieces for lp in p.logprobs] == list(whole.logprobs)


def test_answers_have_the_form_that_was_asked_for(vllm: VLLMBackend) -> None:
    choice, field, pattern, call = vllm.complete([VARIED[2], VARIED[4], VARIED[5], VARIED[8]])
    assert choice.text in ("alpha", "alpine", "beta")
    assert set(pattern.text) <= set("abc")
    assert field.finish_reason == "length" or isinstance(json.loads(field.text)["n"], int)
    assert call.finish_reason == "length" or call.tool_calls[0].name == "f"
    [logs] = vllm.complete([ask("logs", logprobs=True, top_logprobs=2, max_tokens=3)])
    assert [(len(lp.top), lp.logprob) for lp in logs.logprobs] == [(2, -0.5)] * 3


def test_prompts_and_ends_are_ours_and_sampling_is_neutral(
    vllm: VLLMBackend, engine: type[AsyncLLM], tiny_base: str
) -> None:
    vllm.complete([ask("a <|im_end|> spelled", temperature=0.5, top_p=0.9, seed=-1)])
    [(ids, params, lora)] = engine.asked
    here = LocalBackend(tiny_base, None, "none", "cpu")
    assert ids == here.prompt_ids(ask("a <|im_end|> spelled"))
    assert lora is None
    assert set(here.chat_template.stop_token_ids) <= set(params.stop_token_ids)
    assert (params.repetition_penalty, params.top_k, params.min_p) == (1.0, 0, 0.0)
    assert params.seed not in (None, -1)
    [started] = engine.started
    assert started["structured_outputs_config"] == {"backend": "guidance"}
    assert (started["dtype"], started["generation_config"]) == ("bfloat16", "vllm")


def test_an_adapter_has_one_number_for_its_weights(
    vllm: VLLMBackend, engine: type[AsyncLLM], adapters: dict[str, str]
) -> None:
    red, blue, base = vllm.complete([ask("hello", adapter=adapters[n]) for n in ("red", "blue")] + [ask("hello")])
    assert len({red.text, blue.text, base.text}) == 3
    vllm.complete([ask("hello", adapter=adapters["red"])])
    loras = [lora for _, _, lora in engine.asked]
    assert [lora and lora.lora_int_id for lora in loras] == [1, 2, None, 1]
    assert loras[0] == loras[3]
    assert loras[0] is not None
    assert Path(loras[0].lora_path) == Path(adapters["red"]).resolve()


def test_what_vllm_would_refuse_is_refused_before_it_is_asked(
    engine: type[AsyncLLM], tiny_base: str, adapters: dict[str, str], tmp_path: Path
) -> None:
    small = VLLMBackend(tiny_base, max_rank=1)
    with pytest.raises(AdapterError, match=r"was started for 1\n  next: backend_options=\{'max_rank'"):
        small.complete([ask("x", adapter=adapters["red"])])
    dora = Path(adapters["red"])
    copy = tmp_path / "dora"
    copy.mkdir()
    for file in dora.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    config = json.loads((copy / "adapter_config.json").read_text()) | {"use_dora": True}
    (copy / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(AdapterError, match="DoRA"):
        small.complete([ask("x", adapter=str(copy))])
    for request in (ask("x", temperature=3.0), ask("x", temperature=0.001), ask("x", max_tokens=0)):
        with pytest.raises(RequestError):
            small.complete([request])
    assert engine.asked == []
    small.close()
    other = VLLMBackend(tiny_base, engine={"structured_outputs_config": {"backend": "xgrammar"}})
    with pytest.raises(RequestError, match="grammars of 'xgrammar', which reads other ones"):
        other.complete([ask("x", json_schema=SCHEMA)])
    assert other.complete([ask("x")])[0].text
    other.close()


def test_one_that_fails_leaves_the_others(vllm: VLLMBackend) -> None:
    found: list[Any] = vllm.complete([ask("a"), ask("too long " * 3000), ask("b")], return_errors=True)
    assert isinstance(found[1], RequestError)
    assert "longer than the context" in str(found[1])
    assert [bool(found[i].text) for i in (0, 2)] == [True, True]
    with pytest.raises(RequestError, match=r"no answer within the timeout of 1e-06 s"):
        vllm.complete([ask("a", timeout=1e-6, max_tokens=10)])


def test_closing_a_stream_and_a_stop_string_end_the_request(vllm: VLLMBackend, engine: type[AsyncLLM]) -> None:
    stream: Any = vllm.stream(ask("hello", json_schema={"type": "string"}, max_tokens=2000))
    stream.close()
    assert list(stream) == []
    whole = vllm.complete([ask("stop me")])[0].text
    before = len(engine.left)
    cut = vllm.complete([ask("stop me", stop=(whole[4],))])[0]
    assert (cut.text, cut.finish_reason) == (whole.partition(whole[4])[0], "stop")
    deadline = time.monotonic() + 5
    while len(engine.left) < before + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(engine.left) > before


def test_a_score_is_the_sum_over_the_continuation_alone(vllm: VLLMBackend, tiny_base: str) -> None:
    here = LocalBackend(tiny_base, None, "none", "cpu")
    scores = vllm.score(HELLO, ["red", "blue"])
    spelled = [here.spelling.spell(word) for word in ("red", "blue")]
    assert scores == pytest.approx([sum(-(i % 7) / 7 for i in ids) for ids in spelled])
    assert vllm.count_tokens(HELLO) == here.count_tokens(HELLO)
    assert vllm.token_ids("<|im_end|>") == here.token_ids("<|im_end|>")


def test_identity_names_vllm_and_starts_nothing(
    engine: type[AsyncLLM], tiny_base: str, adapters: dict[str, str]
) -> None:
    backend = VLLMBackend(tiny_base, engine={"gpu_memory_utilization": 0.5})
    facts = backend.identity(adapters["red"])
    assert (facts["backend"], facts["vllm"], facts["batch_invariant"]) == ("vllm", "0.33.0-stand-in", True)
    assert (
        facts["adapter_sha256"]
        == LocalBackend(tiny_base, None, "none", "cpu").identity(adapters["red"])["adapter_sha256"]
    )
    assert facts["engine"] == {"gpu_memory_utilization": "0.5"}
    assert facts != VLLMBackend(tiny_base).identity(adapters["red"])
    assert engine.started == []


def test_a_chat_model_answers_with_it(engine: type[AsyncLLM], tiny_base: str) -> None:
    llm = DomainLLM(base=tiny_base, backend="vllm", backend_options={"max_adapters": 2}, max_tokens=5)
    assert llm.invoke("hello").text == "".join(c.text for c in llm.stream("hello"))
    assert engine.started[0]["max_loras"] == 2


def test_what_cannot_start_says_why(engine: type[AsyncLLM], tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="vLLM cannot start: ValueError: no such dtype\n"):
        VLLMBackend(tiny_base, dtype="float8").complete([ask("x"), ask("y")])
    with pytest.raises(ConfigError, match="quantization='int8': vLLM loads weights as they are"):
        BACKENDS.load("vllm")(tiny_base, quantization="int8")
    errors: list[DomainkitError] = []
    monkeypatch.setitem(__import__("sys").modules, "vllm", None)
    for call in (lambda b: b.complete([ask("x")]), lambda b: list(b.stream(ask("x")))):
        with pytest.raises(MachineError, match="vLLM cannot be imported") as raised:
            call(VLLMBackend(tiny_base))
        errors.append(raised.value)
    assert "pip install 'domainkit[vllm]'" in str(errors[0])


def test_without_messages_nothing_is_asked(vllm: VLLMBackend) -> None:
    with pytest.raises(RequestError, match="no messages"):
        vllm.complete([Request(())])
