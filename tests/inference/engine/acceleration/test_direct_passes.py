"""Direct passes: the same bits as through transformers' modules, with every adapter, and only where they apply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from domainkit.inference.backend import Completion, Request
from domainkit.inference.engine.acceleration.direct_passes import KINDS, MAX_TOKENS
from domainkit.inference.engine.batched_runner import BatchedRunner
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.model_runner import make_runner
from domainkit.inference.local import LocalBackend
from tests.inference.engine.tiny_models import PROBE, SIZES, build, some_tokens
from tests.inference.tiny_adapters import ask


def build_kind(kind: str, **options: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    sizes = {**SIZES, "initializer_range": 0.5, "sliding_window": None, **options}
    config = getattr(transformers, f"{kind}Config")(**sizes)
    return getattr(transformers, f"{kind}ForCausalLM")(config).eval().requires_grad_(False)


def read(runner: BatchedRunner, direct: bool) -> list[torch.Tensor]:
    """Logits of a prompt, and of passes of one token and of several after it, in the second slot of two."""
    runner.clear()
    runner.direct_passes = direct
    _, slot = runner.allocate(9), runner.allocate(9)
    found = []
    for n_tokens in (9, 1, 1, MAX_TOKENS, 1, 2, MAX_TOKENS + 1):
        wanted = min(n_tokens, 2)
        found.append(runner.forward([Chunk(slot, some_tokens(slot.length, n_tokens), slot.length, wanted)]))
    return found


@pytest.mark.parametrize(
    "options", [{}, {"tie_word_embeddings": True, "attention_bias": True, "num_key_value_heads": 4}]
)
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_same_bits_as_through_the_modules(kind: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    runner: Any = make_runner(build_kind(kind, **options), PROBE)[0]
    assert runner.direct_passes, "the trial found no difference"
    passes, logits = [], runner._direct.logits
    monkeypatch.setattr(
        runner._direct, "logits", lambda ids, *given: passes.append(ids.shape[1]) or logits(ids, *given)
    )
    direct = read(runner, direct=True)
    assert passes == [1, 1, MAX_TOKENS, 1, 2]
    assert all(torch.equal(a, b) for a, b in zip(direct, read(runner, direct=False), strict=True))


@pytest.mark.parametrize("model", ["gpt2", "gemma3", "mistral"])
def test_other_decoders_and_sliding_windows_have_no_direct_passes(model: str) -> None:
    runner: Any = make_runner(build(model), PROBE)[0]
    assert not runner.direct_passes


def test_half_precision_and_other_attention_have_no_direct_passes() -> None:
    eager = build_kind("Llama")
    eager.set_attn_implementation("eager")
    for model in (build_kind("Llama").bfloat16(), eager):
        assert not BatchedRunner(model).direct_passes


def test_a_model_that_computes_otherwise_is_found_by_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_kind("Llama")
    block = type(model.model.layers[0])
    forward = block.forward
    monkeypatch.setattr(block, "forward", lambda self, hidden, **given: 2 * forward(self, hidden, **given))
    runner: Any = make_runner(model, PROBE)[0]
    assert isinstance(runner, BatchedRunner)
    assert not runner.direct_passes


@torch.inference_mode()
def test_a_hook_or_another_module_or_weight_is_seen_in_the_next_pass() -> None:
    model = build_kind("Llama")
    runner: Any = make_runner(model, PROBE)[0]
    block = model.model.layers[1]
    before = read(runner, direct=True)

    def bend(module: Any, args: Any, output: Any) -> Any:
        return output.tanh()

    for part in (block, block.self_attn.o_proj, block.mlp, block.mlp.act_fn, block.input_layernorm):
        hook = part.register_forward_hook(bend)
        changed = read(runner, direct=True)
        assert not torch.equal(changed[1], before[1])
        assert all(torch.equal(a, b) for a, b in zip(changed, read(runner, direct=False), strict=True))
        hook.remove()
        assert torch.equal(read(runner, direct=True)[1], before[1])
    assert runner._direct.prepare()
    weight = block.mlp.up_proj._parameters["weight"]
    block.mlp.up_proj._parameters["weight"] = torch.nn.Parameter(-weight, requires_grad=False)
    assert torch.equal(read(runner, direct=True)[1], read(runner, direct=False)[1])
    block.self_attn.q_proj = torch.nn.Sequential(block.self_attn.q_proj, torch.nn.Tanh())
    changed = read(runner, direct=True)
    assert all(torch.equal(a, b) for a, b in zip(changed, read(runner, direct=False), strict=True))


@pytest.fixture(scope="module")
def engine(tiny_base: str) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    yield backend
    backend.close()


def test_every_adapter_answers_as_through_the_modules(engine: LocalBackend, adapters: dict[str, str]) -> None:
    """Beside the wrappers of the adapters that were loaded before."""
    scheduler: Any = engine.engine()

    def answer(request: Request, direct: bool) -> Completion:
        scheduler.runner.direct_passes = direct
        scheduler.prefixes.clear()
        return engine.complete([request])[0]

    for adapter in (None, *adapters.values(), None):
        request = ask("a question", adapter=adapter, logprobs=True)
        found, wanted = answer(request, direct=True), answer(request, direct=False)
        assert found.text == wanted.text
        # The bits of a prompt's own pass differ from run to run: they depend on where its tensors lie in memory.
        assert [t.logprob for t in found.logprobs] == pytest.approx([t.logprob for t in wanted.logprobs], abs=1e-3)
