"""Encoder-decoder bases answer as transformers' `generate` does, in any batch and with adapters of every method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.methods import METHODS, attach, parse_method
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import BaseModelError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.encoder_decoder_runner import EncoderDecoderRunner
from domainkit.inference.engine.model_runner import make_runner
from domainkit.inference.local import LocalBackend, local_backend
from domainkit.messages import Message
from domainkit.models.load import load_base
from domainkit.training.batches import pad
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.objectives.supervised import supervised_logits
from tests.conftest import build_tiny_pair
from tests.inference.tiny_adapters import ask

OPTIONS: dict[str, dict[str, Any]] = {"vera": {"rank": 16}, "multitask_prompt_tuning": {"tasks": ["a", "b"]}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
QUESTIONS = ["hi there", "a longer question about nothing in particular", "z", ""]
VARIED = [
    *(ask(q) for q in QUESTIONS),
    ask("choose", choices=("alpha", "alpine", "beta")),
    ask("loud", choices=("alpha", "beta"), logprobs=True),
    *(ask(f"sample {seed}", temperature=1.0, top_p=0.9, seed=seed) for seed in range(4)),
    ask("schema", json_schema=SCHEMA, max_tokens=40),
    ask("regex", regex=r"[ab]{3,6}c"),
    ask("logs", logprobs=True),
    ask("tool", tools=(TOOL,), tool_choice="any", max_tokens=90),
    ask("long " * 250, max_tokens=4),
]


@pytest.fixture(scope="module")
def pair(tiny_pair: str) -> LocalBackend:
    return local_backend(tiny_pair, quantization="none")


@pytest.fixture(scope="module")
def plain(tiny_pair: str) -> Any:
    return load_base(tiny_pair, quantization="none", purpose="infer").model.eval()


def generated(model: Any, pair: LocalBackend, request: Request) -> str:
    prompt = torch.tensor([pair.prompt_ids(request)[:-1]])
    out = model.generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=request.max_tokens, do_sample=False
    )
    return str(pair.tokenizer.decode(out[0, 1:], skip_special_tokens=True))


def stable_fields(c: Any) -> tuple[Any, ...]:
    calls = [(x.name, x.arguments) for x in c.tool_calls]
    return c.text, c.finish_reason, c.prompt_tokens, c.completion_tokens, calls


def test_greedy_text_is_that_of_generate(pair: LocalBackend, plain: Any) -> None:
    requests = [*(ask(q) for q in QUESTIONS), ask("long " * 250, max_tokens=4)]
    found = [c.text for c in pair.complete(requests)]
    assert found == [generated(plain, pair, r) for r in requests]
    assert len(set(found)) > 2, "texts that tell the questions apart"


def test_a_batch_changes_no_answer_and_a_stream_is_the_complete_answer(pair: LocalBackend) -> None:
    together = pair.complete(VARIED * 2)
    assert [stable_fields(c) for c in together[: len(VARIED)]] == [stable_fields(c) for c in together[len(VARIED) :]]
    for request, wanted in zip(VARIED, together, strict=False):
        pieces = list(pair.stream(request))
        assert stable_fields(pieces[-1].completion) == stable_fields(wanted)
        assert "".join(p.text for p in pieces) == wanted.text


def test_a_batch_takes_one_pass_per_token(pair: LocalBackend) -> None:
    engine = pair.engine()
    before = engine.executor.n_passes
    pair.complete([ask("same size", max_tokens=6), ask("also size", max_tokens=6), ask("more size", max_tokens=6)])
    assert engine.executor.n_passes - before == 6


def test_scores_and_choices_are_the_models_own(pair: LocalBackend, plain: Any) -> None:
    words = ["red", "blue", "alpine", ""]
    messages = (Message("user", "which?"),)
    prompt = pair.prompt_ids(Request(messages))
    wanted = []
    for word in words:
        ids = pair.token_ids(word)
        row = TokenizedExample((*prompt[:-1], *ids, 2), len(prompt) - 1, "", opening=0)
        with torch.no_grad():
            logprobs = torch.log_softmax(supervised_logits(plain, pad([row], 0)), -1)
        wanted.append(float(sum(logprobs[i, token] for i, token in enumerate(ids))))
    assert pair.score(messages, words) == pytest.approx(wanted, abs=1e-3)
    assert pair.count_tokens(messages) == len(prompt)
    [chosen] = pair.complete([Request(messages, choices=("red", "blue"))])
    assert sum(chosen.choice_probabilities.values()) == pytest.approx(1.0)
    assert chosen.text == max(chosen.choice_probabilities, key=lambda c: chosen.choice_probabilities[c])


def test_a_prompt_beyond_the_context_is_refused(pair: LocalBackend) -> None:
    with pytest.raises(RequestError, match="reads at most 2048"):
        pair.complete([ask("x" * 2100)])


# ---- adapters


@pytest.fixture(scope="module")
def adapters(tiny_pair: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An adapter of each method with random weights; the multitask one at each of its tasks."""
    folder, made = tmp_path_factory.mktemp("pair-adapters"), {}
    base = load_base(tiny_pair, quantization="none").model
    for seed, name in enumerate(METHODS):
        method = parse_method(name, OPTIONS.get(name, {}))
        torch.manual_seed(seed)
        model = attach(method, deepcopy(base))
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
        fresh = {n: p.detach().clone() for n, p in trained.items()}
        with torch.no_grad():
            for p in trained.values():
                p.add_(torch.randn_like(p) * 0.2)
        method.save(model, folder / name, fresh)
        made[name] = str(folder / name)
    several = made.pop("multitask_prompt_tuning")
    return made | {f"multitask_prompt_tuning#{i}": f"{several}#{i}" for i in (0, 1)}


