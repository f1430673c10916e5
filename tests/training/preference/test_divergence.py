"""The measured divergence is the KL of the sampled answers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import load_base
from domainkit.training.preference.divergence import measure_divergence
from tests.training.preference.small_preferences import (
    END,
    EXAMPLES,
)


def test_drift_is_the_kl_of_the_sampled_answers(tiny_base: str) -> None:
    """Against a sum written out: a fresh adapter has none, one with random weights what softmax says."""
    base = load_base(tiny_base, quantization="none")
    model = attach(parse_method("lora", {"rank": 4}), base.model)
    prompts = [base.chat_template.encode_chat(EXAMPLES[i].prompt, add_generation_prompt=True)[i:] for i in range(2)]

    def measure() -> Any:
        return measure_divergence(
            model, base.tokenizer, prompts, stops=base.stop_token_ids, max_new_tokens=5, rows=2, seed=3
        )

    assert measure().kl == 0
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.2)
    state = torch.get_rng_state()
    found = measure()
    assert torch.equal(torch.get_rng_state(), state)  # measuring leaves the run's chance alone
    assert found == measure()
    assert found.prompts == 2
    torch.manual_seed(3)
    total, count = 0.0, 0
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    model.eval()
    with torch.no_grad():
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            top_k=0,
            top_p=1.0,
            max_new_tokens=5,
            eos_token_id=[END],
            pad_token_id=0,
            use_cache=True,
        )
        for prompt, row in zip(prompts, out[:, width:].tolist(), strict=True):
            answer = row[: row.index(END) + 1] if END in row else row
            full = torch.tensor([prompt + answer])
            own = model(full).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            with model.disable_adapter():
                theirs = model(full).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            total += float((own.exp() * (own - theirs)).sum())
            count += len(answer)
    assert found.tokens == count
    assert found.kl == pytest.approx(total / count, rel=1e-4)
