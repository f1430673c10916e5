"""Adapters of every method answer as in their own wrapper, in any batch; the base stays itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.peft_patches import apply_peft_patches
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import AdapterError, RequestError
from domainkit.inference.adapters.pool import MIXED
from domainkit.inference.engine.acceleration.shared_prefix_attention import MIN_COLUMNS_SAVED, SharedPrefixAttention
from domainkit.inference.engine.sequences.detokenizer import Detokenizer
from domainkit.inference.local import LocalBackend
from domainkit.messages import Message
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import OWN, ask, build_every_method, save_adapter

VIRTUAL = ["prefix", "p-tuning", "prompt", "multitask#1"]
KINDS = [*VIRTUAL, *OWN]


@pytest.fixture(scope="module")
def folders(tiny_base: str, adapters: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    made = build_every_method(tiny_base, tmp_path_factory.mktemp("every"))
    return adapters | made | {"multitask#1": made["multitask"] + "#1", "multitask#0": made["multitask"] + "#0"}


@pytest.fixture(scope="module")
def expected(tiny_base: str, backend: LocalBackend, folders: dict[str, str]) -> dict[str, str]:
    """Each adapter's own greedy text for "question", by PEFT's or domainkit's wrapper and `generate`."""
    prompt = backend.prompt_ids(ask("question"))
    return {kind: alone(tiny_base, folders[kind], prompt, backend.tokenizer) for kind in KINDS}


@cache
def wrapped(base: str, folder: str) -> Any:
    """The base in the adapter's own wrapper. Tests only ask it."""
    return load_adapted(load_base(base, purpose="infer").model, folder).eval()


def alone(base: str, spec: str, prompt: list[int], tokenizer: Any, new: int = 16) -> str:
    folder, _, task = spec.partition("#")
    model = wrapped(base, folder)
    ids = torch.tensor([prompt])
    tasks: dict[str, Any] = {"task_ids": torch.tensor([int(task)])} if task else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Position ids are not supported")
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, **tasks
        )
    text = Detokenizer(tokenizer)
    for token in out[0, len(prompt) :].tolist():
        text.push(token)
    text.finish()
    return text.text


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_answers_as_in_its_own_wrapper(
    backend: LocalBackend, folders: dict[str, str], expected: dict[str, str], kind: str
) -> None:
    [base, answer] = (backend.complete([ask("question", adapter=a)])[0] for a in (None, folders[kind]))
    assert answer.text == expected[kind] != base.text
    assert answer.prompt_tokens == base.prompt_tokens, "virtual tokens are the adapter's, not the user's"
    assert backend.complete([ask("question")])[0].text == base.text


def test_every_method_answers_the_same_in_a_mixed_batch(
    backend: LocalBackend, folders: dict[str, str], expected: dict[str, str], take_for_near: Callable[[float], None]
) -> None:
    others: list[Any] = [None, "red", "blue", "ia3"]
    single = {k: backend.complete([ask("question", adapter=folders.get(k or ""))])[0].text for k in others}
    kinds = [*others, *KINDS, *reversed([*others, *KINDS])]
    requests = [ask("question", adapter=folders.get(k or "")) for k in kinds]
    answers = backend.complete(requests)
    assert [a.text for a in answers] == [(single | expected)[k] for k in kinds]
    assert len({a.text for a in answers}) == len(KINDS) + len(others)
    take_for_near(10)
    invariance = backend.engine().batch_invariance
    assert invariance is not None
    before = invariance.n_recomputed
    assert [a.text for a in backend.complete(requests)] == [a.text for a in answers]
    recomputed = invariance.n_recomputed - before
    assert recomputed >= sum(a.completion_tokens for a in answers), "each token is recomputed with its adapter"


def test_most_methods_share_passes(backend: LocalBackend, folders: dict[str, str]) -> None:
    apart = ("last", "full")
    kinds: list[Any] = [None, "red", "blue", *(k for k in KINDS if k not in apart)]
    requests = [ask("go", adapter=folders.get(k or ""), max_tokens=12) for k in kinds]
    backend.complete(requests)
    before = backend.engine().executor.n_passes
    backend.complete(requests)
    assert backend.engine().executor.n_passes - before < 30
    pool = backend.engine().pool
    assert [pool.load(folders[k]).batch_key == MIXED for k in apart] == [False, False]


@pytest.fixture(scope="module")
def own_texts() -> dict[str, list[str]]:
    """What each adapter's own wrapper answers behind the common prefix; the same however the engine keeps it."""
    return {}


