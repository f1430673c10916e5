"""Adapter pool: many adapters of every method over one base in memory, and what each forward pass computes with.

Most adapters share passes with each other and with the base:
- plain LoRA: each row adds its own BAx (engine/acceleration/mixed_lora.py);
- virtual tokens: they are keys and values at the start of a row's slot;
- interventions and bottlenecks: hooks change the rows of their adapter.
Adapters of all other methods have passes of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from domainkit.adapters.adapter_module import AdapterModule, RowPositions
from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Adapter, split_task
from domainkit.adapters.methods import abilities_of, read_adapter_config
from domainkit.adapters.peft_config import read_peft_config
from domainkit.adapters.tuned_model import load_adapter_module, native_method
from domainkit.errors import AdapterError, DomainkitError, MachineError, first_line
from domainkit.inference.adapters.peft_layers import (
    ConflictError,
    PeftLayers,
    check_removable,
    type_of,
)
from domainkit.inference.adapters.snapshot import Snapshot
from domainkit.inference.adapters.virtual_tokens import VirtualTokens, read_virtual_tokens, task_number
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.row_index import row_index
from domainkit.models.memory import out_of_memory, return_freed_memory
from domainkit.storage import sha256_file

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

MIXED = "mixed"
"""The batch key of the base and of all adapters that share passes with it."""


@dataclass(frozen=True, eq=False, slots=True)
class LoadedAdapter:
    """An adapter in memory."""

    name: str
    """Made from the hashes of its files."""
    batch_key: str
    """Rows can share a forward pass if their adapters' keys are equal."""
    bytes: int = 0
    virtual_tokens: VirtualTokens | None = None
    tuning: AdapterModule | None = None
    """Of the methods that PEFT lacks."""
    in_peft_layers: bool = False

    @property
    def n_virtual(self) -> int:
        """Virtual tokens before the prompt."""
        if isinstance(self.virtual_tokens, torch.Tensor):
            return len(self.virtual_tokens)
        return self.virtual_tokens[0][0].shape[1] if self.virtual_tokens else 0

    def n_unshareable(self, prompt_length: int) -> int:
        """Last tokens of a prompt whose state no other prompt can use; the state of those before can be shared."""
        return self.tuning.n_unshareable(prompt_length) if self.tuning else 0


StockPass = Callable[..., torch.Tensor]
"""Logits of the stock library's own pass over input_ids (and decoder_input_ids), with the adapter."""
Trial = Callable[[LoadedAdapter, StockPass], str | None]
"""Says how the engine computes an adapter otherwise than the stock library, if it does."""

NO_ADAPTER = LoadedAdapter("", MIXED)
"""The base alone."""


@dataclass(frozen=True, slots=True)
class PassRow:
    """One row of a forward pass: its adapter, and which tokens of its sequence it reads."""

    adapter: LoadedAdapter = NO_ADAPTER
    start: int = 0
    """Position of the first token."""
    n_tokens: int = 0
    prompt_length: int = 0
    n_encoded: int = 0
    """First tokens of the prompt that an encoder reads; 0 for a decoder-only base."""


