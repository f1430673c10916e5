"""Virtual tokens in serving: what an adapter puts before each prompt, as keys and values that its rows begin with.

The base reads what follows as it would follow any cached beginning, so that rows with virtual tokens share passes with all others.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache

from domainkit.adapters.folder import Adapter
from domainkit.errors import AdapterError
from domainkit.models.encoder_decoder import is_encoder_decoder
from domainkit.models.memory import State
from domainkit.registry import suggestion


def virtual_state(model: Any, host: Any, task: int) -> State | torch.Tensor:
    """Keys and values of the virtual tokens of `host`, a PeftModel over `model` with one prompt-learning adapter.

    Prefix tuning learns them as they are; the others learn embeddings, which the base reads once. An encoder reads them anew
    with each prompt, since they see it too: for an encoder-decoder, they are given as they are (tokens, hidden).
    """
    kind = host.active_peft_config.peft_type.value
    tasks = torch.tensor([task], device=model.device) if kind == "MULTITASK_PROMPT_TUNING" else None
    prompt = host.get_prompt(batch_size=1, task_ids=tasks)
    if isinstance(prompt, torch.Tensor) and is_encoder_decoder(model):
        return prompt[0, : host.active_peft_config.num_virtual_tokens].to(model.dtype).clone()
    if isinstance(prompt, torch.Tensor):
        cache = DynamicCache()
        model(inputs_embeds=prompt.to(model.dtype), past_key_values=cache, use_cache=True, logits_to_keep=1)
        prompt = cache
    prompt = getattr(prompt, "self_attention_cache", prompt)  # an encoder-decoder's prefix is its decoder's
    layers = [(layer.keys, layer.values) for layer in prompt.layers]
    return [(k[0].to(model.dtype).clone(), v[0].to(model.dtype).clone()) for k, v in layers]


def task_number(adapter: Adapter, task: str | None, count: int) -> int:
    """The number of the named task (a name, or a number) among `count`. Raises AdapterError when there is none, or none is named."""
    options = adapter.card.config.get("method_options", {}) if adapter.card else {}
    names = [str(name) for name in options.get("tasks") or range(count)]
    if task is None and count == 1:
        return 0
    if task is None:
        raise AdapterError(
            f"holds {count} tasks ({', '.join(names)}), and none is named",
            where=str(adapter.folder),
            next_step=f"name one behind the folder: adapter='{adapter.folder}#{names[0]}'",
        )
    if task in names:
        return names.index(task)
    if task.isdecimal() and int(task) < count:
        return int(task)
    raise AdapterError(f"has no task '{task}'", where=str(adapter.folder), next_step=suggestion(task, names))


__all__ = ["task_number", "virtual_state"]
