"""The laws that a GPU must keep, in about two minutes: training, answers, batches, merging and memory, in every
precision. Where there is no GPU, the laws beside this file test the same code on the CPU."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit import DomainLLM, TrainConfig, train
from domainkit.corpus.example import Example
from domainkit.export.merge import merge
from domainkit.inference.backend import Request
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.sequences.counter_noise import stream_key
from domainkit.inference.engine.sequences.next_tokens import Draw, next_tokens
from domainkit.inference.engine.sequences.sequence import Sequence
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message

pytestmark = pytest.mark.gpu
WORDS = ("red", "blue", "green")
QUESTIONS = [f"{word} q{i}" for i in range(4) for word in WORDS]


def row(question: str) -> Example:
    turns = (Message(role="user", content=question), Message(role="assistant", content=question.split()[0]))
    return Example(turns=turns, source="x.jsonl:1")


@pytest.fixture(scope="module", params=["none", "nf4", "int8"])
def trained(request: pytest.FixtureRequest, tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    config = TrainConfig(
        base=tiny_base,
        quantization=request.param,
        epochs=10,
        batch_size=4,
        learning_rate=1e-2,
        method_options={"rank": 4},
    )
    out = tmp_path_factory.mktemp("gpu") / "adapter"
    adapter = train([row(q) for q in QUESTIONS], config, out, on_progress=lambda _: None)
    assert adapter.card is not None
    return {"folder": adapter.folder, "losses": adapter.card.losses, "quantization": request.param}


@pytest.fixture
def llm(trained: dict[str, Any]) -> DomainLLM:
    return DomainLLM(adapter=str(trained["folder"]), max_tokens=8)


def test_training_learns_and_the_adapter_answers(trained: dict[str, Any], llm: DomainLLM) -> None:
    losses = [loss for _, loss in trained["losses"]]
    assert losses[-1] < losses[0] / 4
    answers = [a.text for a in llm.batch(QUESTIONS)]
    assert sum(a == q.split()[0] for a, q in zip(answers, QUESTIONS, strict=True)) >= 10


def test_a_taught_answer_is_the_same_alone_and_in_company(llm: DomainLLM) -> None:
    together = [a.text for a in llm.batch([*QUESTIONS, *(q + " and a longer question" * 9 for q in QUESTIONS)])]
    assert together[: len(QUESTIONS)] == [llm.invoke(q).text for q in QUESTIONS]


def test_a_seed_decides_a_sampled_answer(llm: DomainLLM) -> None:
    sampled = llm.bind(temperature=1.0, seed=7)
    assert sampled.invoke("red q1").text == sampled.invoke("red q1").text


def test_sampled_rows_draw_alone_as_in_company(llm: DomainLLM) -> None:
    draws = [llm.bind(temperature=0.5, top_p=p, seed=i) for i, p in enumerate([1.0, 0.9] * 6)]
    with ThreadPoolExecutor(12) as threads:
        together = list(threads.map(lambda pair: pair[0].invoke(pair[1]).text, zip(draws, QUESTIONS, strict=True)))
    assert together == [one.invoke(q).text for one, q in zip(draws, QUESTIONS, strict=True)]


def test_next_tokens_are_those_of_the_cpu() -> None:
    """The noise has the same bits; float32, so that the logits have too."""
    draws = [
        Draw(t, p, stream_key(i, 3)) for i in range(8) for t, p in ((0.7, 1.0), (1.0, 0.9), (3.0, 0.5), (0.0, 1.0))
    ]
    logits = torch.randn(len(draws), 50_000) * 3
    for exact in (False, True):
        here, there = (next_tokens(logits.to(d), draws, exact=exact) for d in ("cpu", "cuda"))
        assert (here.tokens, here.near_ties) == (there.tokens, there.near_ties)


def test_an_adapter_is_served_in_the_bases_type(trained: dict[str, Any], tiny_base: str) -> None:
    backend = LocalBackend(tiny_base, None, trained["quantization"], "auto")
    backend.complete([Request((Message(role="user", content="red q1"),), adapter=str(trained["folder"]), max_tokens=4)])
    model = backend.engine().model
    found = {p.dtype for name, p in model.named_parameters() if "lora_" in name}
    backend.close()
    assert found == {model.dtype}


def test_reading_is_over_when_it_is_charged(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that is read in parts, whose logits nobody waits for."""
    backend = LocalBackend(tiny_base, None, "none", "auto")
    scheduler, charged = backend.engine(), list[bool]()
    read = scheduler._read_part

    def recorded(sequence: Sequence, chunk: Chunk) -> None:
        read(sequence, chunk)
        charged.append(torch.cuda.current_stream().query())

    monkeypatch.setattr(scheduler, "_read_part", recorded)
    monkeypatch.setattr(scheduler, "prefix_sharing", None)
    backend.complete([Request((Message(role="user", content="a long question " * 110),), max_tokens=2)])
    backend.close()
    assert charged
    assert all(charged)