def written(plain: Any, spec: str, pair: LocalBackend, questions: Sequence[str], most: int) -> list[str]:
    """Greedy texts from whole passes of the method's own wrapper, as it is trained."""
    folder, _, task = spec.partition("#")
    model, texts = load_adapted(deepcopy(plain), folder).eval(), []
    for question in questions:
        prompt, answer = pair.prompt_ids(ask(question))[:-1], []
        for _ in range(most):
            row = TokenizedExample((*prompt, *answer, 3), len(prompt), "", task=int(task or 0), opening=0)
            with torch.no_grad():
                token = int(supervised_logits(model, pad([row], 0))[-1].argmax())
            if token == pair.tokenizer.eos_token_id:
                break
            answer.append(token)
        texts.append(str(pair.tokenizer.decode(answer, skip_special_tokens=True)))
    return texts


def test_adapters_of_every_method_in_one_batch(
    plain: Any, pair: LocalBackend, adapters: dict[str, str], take_for_near: Callable[[float], None]
) -> None:
    questions = ("hi there", "and what is this?")
    asked = [(name, q) for q in questions for name in adapters]
    requests = [ask(q, adapter=adapters[name], max_tokens=6) for name, q in asked]
    bare = [ask(q, max_tokens=6) for q in questions]
    answers = [c.text for c in pair.complete([*requests, *bare])]
    base = answers[len(requests) :]
    assert [c.text for c in pair.complete(bare)] == base
    found = dict(zip(asked, answers, strict=False))
    for name, folder in adapters.items():
        texts = [found[name, q] for q in questions]
        assert texts == written(plain, folder, pair, questions, 6), name
        assert texts != base, f"{name} changes no answer, which proves nothing"
    take_for_near(10)
    invariance = pair.engine().batch_invariance
    assert invariance is not None
    before = invariance.n_recomputed
    assert [c.text for c in pair.complete([*requests, *bare])] == answers
    assert invariance.n_recomputed > before, "tokens are recomputed with the sequence's adapter"


# ---- the runner


def plain_logits(model: Any, prompt: list[int], answer: list[int]) -> torch.Tensor:
    out = model(input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([answer]), use_cache=False)
    return out.logits[0, -1]