class AdapterPool:
    """Adapters over one base, at most `limit` of them and `max_bytes` of their files in memory, but always one.

    Only the thread that runs the model may use it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        fingerprint: str,
        base: str,
        *,
        limit: int = 16,
        max_bytes: int | None = None,
        takes_virtual_tokens: bool = True,
        acceleration: Acceleration = ALL_ON,
    ) -> None:
        self._model = model
        self._fingerprint = fingerprint
        self._base = base
        self._limit = limit
        self._max_bytes = max_bytes
        self._takes_virtual_tokens = takes_virtual_tokens  # a row's state can begin with theirs
        self._mixes_lora = acceleration.mixed_lora
        self._loaded: OrderedDict[str, LoadedAdapter] = OrderedDict()  # least recently used first
        self._peft = PeftLayers(model)
        self._conflicting: set[str] = set()  # found not to load beside others
        self.trial: Trial | None = None
        """Tries each new adapter."""

    # ---- load and evict ----

    def load(self, spec: str, in_use: Collection[str] = ()) -> LoadedAdapter | None:
        """The adapter of `folder` or `folder#task`, read when it is new or its files have changed.

        Adapters named in `in_use` stay in memory; None if the new one cannot be loaded beside them. Raises
        AdapterError: missing, damaged, of another base, of a kind that cannot be served, or without the task it needs.
        After an error the base and the other adapters are as before.
        """
        adapter, name = read_adapter(spec)
        if name not in self._loaded:
            adapter.check_base(self._fingerprint, self._base)
            self._evict(in_use, _size(adapter))
            if not self._load(adapter, name, split_task(spec)[1], in_use):
                return None
            return_freed_memory()  # reading held a second copy of the weights
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def _load(self, adapter: Adapter, name: str, task: str | None, in_use: Collection[str]) -> bool:
        """Read a new adapter: beside the others, or without them if they stand in its way and are not in use."""
        self.enter([PassRow()])  # no other adapter may change the base meanwhile
        layers = Snapshot(self._peft.modules(), [self, *self._peft.parts()])
        try:
            try:
                if name not in self._conflicting and self._may_be_beside_others(adapter):
                    self._read(adapter, name, task)
                    return True
            except ConflictError:
                layers.restore()
                self._conflicting.add(name)
            if any(self._loaded[other].in_peft_layers for other in in_use if other in self._loaded):
                return False
            self._clear_peft_layers()
            self._read(adapter, name, task)
            return True
        except BaseException as e:
            layers.restore()
            if isinstance(e, DomainkitError) or not isinstance(e, Exception):
                raise
            raise self._misfit(e, adapter) from e

    def _may_be_beside_others(self, adapter: Adapter) -> bool:
        """PEFT's layers hold adapters of one type, and no tuning that replaces weights of the base."""
        if self._peft.peft_type is None:
            return True
        method = native_method(adapter.folder)
        if method is not None:
            return method.mixes_in_batch(read_adapter_config(adapter.folder))
        config = read_peft_config(adapter.folder)
        return config.is_prompt_learning or type_of(config) == self._peft.peft_type

    def _evict(self, in_use: Collection[str], new_bytes: int) -> None:
        """Remove least recently used adapters until a new one fits."""
        for name in list(self._loaded):
            total = sum(a.bytes for a in self._loaded.values()) + new_bytes
            if len(self._loaded) < self._limit and (self._max_bytes is None or total <= self._max_bytes):
                return
            if name not in in_use:
                self._remove(name)

    def _remove(self, name: str) -> None:
        adapter = self._loaded.pop(name)
        if adapter.tuning is not None:
            adapter.tuning.detach()
        elif adapter.in_peft_layers and self._others_in_peft_layers():
            self._peft.remove(name)
        elif adapter.in_peft_layers:
            self._peft.clear()

    def _others_in_peft_layers(self, name: str = "") -> bool:
        return any(a.in_peft_layers for a in self._loaded.values() if a.name != name)

    def _clear_peft_layers(self) -> None:
        self._peft.clear()
        for name in [name for name, a in self._loaded.items() if a.in_peft_layers]:
            del self._loaded[name]

    # ---- read one adapter, by the kind of its method ----

    def _read(self, adapter: Adapter, name: str, task: str | None) -> None:
        folder = str(adapter.folder)
        method = native_method(folder)
        config = None if method is not None else read_peft_config(folder)
        values = read_adapter_config(folder)
        abilities = abilities_of(values["peft_type"])
        if task is not None and not abilities.n_tasks(values):
            raise AdapterError(
                f"has no tasks, but the task '{task}' is requested", where=folder, next_step=f"use {folder}"
            )
        mixes = abilities.mixes_in_batch(values)
        if config is None:
            loaded, stock = self._read_tuning(adapter, name, method, mixes=mixes)
        elif config.is_prompt_learning:
            n_tasks = abilities.n_tasks(values)
            number = task_number(adapter, task, n_tasks) if n_tasks else None
            loaded, stock = self._read_virtual_tokens(adapter, name, config, number)
        else:
            loaded, stock = self._read_peft_layers(adapter, name, config, mixes=mixes)
        self._loaded[name] = loaded
        self._try(loaded, stock, folder)
        self._peft.forget_saved()

    def _try(self, loaded: LoadedAdapter, stock: StockPass, folder: str) -> None:
        """Raises AdapterError for an adapter that the engine computes otherwise than the stock library."""
        if self.trial is None:
            return
        problem = _problem(self.trial, loaded, stock)
        if problem and self._peft.serve_as_saved():
            problem = _problem(self.trial, loaded, stock)
        if problem and loaded.in_peft_layers and loaded.batch_key == MIXED:
            # A layer that gets its rows in a form of its own can still be computed by PEFT, in passes of one adapter.
            loaded = self._loaded[loaded.name] = replace(loaded, batch_key=loaded.name)
            problem = _problem(self.trial, loaded, stock)
        if problem and loaded.in_peft_layers and self._others_in_peft_layers(loaded.name):
            raise ConflictError(problem)
        if problem:
            raise AdapterError(
                f"cannot be computed as it was trained: {problem}",
                where=folder,
                next_step="serve it with PEFT itself, or train with a method that domainkit methods lists",
            )

    def _read_tuning(self, adapter: Adapter, name: str, method: Any, *, mixes: bool) -> tuple[LoadedAdapter, StockPass]:
        """An adapter of a method that PEFT lacks."""
        tuning = load_adapter_module(self._model, adapter.folder, method)
        tuning.requires_grad_(False)
        tuning.prepare_for_inference()
        loaded = LoadedAdapter(name, MIXED if mixes else name, _size(adapter), tuning=tuning)

        def one_row(**inputs: torch.Tensor) -> torch.Tensor:
            n = inputs["input_ids"].shape[1]
            n_encoded = n if "decoder_input_ids" in inputs else 0
            self.enter([PassRow(loaded, 0, n, n + bool(n_encoded), n_encoded)])
            return self._model(**inputs, use_cache=False).logits

        return loaded, one_row

    def _read_virtual_tokens(
        self, adapter: Adapter, name: str, config: PeftConfig, task: int | None
    ) -> tuple[LoadedAdapter, StockPass]:
        if not self._takes_virtual_tokens:
            raise AdapterError(
                f"{type_of(config)} needs a base whose state is keys and values only, and this one's is more",
                where=str(adapter.folder),
                next_step="train with a method that changes layers (domainkit methods lists them)",
            )
        virtual_tokens, stock = read_virtual_tokens(self._model, str(adapter.folder), task)
        return LoadedAdapter(name, MIXED, _size(adapter), virtual_tokens=virtual_tokens), stock

    def _read_peft_layers(
        self, adapter: Adapter, name: str, config: PeftConfig, *, mixes: bool
    ) -> tuple[LoadedAdapter, StockPass]:
        folder = str(adapter.folder)
        check_removable(config, folder)
        try:
            self._peft.add(folder, name)
        except DomainkitError:
            raise
        except Exception as e:
            if self._others_in_peft_layers() and not out_of_memory(e):  # they may be the reason
                raise ConflictError(first_line(e)) from e
            raise
        self._peft.cache_frozen_layers(abilities_of(type_of(config)))
        mixes = mixes and self._mixes_lora and self._peft.mix(name)

        def stock(**inputs: torch.Tensor) -> torch.Tensor:
            self._peft.use_one(name)
            return self._peft.forward(**inputs)

        return LoadedAdapter(name, MIXED if mixes else name, _size(adapter), in_peft_layers=True), stock

    def _misfit(self, error: Exception, adapter: Adapter) -> DomainkitError:
        if out_of_memory(error):
            return MachineError(
                "not enough memory for one more adapter",
                where=str(adapter.folder),
                next_step="ask for fewer adapters at once, or use quantization='nf4'",
            )
        return AdapterError(
            f"does not fit {self._base}: {first_line(error)}",
            where=str(adapter.folder),
            next_step="use the base it was trained on",
        )

    # ---- forward passes ----

    def enter(self, rows: Sequence[PassRow]) -> None:
        """Prepare the base for a forward pass over these rows. Their adapters have one batch key."""
        members: dict[str, list[int]] = {}  # rows of each adapter
        for i, row in enumerate(rows):
            if row.adapter is not NO_ADAPTER:
                members.setdefault(row.adapter.name, []).append(i)
        self._switch_tunings(rows, members)
        first = rows[0].adapter
        if first.in_peft_layers and first.batch_key != MIXED:
            self._peft.use_one(first.name)
        else:
            device = self._model.device
            lora = {name: row_index(i, device) for name, i in members.items() if self._loaded[name].in_peft_layers}
            self._peft.use_mixed(lora, (len(rows), max(row.n_tokens for row in rows)))

    def _switch_tunings(self, rows: Sequence[PassRow], members: dict[str, list[int]]) -> None:
        tunings = {name: a.tuning for name, a in self._loaded.items() if a.tuning is not None}
        # First off, then on: two tunings may replace the same weights.
        for name, tuning in tunings.items():
            if name not in members:
                tuning.detach()
        active = [name for name in members if name in tunings]
        positions = [self._positions(row) for row in rows] if active else []
        for name in active:
            # A pass may read none of the positions that a tuning changes. Then it stays off, and costs nothing.
            if tunings[name].prepare_pass(members[name], positions):
                tunings[name].attach()
            else:
                tunings[name].detach()

    def _positions(self, row: PassRow) -> RowPositions:
        if row.n_encoded:
            # The encoder reads a whole prompt after the embeddings of virtual tokens. The decoder is not changed.
            embeddings = row.adapter.virtual_tokens
            n_virtual = len(embeddings) if isinstance(embeddings, torch.Tensor) else 0
            return RowPositions(0, row.n_encoded + n_virtual, row.n_encoded)
        return RowPositions(row.start, row.n_tokens, row.prompt_length)