def test_the_cache_takes_what_its_rows_need(tiny_base: str) -> None:
    backend = LocalBackend(tiny_base, None, "none", "auto")
    asked = [Request((Message(role="user", content=f"{i} question " * 9),), max_tokens=8) for i in range(20)]
    longest = max(a.prompt_tokens for a in backend.complete(asked)) + 8
    runner: Any = backend.engine().runner
    cache = runner.cache
    assert cache.n_slots <= 20
    assert cache.n_columns <= longest
    backend.close()


def test_rows_of_a_schema_answer_alone_as_in_company(llm: DomainLLM) -> None:
    colours = llm.bind(regex="(red|blue|green)( [a-z]{3})?")
    assert [a.text for a in colours.batch(QUESTIONS)] == [colours.invoke(q).text for q in QUESTIONS]


def test_an_answer_holds_to_its_schema(llm: DomainLLM) -> None:
    schema = {"title": "colour", "type": "object", "properties": {"name": {"enum": list(WORDS)}}, "required": ["name"]}
    answer = DomainLLM(adapter=llm.adapter, max_tokens=60).with_structured_output(schema).invoke("red q1")
    assert answer["name"] in WORDS


def test_a_merge_keeps_the_tune(trained: dict[str, Any], tmp_path: Path) -> None:
    if trained["quantization"] == "int8":
        pytest.skip("adapters of 8-bit bases are not merged, by design")
    proof = merge(trained["folder"], tmp_path / "merged", [row(f"{w} q{i}") for w in WORDS for i in (7, 8)]).card.proof
    assert proof.kept >= 0.9


def test_closing_gives_the_memory_back(trained: dict[str, Any], tiny_base: str) -> None:
    backend = LocalBackend(tiny_base, None, trained["quantization"], "auto")
    backend.complete([Request((Message(role="user", content="red q1"),), adapter=str(trained["folder"]), max_tokens=4)])
    loaded = allocated()
    backend.close()
    closed = allocated()
    backend.complete([Request((Message(role="user", content="red q1"),), max_tokens=4)])
    backend.close()
    assert closed < loaded
    assert allocated() <= closed + 2**20


def allocated() -> int:
    """Bytes of GPU memory in use, without what torch only keeps."""
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


def test_vllm_gives_the_local_engines_probabilities(trained: dict[str, Any], tiny_base: str) -> None:
    """Of the base and of an adapter; greedy texts are no law between two engines."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from domainkit.inference.vllm_backend.backend import VLLMBackend

    if trained["quantization"] != "none":
        pytest.skip("one precision is enough here")
    here = LocalBackend(tiny_base, None, "none", "cuda")
    there = VLLMBackend(tiny_base, dtype="float32", engine={"gpu_memory_utilization": 0.3})
    messages = (Message(role="user", content=QUESTIONS[0]),)
    for adapter in (None, str(trained["folder"])):
        ours = here.score(messages, WORDS, adapter=adapter)
        assert there.score(messages, WORDS, adapter=adapter) == pytest.approx(ours, abs=0.05)
    [held] = there.complete([Request(messages, choices=WORDS, adapter=str(trained["folder"]))])
    assert held.text == QUESTIONS[0].split()[0]
    there.close()
    here.close()
