"""Adapters: many over one base in memory, of every method; rows of most of them share passes with one another and the base's.

PEFT reads a folder of layers and puts them into the base. For plain LoRA those layers then compute each row's own difference,
y[rows] += B(A(x[rows])) · scale, in the order of PEFT's own `adapter_names=` but without its hooks on every module at every
pass. Virtual tokens are a cached beginning of their rows. Interventions and bottlenecks change their own rows by hooks, which are
there only in passes that hold such rows. Other methods run one adapter at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Adapter, split_task
from domainkit.adapters.methods.activations.reft_layers import Interventions, shares
from domainkit.adapters.peft_patches import mend_peft
from domainkit.adapters.tuned_model import Hooked, Tuning, load_tuning, own_method
from domainkit.errors import AdapterError
from domainkit.inference.adapters.peft_layers import (
    holds,
    is_plain_lora,
    keep_rotations,
    missing_weights,
    read_config,
    refuse,
    strip,
    unwarned,
)
from domainkit.inference.adapters.virtual_tokens import task_number, virtual_state
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.mixed_lora import Route, routed, stack_up
from domainkit.inference.engine.acceleration.shared_prefix_attention import row_index
from domainkit.models.encoder_decoder import is_encoder_decoder
from domainkit.models.memory import State, return_freed_memory
from domainkit.storage import sha256_file

MIXED = "mixed"
"""The family whose rows share a pass: the base, plain LoRA, virtual tokens, interventions and bottlenecks."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An adapter in memory. Rows of one `family` may share a pass; `state` is that of the virtual tokens they begin with, or
    the embeddings (tokens, hidden) that an encoder reads before their prompts."""

    name: str
    family: str
    bytes: int = 0
    state: State | torch.Tensor | None = None
    tuning: Tuning | None = None

    @property
    def ahead(self) -> int:
        """Virtual tokens before the prompt."""
        if isinstance(self.state, torch.Tensor):
            return len(self.state)
        return self.state[0][0].shape[1] if self.state else 0

    @property
    def in_layers(self) -> bool:
        """PEFT holds it, in layers of its own."""
        return self.state is None and self.tuning is None

    def private(self, prompt: int) -> int:
        """Last tokens of a prompt of so many whose state depends on where it ends; what is before them may be shared."""
        if not isinstance(self.tuning, Interventions):
            return 0
        first, last = shares(prompt, self.tuning.first, self.tuning.last)
        return last if first == self.tuning.first else prompt


ALONE = Loaded("", MIXED)
"""The base without an adapter."""


@lru_cache(maxsize=256)
def _read(folder: str, weights: tuple[int, int], config: tuple[int, int]) -> tuple[Adapter, str]:
    adapter = Adapter.load(folder, need_card=False)
    return adapter, f"{adapter.weights_sha256[:16]}-{sha256_file(Path(folder) / PEFT_CONFIG)[:8]}"


def read_adapter(spec: str) -> tuple[Adapter, str]:
    """The verified adapter of `folder` or `folder#task`, and a name made from its bytes; hashed again only when a file has changed."""
    folder, task = split_task(spec)
    stamps = []
    for file in (WEIGHTS, PEFT_CONFIG):
        try:
            stat = (Path(folder) / file).stat()
        except OSError:
            Adapter.load(folder, need_card=False)  # says what is missing
            raise
        stamps.append((stat.st_mtime_ns, stat.st_size))
    adapter, name = _read(folder, *stamps)
    return adapter, name if task is None else f"{name}#{task}"


class AdapterPool:
    """Adapters over `model`, at most `limit` and `most_bytes` of their files in memory, but always one. One thread only.

    `one_by_one`: passes hold one row, whose state is the base's own cache. `begins`: a row's state may begin with virtual tokens.
    """

    def __init__(
        self,
        model: Any,
        fingerprint: str,
        base: str,
        limit: int = 16,
        most_bytes: int | None = None,
        acceleration: Acceleration = ALL_ON,
    ) -> None:
        self._model = model
        self._fingerprint = fingerprint
        self._base = base
        self._limit = limit
        self._most_bytes = most_bytes
        self._acceleration = acceleration
        self._host: Any = None
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._tunings: dict[str, Tuning] = {}
        self._route = Route()
        self.one_by_one, self.begins = False, True

    def load(self, spec: str, in_use: Collection[str] = ()) -> Loaded:
        """The adapter of `folder` or `folder#task`, read on first use or when its files have changed. `in_use` are names that
        must stay.

        Raises AdapterError: missing, damaged, of another base, of a kind that cannot be served, or without the task it needs.
        """
        adapter, name = read_adapter(spec)
        if name not in self._loaded:
            adapter.check_base(self._fingerprint, self._base)
            self._make_room(in_use, (adapter.folder / WEIGHTS).stat().st_size)
            loaded = self._open(adapter, name, split_task(spec)[1])
            return_freed_memory()  # reading an adapter holds a copy of it for a moment: a third of it stayed
            self._loaded[name] = loaded
            if loaded.tuning is not None:
                self._tunings[name] = loaded.tuning
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def enter(self, family: str, names: Sequence[str | None], rows: Sequence[Any] = ()) -> None:
        """Set the next pass: row i is of adapter names[i], None the base alone. All rows are of `family`; `rows` are the
        scheduler's, for adapters that act by position."""
        if self._tunings:
            self._switch(family, names, rows)
        if self._host is None:
            return
        if family == MIXED or family in self._tunings:
            self._only_mixed()
            self._route.enter(self._parts(names))
        else:
            self._route.enter(None)
            self._host.base_model.enable_adapter_layers()
            self._host.set_adapter(family)

    def compatible(self, spec: str) -> bool:
        """Whether the adapter can be loaded while others of the pool are in use."""
        if self._host is None or read_adapter(spec)[1] in self._loaded:
            return True
        folder = split_task(spec)[0]
        method = own_method(folder)
        if method is not None:
            return method.by_rows
        config = read_config(folder)
        return config.is_prompt_learning or config.peft_type == self._host_type()

    def _parts(self, names: Sequence[str | None]) -> list[tuple[str, slice | torch.Tensor]]:
        used = [n for n in dict.fromkeys(names) if n is not None and self._loaded[n].in_layers]
        return [(n, row_index([i for i, m in enumerate(names) if m == n], self._model.device)) for n in used]

    def _only_mixed(self) -> None:
        """Layers of other methods step aside."""
        if self._host_type() != "LORA" or any(a.family != MIXED for a in self._loaded.values() if a.in_layers):
            self._host.base_model.disable_adapter_layers()

    def _switch(self, family: str, names: Sequence[str | None], rows: Sequence[Any]) -> None:
        """Take out what the pass must not have, then put in what it must: two may change the same weights."""
        wanted = {name for name in self._tunings if name == family or (family == MIXED and name in names)}
        for name, tuning in self._tunings.items():
            if name not in wanted:
                tuning.switch(False)
        for name in wanted:
            tuning, mine = self._tunings[name], [i for i, n in enumerate(names) if n == name]
            if isinstance(tuning, Interventions):
                tuning.switch(self._aim(tuning, rows, mine))
                continue
            if isinstance(tuning, Hooked):
                everywhere = len(mine) == len(names)
                tuning.rows = None if everywhere else torch.tensor(mine, device=self._model.device)
            tuning.switch(True)

    def _aim(self, tuning: Interventions, rows: Sequence[Any], mine: list[int]) -> bool:
        """Tell it where the pass's prompts lie; False when the pass reaches none of its positions."""
        ends = [len(row.prompt) for row in rows]
        if is_encoder_decoder(
            self._model
        ):  # its encoder reads prompts whole; passes that do not run it are not changed
            prompts = [row.seat.encoded for row in rows]
            sizes = [n + self._lead(row.owner) for n, row in zip(prompts, rows, strict=True)]
            return tuning.aim([0] * len(rows), sizes, prompts, mine)
        if self.one_by_one:
            tuning.aimed, tuning.told = False, torch.tensor(ends, device=self._model.device)
            return True
        return tuning.aim([row.seat.length for row in rows], [len(row.seat.chunk) for row in rows], ends, mine)

    def _lead(self, name: str | None) -> int:
        """Virtual tokens that an encoder reads before the prompts of an adapter's rows."""
        state = self._loaded[name].state if name else None
        return len(state) if isinstance(state, torch.Tensor) else 0

    def _host_type(self) -> str:
        return str(next(iter(self._host.peft_config.values())).peft_type.value)

    def _make_room(self, in_use: Collection[str], size: int) -> None:
        for name in list(self._loaded):
            held = sum(a.bytes for a in self._loaded.values()) + size
            if len(self._loaded) < self._limit and (self._most_bytes is None or held <= self._most_bytes):
                return
            if name not in in_use:
                self._forget(name)

    def _forget(self, name: str) -> None:
        loaded = self._loaded.pop(name)
        tuning = self._tunings.pop(name, None)
        if tuning is not None:
            tuning.switch(False)
        elif loaded.in_layers and any(a.in_layers for a in self._loaded.values()):
            self._delete(name)
            stack_up(self._host)
        elif loaded.in_layers:
            self._detach()

    def _detach(self) -> None:
        """Take every adapter layer out of the base again."""
        strip(self._model)
        self._host = None
        for name in [n for n, a in self._loaded.items() if a.in_layers]:
            del self._loaded[name]

    def _open(self, adapter: Adapter, name: str, task: str | None) -> Loaded:
        folder, size = str(adapter.folder), (adapter.folder / WEIGHTS).stat().st_size
        method = own_method(folder)
        config: Any = None if method is not None else read_config(folder)
        if task is not None and getattr(config, "peft_type", None) != "MULTITASK_PROMPT_TUNING":
            raise AdapterError(
                f"holds no tasks, and the task '{task}' is asked for", where=folder, next_step=f"use {folder}"
            )
        if method is not None:
            return self._tune(folder, name, method, size)
        if config.is_prompt_learning:
            return Loaded(name, MIXED, size, state=self._read_virtual(adapter, config, task))
        return self._attach(folder, name, config, size)

    def _tune(self, folder: str, name: str, method: Any, size: int) -> Loaded:
        """An adapter of domainkit's own."""
        if not method.by_rows and self._host is not None:
            self._detach()  # it stands in for weights that PEFT's layers would wrap
        self._all_off()
        tuning = load_tuning(self._model, folder, method)
        tuning.requires_grad_(False)
        tuning.settle()
        return Loaded(name, MIXED if method.by_rows else name, size, tuning=tuning)

    def _all_off(self) -> None:
        """The base as it is; the next pass puts in what it needs."""
        for tuning in self._tunings.values():
            tuning.switch(False)

    def _read_virtual(self, adapter: Adapter, config: Any, task: str | None) -> State | torch.Tensor:
        """The state of an adapter's virtual tokens."""
        folder = str(adapter.folder)
        if not self.begins:
            raise AdapterError(
                f"{config.peft_type.value} needs a base whose state is keys and values only, and this one's is more",
                where=folder,
                next_step="train with a method that changes layers (domainkit methods lists them)",
            )
        count = getattr(config, "num_tasks", 1) if config.peft_type == "MULTITASK_PROMPT_TUNING" else 1
        number = task_number(adapter, task, count)
        self.enter(MIXED, [None])
        try:
            with unwarned(self._model):
                from peft import PeftModel

                host = PeftModel.from_pretrained(self._model, folder, is_trainable=False).eval()
            return virtual_state(self._model, host, number)
        except (RuntimeError, ValueError, KeyError, Warning) as e:
            raise self._misfit(e, folder) from e

    def _misfit(self, e: Exception, folder: str) -> AdapterError:
        what = str(e).strip().splitlines()[0]
        return AdapterError(
            f"does not fit {self._base}: {what}", where=folder, next_step="use the base it was trained on"
        )

    def _attach(self, folder: str, name: str, config: Any, size: int) -> Loaded:
        """An adapter in PEFT's layers."""
        refuse(config, folder)
        mend_peft()
        if self._host is not None and self._host_type() != str(config.peft_type.value):
            self._detach()
        try:
            self._all_off()
            self._read_layers(folder, name)
            missing = missing_weights(self._host, folder, name)
        except (RuntimeError, ValueError, KeyError, Warning) as e:
            self._withdraw(name)
            raise self._misfit(e, folder) from e
        if missing:
            self._withdraw(name)
            raise AdapterError(
                f"its weights are incomplete: {len(missing)} are missing, {missing[0]} among them",
                where=folder,
                next_step="copy the folder again, or train again",
            )
        self._host.requires_grad_(False)
        self._host.eval()
        if config.peft_type == "BOFT":
            keep_rotations(self._host)
        mixed = self._acceleration.mixed_lora and is_plain_lora(config) and self._install_routes(name)
        return Loaded(name, MIXED if mixed else name, size)

    def _read_layers(self, folder: str, name: str) -> None:
        from peft import PeftModel

        with unwarned(self._model):
            if self._host is None:
                self._host = PeftModel.from_pretrained(self._model, folder, adapter_name=name, is_trainable=False)
            else:
                self._host.load_adapter(folder, adapter_name=name, is_trainable=False)

    def _withdraw(self, name: str) -> None:
        """Undo a failed load."""
        if self._host is None or not any(a.in_layers for a in self._loaded.values()):
            self._detach()
        elif name in self._host.peft_config:
            self._delete(name)

    def _delete(self, name: str) -> None:
        others = [n for n in self._host.peft_config if n != name]
        if name in self._host.active_adapters and others:  # PEFT would warn that it chooses one itself
            self._host.set_adapter(others[0])
        self._host.delete_adapter(name)

    def _install_routes(self, name: str) -> bool:
        """Let the adapter's layers compute by route; False when one of them is of a kind that cannot."""
        from peft.tuners.lora.layer import LoraLayer

        layers: list[Any] = [m for m in self._host.modules() if isinstance(m, LoraLayer) and holds(m, name)]
        if not all(type(m).__name__ in ("Linear", "Linear4bit", "Linear8bitLt") for m in layers):
            return False
        for layer in layers:
            if not hasattr(layer, "_domainkit_stack"):
                layer.forward = routed(layer, layer.forward, self._route)
        stack_up(self._host)
        return True


__all__ = ["ALONE", "MIXED", "AdapterPool", "Loaded", "read_adapter"]
