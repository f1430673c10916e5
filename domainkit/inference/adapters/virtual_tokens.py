"""Virtual tokens in serving: what an adapter puts before each prompt, as the first keys and values of its rows.

The base reads the prompt after them as it does after any cached prefix. So rows with virtual tokens share passes with
all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache

from domainkit.adapters.folder import Adapter
from domainkit.adapters.peft_loading import load_peft_adapter
from domainkit.errors import AdapterError
from domainkit.models.encoder_decoder import architecture_of
from domainkit.models.memory import KVState
from domainkit.registry import suggestion

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VirtualTokens = KVState | torch.Tensor
"""Keys and values of the virtual tokens; or embeddings (tokens, hidden), which an encoder reads before the prompt."""


def read_virtual_tokens(
    model: PreTrainedModel, folder: str, task: int | None
) -> tuple[VirtualTokens, Callable[..., torch.Tensor]]:
    """(the virtual tokens of a prompt-learning adapter, of its task of this number; PEFT's own pass with them).

    Raises PEFT's errors.
    """
    host = load_peft_adapter(model, folder)
    task_ids = None if task is None else torch.tensor([task], device=model.device)
    prompt: Any = host.get_prompt(batch_size=1, task_ids=task_ids)  # embeddings, or a cache of one of several classes

    def stock(**inputs: torch.Tensor) -> torch.Tensor:
        if task_ids is None:
            return host(**inputs).logits
        if (decoder_ids := inputs.pop("decoder_input_ids", None)) is not None:
            # PEFT 0.21 drops the decoder's ids here; from labels the base makes the same ids again.
            inputs["labels"] = decoder_ids.roll(-1, 1)
        return host(**inputs, task_ids=task_ids).logits

    if isinstance(prompt, torch.Tensor) and architecture_of(model).has_encoder:
        # The virtual tokens attend to the prompt too, so the encoder reads them again with each prompt.
        return prompt[0, : host.active_peft_config.num_virtual_tokens].to(model.dtype).clone(), stock
    if isinstance(prompt, torch.Tensor):
        # Embeddings (1, tokens, hidden): the base turns them into keys and values. Prefix tuning has learnt those.
        cache = DynamicCache()
        model(inputs_embeds=prompt.to(model.dtype), past_key_values=cache, use_cache=True, logits_to_keep=1)
        prompt = cache
    layers = getattr(prompt, "self_attention_cache", prompt).layers  # an encoder-decoder's prefix is before its answer
    return [(layer.keys[0].to(model.dtype).clone(), layer.values[0].to(model.dtype).clone()) for layer in layers], stock


def task_number(adapter: Adapter, task: str | None, n_tasks: int) -> int:
    """The number of the task with this name or number. Raises AdapterError when it does not exist, or none is named."""
    options = adapter.card.config.get("method_options", {}) if adapter.card else {}
    names = [str(name) for name in options.get("tasks") or range(n_tasks)]
    if task is None and n_tasks == 1:
        return 0
    if task is None:
        raise AdapterError(
            f"holds {n_tasks} tasks ({', '.join(names)}), and none is named",
            where=str(adapter.folder),
            next_step=f"name one after the folder: adapter='{adapter.folder}#{names[0]}'",
        )
    if task in names:
        return names.index(task)
    if task.isdecimal() and int(task) < n_tasks:
        return int(task)
    raise AdapterError(f"has no task '{task}'", where=str(adapter.folder), next_step=suggestion(task, names))