def _problem(trial: Trial, loaded: LoadedAdapter, stock: StockPass) -> str | None:
    try:
        return trial(loaded, stock)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError) as e:
        if out_of_memory(e):
            raise
        return first_line(e)


def read_adapter(spec: str) -> tuple[Adapter, str]:
    """The verified adapter of `folder` or `folder#task`, and a name made from its bytes."""
    folder, task = split_task(spec)
    stamps = []
    for file in (WEIGHTS, PEFT_CONFIG):
        try:
            stat = (Path(folder) / file).stat()
        except OSError:
            Adapter.load(folder, need_card=False)  # raises an error that says what is missing
            raise
        stamps.append((stat.st_mtime_ns, stat.st_size))
    adapter, name = _read_unchanged(folder, *stamps)
    return adapter, name if task is None else f"{name}#{task}"


@lru_cache(maxsize=256)
def _read_unchanged(folder: str, weights: tuple[int, int], config: tuple[int, int]) -> tuple[Adapter, str]:
    """Hashed again only when the (modification time, size) of a file has changed."""
    adapter = Adapter.load(folder, need_card=False)
    return adapter, f"{adapter.weights_sha256[:16]}-{sha256_file(Path(folder) / PEFT_CONFIG)[:8]}"


def _size(adapter: Adapter) -> int:
    return (adapter.folder / WEIGHTS).stat().st_size