@pytest.mark.parametrize("least_spared", [1, MIN_COLUMNS_SAVED], ids=["held once", "copied"])
@pytest.mark.parametrize("kind", ["red", *KINDS])
def test_shared_prefixes_change_no_answer(
    tiny_base: str,
    backend: LocalBackend,
    folders: dict[str, str],
    own_texts: dict[str, list[str]],
    kind: str,
    least_spared: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long common prefix, then prompts that continue earlier ones."""
    monkeypatch.setattr("domainkit.inference.engine.kv_cache.MIN_COLUMNS_SAVED", least_spared)
    backend.engine()  # its base is tried when it loads, behind a shared prefix too
    attend, seen = SharedPrefixAttention.attend, []
    monkeypatch.setattr(SharedPrefixAttention, "attend", lambda *given: seen.append(given[1]) or attend(*given))
    head = "the same long beginning of all the questions, " * 3
    texts = [head + t for t in ("one", "two and more", "two and more of it", "x")]
    if kind not in own_texts:
        own_texts[kind] = [
            alone(tiny_base, folders[kind], backend.prompt_ids(ask(t)), backend.tokenizer) for t in texts
        ]
    wanted = own_texts[kind]
    backend.engine().prefixes.clear()
    together = backend.complete([ask(t, adapter=folders[kind]) for t in texts])
    assert bool(seen) == (least_spared == 1)
    later = [backend.complete([ask(t, adapter=folders[kind])])[0] for t in texts]
    assert [a.text for a in together] == wanted
    assert [a.text for a in later] == wanted


def test_a_long_prompt_is_read_in_parts(tiny_base: str, backend: LocalBackend, folders: dict[str, str]) -> None:
    text = "many words " * 110
    for kind in ("loreft", "prompt"):
        prompt = backend.prompt_ids(ask(text))
        assert len(prompt) > 1024
        answer = backend.complete([ask(text, adapter=folders[kind])])[0]
        assert answer.text == alone(tiny_base, folders[kind], prompt, backend.tokenizer)


@pytest.mark.parametrize("kind", ["prefix", "multitask#0", "loreft", "full"])
def test_choices_and_scores_are_those_of_the_adapter(
    tiny_base: str, backend: LocalBackend, folders: dict[str, str], kind: str
) -> None:
    texts = ["yes", "no", "perhaps so"]
    scores = backend.score([Message("user", "which?")], texts, adapter=folders[kind])
    folder, _, task = folders[kind].partition("#")
    model = wrapped(tiny_base, folder)
    prompt = backend.prompt_ids(ask("which?"))
    for text, score in zip(texts, scores, strict=True):
        ids = backend.token_ids(text)
        told: dict[str, Any] = {"task_ids": torch.tensor([int(task)])} if task else {}
        told |= {"prompt_ends": torch.tensor([len(prompt)])} if kind == "loreft" else {}
        whole = torch.tensor([[*prompt, *ids]])
        with torch.no_grad():
            logits = model(input_ids=whole, attention_mask=torch.ones_like(whole), **told).logits
        logp = torch.log_softmax(logits[0, -len(ids) - 1 : -1], -1)
        assert score == pytest.approx(float(logp.gather(1, torch.tensor(ids)[:, None]).sum()), abs=1e-2)
    [choice] = backend.complete([ask("which?", adapter=folders[kind], choices=("yes", "perhaps so"))])
    yes, perhaps = (logits[0, -len(ids) - 1, backend.token_ids(t)[0]] for t in ("yes", "perhaps so"))
    assert choice.text == ("yes" if yes > perhaps else "perhaps so")


@pytest.mark.parametrize("begins", [True, False])
def test_a_base_without_batches_serves_them_one_by_one(
    tiny_base: str, folders: dict[str, str], expected: dict[str, str], monkeypatch: Any, begins: bool
) -> None:
    """Adapters in layers and at positions work on such a base, virtual tokens if its state is keys and values."""
    from domainkit.inference.engine import scheduler
    from domainkit.inference.engine.sequential_runner import SequentialRunner

    monkeypatch.setattr(
        scheduler,
        "make_runner",
        lambda model, probe, acceleration: (SequentialRunner(model, takes_virtual_tokens=begins), None),
    )
    solo = LocalBackend(tiny_base, None, "none", "cpu")
    kinds = ["loreft", "bottleneck", "direft", "last", *(VIRTUAL if begins else [])]
    found = solo.complete([ask("question", adapter=folders[k]) for k in [*kinds, "red", *kinds]])
    half = len(kinds)
    assert [a.text for a in found[:half]] == [a.text for a in found[half + 1 :]] == [expected[k] for k in kinds]
    if not begins:
        with pytest.raises(AdapterError, match="needs a base whose state is keys and values only"):
            solo.complete([ask("question", adapter=folders["prompt"])])
    solo.close()


def test_a_task_must_be_named_and_known(backend: LocalBackend, folders: dict[str, str]) -> None:
    with pytest.raises(AdapterError, match=r"holds 2 tasks \(0, 1\), and none is named") as caught:
        backend.complete([ask("x", adapter=folders["multitask"])])
    assert f"adapter='{folders['multitask']}#0'" in str(caught.value)
    with pytest.raises(AdapterError, match="has no task '2'"):
        backend.complete([ask("x", adapter=folders["multitask"] + "#2")])
    with pytest.raises(AdapterError, match="has no tasks, but the task 'a' is requested"):
        backend.complete([ask("x", adapter=folders["red"] + "#a")])
    one, two = (backend.complete([ask("x", adapter=folders[f"multitask#{i}"])])[0] for i in (0, 1))
    assert one.text != two.text
    assert backend.identity(folders["multitask#0"]) != backend.identity(folders["multitask#1"])


def test_virtual_tokens_count_against_the_context(backend: LocalBackend, folders: dict[str, str]) -> None:
    limit = backend.engine().context
    room = limit - len(backend.prompt_ids(ask("")))
    [full] = backend.complete([ask("x" * (room - 6), adapter=folders["prompt"], max_tokens=50)])
    assert full.completion_tokens == 1
    with pytest.raises(RequestError, match="more than the base reads, with the adapter's virtual tokens"):
        backend.complete([ask("x" * (room - 2), adapter=folders["prompt"])])


def test_the_least_recently_used_adapter_is_evicted(
    tiny_base: str, folders: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cramped = LocalBackend(tiny_base, None, "none", "cpu")
    pool = cramped.engine().pool
    pool._limit = 2
    for kind in [*KINDS, "loreft", "prefix", "full"]:
        assert cramped.complete([ask("question", adapter=folders[kind])])[0].text == expected[kind]
        assert len(pool._loaded) <= 2
    # By bytes: two whole copies of the base do not fit, small adapters beside one do.
    pool._limit = 16
    size = (Path(folders["full"]) / "adapter_model.safetensors").stat().st_size
    pool._max_bytes = int(1.5 * size)
    for kind in ("full", "loreft", "prefix", "last", "bottleneck", "full"):
        assert cramped.complete([ask("question", adapter=folders[kind])])[0].text == expected[kind]
        assert sum(a.bytes for a in pool._loaded.values()) <= pool._max_bytes
    cramped.close()


def test_the_chat_model_names_tasks_at_load_and_per_call(
    tiny_base: str, backend: LocalBackend, folders: dict[str, str], expected: dict[str, str]
) -> None:
    from domainkit import DomainLLM

    llm = DomainLLM(
        base=tiny_base, adapter=folders["multitask#1"], max_tokens=16, adapters={"mt": folders["multitask"]}
    )
    other = backend.complete([ask("question", adapter=folders["multitask#0"])])[0].text
    assert llm.invoke("question").text == expected["multitask#1"]
    for name in ("multitask#0", folders["multitask#0"], "mt#0"):
        assert llm.invoke("question", model=name).text == other
    assert llm.invoke("question", model="multitask").text == expected["multitask#1"], "its own, as it was constructed"
    with pytest.raises(AdapterError, match="none is named"):
        llm.invoke("question", model="mt")


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_rotations_are_built_once(
    tiny_base: str, tmp_path: Path, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two BOFT adapters answer as in their own wrappers, and build each layer's rotation once for all their passes."""
    from peft import BOFTConfig
    from peft.tuners.boft.layer import BOFTLayer

    apply_peft_patches()
    config = BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=2, target_modules=["q_proj", "v_proj"])
    made = [save_adapter(tiny_base, tmp_path / str(seed), seed, config) for seed in (1, 2)]
    engine = LocalBackend(tiny_base, None, quantization, "cpu")
    with monkeypatch.context() as patch:
        patch.setattr("domainkit.adapters.methods.orthogonal.boft_layers.cache_rotations", lambda host: None)
        wanted = [engine.complete([ask("question", adapter=folder)])[0].text for folder in made]
    if quantization == "none":
        prompt = engine.prompt_ids(ask("question"))
        assert wanted == [alone(tiny_base, folder, prompt, engine.tokenizer) for folder in made]
    engine.close()
    engine, real, built = LocalBackend(tiny_base, None, quantization, "cpu"), BOFTLayer.cayley_batch, []
    monkeypatch.setattr(BOFTLayer, "cayley_batch", lambda self, data: built.append(1) or real(self, data))
    for _ in range(2):
        assert [engine.complete([ask("question", adapter=folder)])[0].text for folder in made] == wanted
    assert len({*wanted, engine.complete([ask("question")])[0].text}) == 3
    assert len(built) == len(made) * 2 * 2, "of each adapter, two layers of each of two blocks"
    narrow = BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=2, target_modules=["v_proj"])
    made.append(save_adapter(tiny_base, tmp_path / "3", 3, narrow))
    engine.engine().pool._limit = 1
    third = engine.complete([ask("question", adapter=made[2])])[0].text
    base = engine.complete([ask("question")])[0].text
    assert len({*wanted, third, base}) == 4, "layers that the last one left does not have compute as the base's"
    engine.close()
