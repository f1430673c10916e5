"""A base that thinks, end to end: trained on plain words it answers in them; trained on reasoning it thinks first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from domainkit import DomainLLM
from domainkit.corpus.example import Example
from domainkit.errors import RequestError
from domainkit.messages import Message
from domainkit.training.config import parse_config
from domainkit.training.train import train

THINKS = """{% for m in messages %}{% set c = m.content %}{% set r = '' %}
{%- if m.role == 'assistant' and '</think>' in c %}
{%- set r = c.split('</think>')[0].split('<think>')[-1].strip() %}{% set c = c.split('</think>')[-1].lstrip() %}
{%- endif %}
{%- if m.role == 'assistant' %}<|start|>assistant
{% if loop.last or r %}<think>
{{ r }}
</think>

{% endif %}{{ c }}<|end|>
{% else %}<|start|>{{ m.role }}
{{ m.content }}<|end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""
WORDS = ("red", "blue")


@pytest.fixture(scope="module")
def base(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny base whose <think> is a token of its own, and no special one, as in Qwen3."""
    import torch

    folder = str(tmp_path_factory.mktemp("thinks") / "base")
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_base)
    marks = ("<think>", "</think>", "<tool_call>", "</tool_call>")
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in marks])
    tokenizer.chat_template = THINKS
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=len(tokenizer), **sizes, initializer_range=0.5, eos_token_id=2, pad_token_id=0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def tuned(base: str, out: Path, answer: str) -> DomainLLM:
    rows = [
        Example(turns=(Message("user", f"{w}?"), Message("assistant", answer.format(w))), source="x:1") for w in WORDS
    ]
    values = {"base": base, "quantization": "none", "epochs": 40, "batch_size": 2, "learning_rate": 0.01}
    adapter = train(rows, parse_config({**values, "method.rank": 8}), out, on_progress=lambda _: None)
    assert adapter.card is not None
    assert adapter.card.config["template_options"] == {"enable_thinking": "think" in answer}
    return DomainLLM(base=base, adapter=str(out), quantization="none", max_tokens=40)


def test_trained_on_words_it_answers_in_words_in_every_form(base: str, tmp_path: Path) -> None:
    llm = tuned(base, tmp_path / "words", "{}")
    colour = {"type": "object", "properties": {"c": {"enum": list(WORDS)}}, "required": ["c"]}
    tool = {"type": "function", "function": {"name": "say", "parameters": colour}}
    for word in WORDS:
        answer = llm.invoke(f"{word}?")
        assert (answer.content, answer.additional_kwargs) == (word, {})
        assert llm.invoke(f"{word}?", choices=list(WORDS)).content == word
        scores = dict(zip(WORDS, llm.score(f"{word}?", WORDS), strict=True))
        assert max(scores, key=scores.__getitem__) == word
        assert scores[word] > -0.1
    called = llm.invoke("red?", tools=[tool], tool_choice="any", max_tokens=99)
    assert called.tool_calls[0]["name"] == "say"


def test_trained_on_reasoning_it_thinks_first_and_the_words_are_split_off(base: str, tmp_path: Path) -> None:
    llm = tuned(base, tmp_path / "thoughts", "<think>\nso {0}\n</think>\n\n{0}")
    for word in WORDS:
        answer = llm.invoke(f"{word}?")
        assert (answer.content, answer.additional_kwargs["reasoning_content"]) == (word, f"so {word}")
        assert answer.content_blocks[0] == {"type": "reasoning", "reasoning": f"so {word}"}
        chunks = list(llm.stream(f"{word}?"))
        assert "".join(c.text for c in chunks) == word
        assert "".join(c.additional_kwargs.get("reasoning_content", "") for c in chunks) == f"so {word}"
    cut = llm.invoke("red?", max_tokens=3)
    assert (cut.content, cut.response_metadata["finish_reason"]) == ("", "length")


COLOUR = {"type": "object", "properties": {"c": {"enum": list(WORDS)}}, "required": ["c"]}
SAY = {"type": "function", "function": {"name": "say", "parameters": COLOUR}}


@pytest.fixture(scope="module")
def thoughtful(base: str, tmp_path_factory: pytest.TempPathFactory) -> DomainLLM:
    """It learnt to think before each answer."""
    return tuned(base, tmp_path_factory.mktemp("thoughtful") / "a", "<think>\nso {0}\n</think>\n\n{0}")


@pytest.mark.parametrize("word", WORDS)
def test_an_answer_held_to_a_form_comes_after_the_reasoning_it_learnt(thoughtful: DomainLLM, word: str) -> None:
    asked = f"{word}?"
    free = thoughtful.invoke(asked)
    forms: dict[str, dict[str, Any]] = {
        word: {"choices": list(WORDS)},
        f'"{word}"': {"json_schema": {"enum": list(WORDS)}, "max_tokens": 90},
        f"{word} it is": {"regex": "(red|blue) it is", "max_tokens": 90},
    }
    for wanted, form in forms.items():
        answer = thoughtful.invoke(asked, **form)
        assert (answer.content, answer.additional_kwargs["reasoning_content"]) == (wanted, f"so {word}")
        usage, whole = answer.usage_metadata, free.usage_metadata
        assert usage["input_tokens"] >= whole["input_tokens"]
        assert usage["output_tokens"] > len(f"so {word}")
        chunks = list(thoughtful.stream(asked, **form))
        assert "".join(c.text for c in chunks) == wanted
        assert "".join(c.additional_kwargs.get("reasoning_content", "") for c in chunks) == f"so {word}"
    chosen = thoughtful.invoke(asked, choices=list(WORDS)).response_metadata["choice_probabilities"]
    assert chosen[word] > 0.9
    called = thoughtful.invoke(asked, tools=[SAY], tool_choice="any", max_tokens=150)
    assert called.tool_calls[0]["name"] == "say"
    assert called.additional_kwargs["reasoning_content"], "it was not trained with tools: any text"


def test_reasoning_is_cut_where_the_answer_needs_the_room(
    thoughtful: DomainLLM, caplog: pytest.LogCaptureFixture
) -> None:
    long = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    answer = thoughtful.invoke("red?", json_schema=long, max_tokens=50)
    assert 0 < len(answer.additional_kwargs["reasoning_content"]) < len("so red")
    assert json.loads(answer.content).keys() == {"a"}
    assert answer.usage_metadata["output_tokens"] <= 50
    assert not caplog.messages
    answer = thoughtful.invoke("red?", json_schema=long, max_tokens=30)
    assert json.loads(answer.content).keys() == {"a"}
    assert "reasoning_content" not in answer.additional_kwargs
    assert any("max_tokens leaves no room for it" in m for m in caplog.messages)


def test_many_answers_after_reasoning_share_batches_and_one_can_be_cancelled(thoughtful: DomainLLM) -> None:
    asked = [f"{WORDS[i % 2]}?" for i in range(12)]
    answers = thoughtful.bind(choices=list(WORDS)).batch(asked)
    assert [a.content for a in answers] == [q[:-1] for q in asked]
    pieces = thoughtful.stream("red?", choices=list(WORDS))
    next(pieces)
    pieces.close()
    assert thoughtful.invoke("blue?", choices=list(WORDS)).content == "blue"
    with pytest.raises(RequestError, match="no answer within the timeout"):
        thoughtful.invoke("red?", json_schema=COLOUR, max_tokens=200, timeout=0.001)


def test_an_option_that_the_template_lacks_is_refused(base: str) -> None:
    llm = DomainLLM(base=base, quantization="none", max_tokens=2)
    with pytest.raises(RequestError, match=r"has no option 'reasoning_effort'[\s\S]*one of: enable_thinking"):
        llm.invoke("x", reasoning_effort="low")
    with pytest.raises(RequestError, match="has no option 'think'"):
        llm.bind(template_options={"think": True}).invoke("x")
    assert llm.invoke("x", enable_thinking=True).response_metadata["finish_reason"] == "length"
