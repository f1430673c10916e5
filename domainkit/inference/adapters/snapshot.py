"""A snapshot of modules, by which a load that fails is undone whatever it had done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch


class Snapshot:
    """What the attributes of these objects are, and what their dicts, lists and sets hold.

    Loading an adapter replaces modules, adds entries to those of other adapters, registers hooks and sets flags. All of
    that is attributes. The numbers in tensors are not copied: nothing that loads may write into a tensor of the base.
    """

    def __init__(self, roots: Iterable[torch.nn.Module], others: Iterable[object]) -> None:
        modules = dict.fromkeys(module for root in roots for module in root.modules())
        self._states = [(thing, _contents(thing)) for thing in (*modules, *others)]

    def restore(self) -> None:
        for thing, contents in self._states:
            attributes = vars(thing)
            attributes.clear()
            for name, (value, inside) in contents.items():
                # The same container, filled again: a hook's handle, for one, keeps a reference to its dict.
                if isinstance(value, list):
                    value[:] = inside
                elif isinstance(value, (dict, set)):
                    value.clear()
                    value.update(inside)
                attributes[name] = value


def _contents(thing: object) -> dict[str, tuple[Any, Any]]:
    """{attribute: (its value, a copy of what it holds)}"""
    return {
        name: (value, value.copy() if isinstance(value, (dict, list, set)) else None)
        for name, value in vars(thing).items()
    }