@torch.inference_mode()
def test_slots_can_be_allocated_and_freed_in_any_order(plain: Any) -> None:
    """Sequences at different places of their answers are different batches; the last slot moves to a freed one."""
    runner = EncoderDecoderRunner(plain)
    prompts = [list(range(10, 10 + n)) for n in (5, 9, 2)]
    a, b, c = (runner.allocate(len(prompt) + 1) for prompt in prompts)
    first = [Chunk(s, [*p, 0, 40 + len(p)], 0) for s, p in zip((a, b, c), prompts, strict=True)]
    runner.forward(first)
    runner.free(a)
    assert c.index == 0
    late = runner.allocate(4)
    runner.forward([Chunk(late, [70, 71, 72, 0], 0)])
    chunks = [Chunk(b, [90], b.length), Chunk(c, [90], c.length), Chunk(late, [91], late.length)]
    keys = [runner.batch_key(chunk) for chunk in chunks]
    assert keys[0] == keys[1] != keys[2]
    logits = [*runner.forward(chunks[:2])[:, -1], runner.forward(chunks[2:])[0, -1]]
    for slot, row in zip((b, c, late), logits, strict=True):
        expected = plain_logits(plain, slot.tokens[: slot.n_encoded], slot.tokens[slot.n_encoded :])
        torch.testing.assert_close(row, expected, rtol=1e-3, atol=1e-3)
    for slot in (c, late, b):
        runner.free(slot)
    assert not runner.prompt_cache.keys
    runner.clear()
    assert not runner.cache.keys


@torch.inference_mode()
def test_a_long_prompt_is_read_in_parts_while_other_slots_are_freed(plain: Any) -> None:
    runner, prompt = EncoderDecoderRunner(plain), list(range(10, 40))
    others = [runner.allocate(4) for _ in range(2)]
    runner.forward([Chunk(slot, [70, 71, 72, 0], 0) for slot in others])
    slot = runner.allocate(len(prompt) + 1)
    for start in (0, 12):
        assert runner.forward([Chunk(slot, prompt[start : start + 12], start)]).shape[1] == 0
        runner.free(others.pop(0))
    logits = runner.forward([Chunk(slot, [*prompt[24:], 0], 24)])[0, -1]
    torch.testing.assert_close(logits, plain_logits(plain, prompt, [0]), rtol=1e-3, atol=1e-3)


def test_a_model_whose_logits_differ_in_batches_is_refused(plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_runner(plain, list(range(4, 12)))
    monkeypatch.setattr(EncoderDecoderRunner, "_prompt_width", lambda self, slot: slot.n_encoded - 1)
    with pytest.raises(BaseModelError, match=r"cannot be served[\s\S]*T5"):
        make_runner(plain, list(range(4, 12)))


# ---- SentencePiece, as T5 has it


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny T5 with a unigram tokenizer that begins each text with a blank and closes it with EOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    pieces = ["<pad>", "</s>", "<unk>", "▁", "▁refund", "▁re", "▁repair", "fund", "▁my", *"abcdefghijklmnopqrstuvwxyz?"]
    core = Tokenizer(models.Unigram([(p, -1.0 - (len(p) == 1) * 5.0) for p in pieces], 2, False))
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    core.decoder = decoders.Metaspace(prepend_scheme="always")
    core.post_processor = TemplateProcessing("$A </s>", None, [("</s>", 1)])
    folder = build_tiny_pair(tmp_path_factory.mktemp("sentencepiece") / "base", vocab_size=len(pieces), eos_token_id=1)
    for file in folder.glob("*token*"):
        file.unlink()
    PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def test_sentencepiece_answers_begin_with_whole_words(sentencepiece: Path) -> None:
    pair = local_backend(str(sentencepiece), quantization="none")
    assert pair.prompt_ids(ask("my repair"))[-2:] == [1, 0], "EOS closes the prompt, the opening token follows"
    assert pair.tokenizer.convert_ids_to_tokens(pair.spelling.spell("refund")) == ["▁refund"]
    model = load_base(str(sentencepiece), quantization="none", purpose="infer").model
    requests = [ask("my refund?", max_tokens=8), ask("repair", max_tokens=8)]
    assert [c.text for c in pair.complete(requests)] == [generated(model, pair, r) for r in requests]
    [chosen] = pair.complete([ask("which?", choices=("refund", "repair"))])
    assert chosen.text in ("refund", "repair")
    assert chosen.completion_tokens == 1
    [matched] = pair.complete([ask("which?", regex="re(fund|pair)")])
    assert matched.text in ("refund", "repair")
