"""Every kind of adapter answers as PEFT alone would; the base stays itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from domainkit.errors import AdapterError
from domainkit.inference.backend import Completion
from domainkit.inference.engine.sequences.detokenizer import Detokenizer
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask, save_adapter

KINDS = [None, "red", "blue", "dora", "head", "ia3"]


def peft_alone(base: str, folder: str | None, prompt: list[int], tokenizer: object) -> str:
    from peft import PeftModel

    from domainkit.adapters.methods import peft_warnings_muted
    from domainkit.models.load import load_base

    loaded = load_base(base, purpose="infer")
    with peft_warnings_muted():
        model = PeftModel.from_pretrained(loaded.model, folder).eval() if folder else loaded.model
    ids = torch.tensor([prompt])
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=16, do_sample=False)
    text = Detokenizer(tokenizer)
    for token in out[0, len(prompt) :].tolist():
        text.push(token)
    text.finish()
    return text.text


def test_mixed_adapters_answer_as_each_alone(backend: LocalBackend, tiny_base: str, adapters: dict[str, str]) -> None:
    requests = [ask(f"question {i}", adapter=adapters.get(KINDS[i % len(KINDS)] or "")) for i in range(18)]
    answers = backend.complete(requests)
    assert len({a.text for a in answers[: len(KINDS)]}) == len(KINDS), "each kind must answer differently"
    for request, answer in list(zip(requests, answers, strict=True))[-len(KINDS) :]:
        prompt = backend.prompt_ids(request)
        assert answer.text == peft_alone(tiny_base, request.adapter, prompt, backend.tokenizer)


def test_lora_rows_and_base_rows_share_passes(backend: LocalBackend, adapters: dict[str, str]) -> None:
    requests = [
        ask(f"go {i}", adapter=[None, adapters["red"], adapters["blue"]][i % 3], max_tokens=12) for i in range(12)
    ]
    backend.complete(requests[:3])
    before = backend.engine().executor.n_passes
    backend.complete(requests)
    assert backend.engine().executor.n_passes - before < 30


def test_one_bad_adapter_fails_its_own_request_only(
    backend: LocalBackend, adapters: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(adapters["red"], broken)
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    requests = [
        ask("a"),
        ask("b", adapter=str(broken)),
        ask("c", adapter=str(tmp_path / "none")),
        ask("d", adapter=adapters["red"]),
    ]
    results: list = backend.complete(requests, return_errors=True)
    assert [type(r) for r in results] == [Completion, AdapterError, AdapterError, Completion]
    assert "adapter_model.safetensors is damaged" in str(results[1])
    assert "no such adapter folder" in str(results[2])
    with pytest.raises(AdapterError, match="damaged"):
        backend.complete(requests)


def test_an_adapter_of_another_shape_is_refused_and_leaves_no_trace(
    backend: LocalBackend, tiny_base: str, adapters: dict[str, str], tmp_path: Path
) -> None:
    from peft import LoraConfig
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(tiny_base)
    config.hidden_size, config.head_dim = 32, 8
    LlamaForCausalLM(config).save_pretrained(tmp_path / "other")
    wrong = save_adapter(
        str(tmp_path / "other"),
        tmp_path / "wrong",
        0,
        LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM"),
    )
    before = backend.complete([ask("x"), ask("x", adapter=adapters["red"])])
    with pytest.raises(AdapterError, match="does not fit"):
        backend.complete([ask("x", adapter=wrong)])
    after = backend.complete([ask("x"), ask("x", adapter=adapters["red"])])
    assert [a.text for a in before] == [a.text for a in after]


def test_a_retrained_folder_is_read_again(backend: LocalBackend, adapters: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(adapters["red"], folder)
    first = backend.complete([ask("x", adapter=str(folder))])[0]
    known = backend.identity(str(folder))
    shutil.rmtree(folder)
    shutil.copytree(adapters["blue"], folder)
    second = backend.complete([ask("x", adapter=str(folder))])[0]
    assert second.text == backend.complete([ask("x", adapter=adapters["blue"])])[0].text != first.text
    assert backend.identity(str(folder))["adapter_sha256"] != known["adapter_sha256"]


def test_more_adapters_than_fit_take_turns(tiny_base: str, backend: LocalBackend, adapters: dict[str, str]) -> None:
    names = ["red", "blue", "dora"]
    alone = [backend.complete([ask("x", adapter=adapters[n])])[0].text for n in names]
    cramped = LocalBackend(tiny_base, None, "none", "cpu")
    pool = cramped.engine().pool
    pool._limit = 1
    turns = [cramped.complete([ask("x", adapter=adapters[n])])[0].text for n in names * 2]
    assert turns == alone * 2
    assert len(pool._loaded) == 1
    assert len(cramped.complete([ask("x", adapter=adapters[n]) for n in names])) == 3, "together, more than the limit"
    cramped.close()
