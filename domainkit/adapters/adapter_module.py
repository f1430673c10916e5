"""AdapterModule: the weights of an adapter that PEFT lacks. It attaches itself to a base, and detaches without a trace.

Training wraps one in a TunedModel; a server attaches many to one base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch.utils.hooks import RemovableHandle

from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True, slots=True)
class RowPositions:
    """The positions of its sequence that one row of a forward pass reads."""

    start: int | None
    """None: all positions that are not in the cache of the model's own."""
    size: int
    prompt_end: int
    """Position after the last token of the prompt."""


class AdapterModule(torch.nn.Module):
    """The weights of one adapter, and where in a base they act."""

    positional: ClassVar[bool] = False
    """What a pass changes depends on the positions of its prompts."""
    prompt_ends: torch.Tensor | None = None
    """(B) of a positional module: ends of the next pass's prompts. None: a pass without a cache reads prompts only."""

    def attach(self) -> None:
        """Attach the changes to the base; does nothing when they are attached."""
        raise NotImplementedError

    def detach(self) -> None:
        """Detach the changes from the base."""
        raise NotImplementedError

    def prepare_pass(self, rows: Sequence[int], positions: Sequence[RowPositions]) -> bool:
        """Change only these `rows` of the next forward pass. Returns False when that changes nothing in it."""
        return True

    def n_unshareable(self, prompt_length: int) -> int:
        """Last tokens of a prompt whose state depends on where the prompt ends, so that no longer prompt can use it."""
        return 0

    def weights(self) -> dict[str, torch.nn.Parameter]:
        """The trained tensors by the names they have in the adapter's file."""
        return dict(self.named_parameters())

    def prepare_for_inference(self) -> None:
        """Compute once what every pass would compute: the weights do not change any more."""

    def merge(self) -> None:
        """Change the base's weights instead, where the method is mergeable."""
        raise NotImplementedError


class HookedModule(AdapterModule):
    """Changes inputs or outputs of the base's modules by hooks; nothing of the base is replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: torch.Tensor | None = None
        """(n) rows of a pass that it changes; None: all."""
        self._handles: list[RemovableHandle] = []

    def prepare_pass(self, rows: Sequence[int], positions: Sequence[RowPositions]) -> bool:
        device = next(self.parameters()).device
        self.rows = None if len(rows) == len(positions) else torch.tensor(rows, device=device)
        return True

    def register_hooks(self) -> Iterator[RemovableHandle]:
        """Register each hook, yielding its handle."""
        raise NotImplementedError

    def attach(self) -> None:
        if not self._handles:
            self._handles = list(self.register_hooks())

    def detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []


def transformer_blocks(stack: torch.nn.Module) -> Sequence[torch.nn.Module]:
    """The blocks of an encoder or decoder in order. Raises ConfigError for a stack of another build."""
    lists = [m for m in stack.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    config = cast("PreTrainedConfig", stack.config)
    depth = getattr(config, "num_hidden_layers", None) or getattr(config, "num_layers", None)
    blocks = next((m for m in lists if len(m) == depth), None)
    if blocks is None:
        raise ConfigError(
            f"{type(stack).__name__} holds no list of {depth} blocks to adapt", next_step="use a LoRA-type method"
        )
    return list(blocks)


ModuleOutput = torch.Tensor | tuple[Any, ...]
"""What a block or a part of it returns: hidden states, or a tuple that starts with them."""


def hidden_states_of(output: ModuleOutput) -> tuple[torch.Tensor, Callable[[torch.Tensor], ModuleOutput]]:
    """(hidden states in a module's output, a function that puts others in their place)."""
    if isinstance(output, tuple):
        return output[0], lambda hidden: (hidden, *output[1:])
    return output, lambda hidden: hidden
