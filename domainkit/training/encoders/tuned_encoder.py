"""TunedEncoder: a small sentence encoder with a linear head over its mean vector, which names one of the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from domainkit.library_logs import quiet_bars
from domainkit.progress import stage
from domainkit.results.schema import TrainingReceipt
from domainkit.threads import run_in_short_lived_thread

LONGEST = 256
"""Word pieces that are read of a text; the rest is cut."""
BATCH = 64
FORMAT = "domainkit.encoder/1"


class TunedEncoder:
    """Texts to labels. Only what training changed is on disk; the rest is read from the encoder it began with."""

    def __init__(
        self, model: Any, tokenizer: Callable[..., Any], labels: Sequence[str], head: torch.nn.Linear, facts: Any = None
    ) -> None:
        self.model, self.tokenizer, self.labels, self.head = model, tokenizer, list(labels), head
        self.receipt: TrainingReceipt | None = TrainingReceipt.model_validate(facts["receipt"]) if facts else None
        self.read: str = facts["read"] if facts else ""
        """How much of the training rows was read, in words."""

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The label of each text; texts of like length share a pass."""
        return run_in_short_lived_thread(lambda: self._predict(list(texts))) if texts else []

    def _predict(self, texts: list[str]) -> list[str]:
        ids, found = self.encode(texts), [""] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                best = self.head(self.vectors([ids[i] for i in rows])).argmax(1).tolist()
                for i, label in zip(rows, best, strict=True):
                    found[i] = self.labels[label]
        return found

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids, with the marks of start and end."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
        return ids

    def vectors(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """The mean over the tokens, of length 1, float32 (rows, width), as sentence-transformers makes them."""
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return normalize((states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True))

    def save(self, folder: Path, source: str) -> None:
        """Fill an empty folder; `source` names the encoder that training began with."""
        tensors = {name: p.detach().contiguous() for name, p in self.model.encoder.named_parameters()}
        save_file(tensors, folder / "layers.safetensors")
        save_file({"weight": self.head.weight.data, "bias": self.head.bias.data}, folder / "head.safetensors")
        receipt = self.receipt.model_dump() if self.receipt else None
        facts = {"format": FORMAT, "source": source, "labels": self.labels, "receipt": receipt, "read": self.read}
        # Written last: a folder with it is whole.
        (folder / "encoder.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, source: str) -> TunedEncoder:
        """What `save` wrote, on the same encoder `source`."""
        facts = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        model, tokenizer = load_encoder(source)
        model.encoder.load_state_dict(load_file(folder / "layers.safetensors"))
        tensors = load_file(folder / "head.safetensors")
        head = new_head(tensors["weight"].shape[1], len(facts["labels"]))
        head.load_state_dict(tensors)
        return cls(model, tokenizer, facts["labels"], head.requires_grad_(False), facts)


def new_head(width: int, labels: int) -> torch.nn.Linear:
    """A linear layer of zeros. PyTorch's own would draw its first weights from the global random numbers."""
    head = torch.nn.utils.skip_init(torch.nn.Linear, width, labels)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    return head


def load_encoder(source: str) -> tuple[Any, Callable[..., Any]]:
    """(model, tokenizer) of a folder or hub id, float32, nothing trainable, without dropout."""
    from transformers import AutoModel, AutoTokenizer

    with stage("loading the encoder"), quiet_bars():
        model = AutoModel.from_pretrained(source, use_safetensors=True, dtype=torch.float32, trust_remote_code=False)
    return model.eval().requires_grad_(False), AutoTokenizer.from_pretrained(source, trust_remote_code=False)


__all__ = ["TunedEncoder", "load_encoder", "new_head"]
