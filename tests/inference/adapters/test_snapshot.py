"""A snapshot puts modules back, whatever was done to them."""

from __future__ import annotations

import torch

from domainkit.inference.adapters.snapshot import Snapshot


class Holder:
    def __init__(self) -> None:
        self.names = {"a": 1}
        self.order = [1, 2]


def test_everything_is_put_back() -> None:
    inner = torch.nn.Linear(2, 2)
    model, holder = torch.nn.Sequential(inner, torch.nn.ReLU()), Holder()
    weight, names = inner.weight, holder.names
    calls: list[int] = []
    hook = inner.register_forward_hook(lambda *_: calls.append(1))
    snapshot = Snapshot([model], [holder])

    model[0] = torch.nn.Identity()
    inner.register_forward_hook(lambda *_: calls.append(2))
    inner.weight = torch.nn.Parameter(torch.zeros(2, 2))
    inner.register_buffer("more", torch.zeros(1))
    inner.extra = torch.nn.Linear(1, 1)
    inner.train(False)
    model.mark = True
    holder.names["b"] = 2
    holder.order, holder.new = [3], 4  # type: ignore[attr-defined]

    snapshot.restore()
    assert list(model) == [inner, model[1]]
    assert inner.weight is weight
    assert inner.training
    assert not list(inner.buffers())
    assert not list(inner.children())
    assert not hasattr(model, "mark")
    assert vars(holder) == {"names": {"a": 1}, "order": [1, 2]}
    assert holder.names is names
    model(torch.zeros(1, 2))
    assert calls == [1]
    hook.remove()
    model(torch.zeros(1, 2))
    assert calls == [1], "a handle still removes its hook"
