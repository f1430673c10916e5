"""Virtual tokens in serving: keys and values as PEFT's own wrapper would compute them, and tasks by name or number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.folder import Adapter
from domainkit.errors import AdapterError
from domainkit.inference.adapters.virtual_tokens import read_virtual_tokens, task_number
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import save_adapter

TOKENS = 5


@pytest.fixture(scope="module")
def folders(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    from peft import MultitaskPromptTuningConfig, PrefixTuningConfig, PromptTuningConfig

    folder, options = tmp_path_factory.mktemp("virtual"), {"task_type": "CAUSAL_LM", "num_virtual_tokens": TOKENS}
    configs: dict[str, Any] = {
        "prefix": PrefixTuningConfig(**options),
        "prompt": PromptTuningConfig(**options),
        "multitask": MultitaskPromptTuningConfig(num_tasks=2, **options),
    }
    return {name: save_adapter(tiny_base, folder / name, i, config) for i, (name, config) in enumerate(configs.items())}


@pytest.mark.parametrize(("name", "task"), [("prefix", None), ("prompt", None), ("multitask", 1)])
@torch.inference_mode()
def test_a_prompt_after_them_has_the_logits_of_pefts_wrapper(
    tiny_base: str, folders: dict[str, str], name: str, task: int | None
) -> None:
    from peft import PeftModel
    from transformers import DynamicCache

    from domainkit.adapters.methods import peft_warnings_muted

    model = load_base(tiny_base, quantization="none", purpose="infer").model
    virtual_tokens, _ = read_virtual_tokens(model, folders[name], task)
    assert isinstance(virtual_tokens, list)
    assert len(virtual_tokens) == model.config.num_hidden_layers
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(virtual_tokens):
        assert keys.shape == values.shape == (model.config.num_key_value_heads, TOKENS, keys.shape[2])
        cache.update(keys[None], values[None], layer)
    ids = torch.arange(10, 20)[None]
    served = model(ids, past_key_values=cache).logits
    with peft_warnings_muted():
        wrapped = PeftModel.from_pretrained(model, folders[name]).eval()
    tasks = {} if task is None else {"task_ids": torch.tensor([task])}
    expected = wrapped(input_ids=ids, attention_mask=torch.ones_like(ids), **tasks).logits[:, -ids.shape[1] :]
    torch.testing.assert_close(served, expected, rtol=1e-4, atol=1e-4)


def test_a_task_is_named_or_numbered(folders: dict[str, str]) -> None:
    adapter = Adapter.load(Path(folders["multitask"]), need_card=False)
    assert task_number(adapter, "1", 2) == 1
    assert task_number(adapter, None, 1) == 0
    with pytest.raises(AdapterError, match=r"holds 2 tasks \(0, 1\), and none is named"):
        task_number(adapter, None, 2)
    with pytest.raises(AdapterError, match="has no task '2'"):
        task_number(adapter, "2", 2)
