"""Encoder-decoder runner (T5 type): the encoder reads a prompt once, the decoder writes the answer.

A sequence's tokens are its prompt, then the decoder's opening token and the answer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch
from transformers import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot, KVCache, SlotAllocator
from domainkit.models.memory import KVState
from domainkit.models.quantization import picks_outliers

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class AnswerCache(KVCache):
    """Self-attention: keys and values of the answers. All rows of a pass start at one column."""

    start = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.start

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self.start + query_length, 0


class PromptCache(KVCache):
    """Cross-attention: keys and values of the encoded prompts, written by the decoder's layers in the encoding pass."""

    def expose_layers(self) -> None:
        """In passes without the encoder, transformers reads the selected rows from `layers` itself."""
        rows, width = self._read_rows, self._width
        self.layers = [
            SimpleNamespace(keys=k[rows, :, :width], values=v[rows, :, :width])  # type: ignore[misc]
            for k, v in zip(self.keys, self.values, strict=True)
        ]


class EncoderDecoderRunner(SlotAllocator[AnswerCache]):
    """Runs an encoder-decoder over chunks.

    An encoded prompt depends on all of its tokens, so prefixes cannot be shared.
    """

    takes_virtual_tokens = True

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model, AnswerCache())
        self.one_by_one = picks_outliers(model)
        self.prompt_cache = PromptCache()
        self._encoded: set[CacheSlot] = set()
        self._prompt_embeddings: dict[CacheSlot, torch.Tensor] = {}  # [virtual tokens, hidden]

    def isolated(self) -> EncoderDecoderRunner:
        """Another runner of the same model, with caches of its own."""
        return EncoderDecoderRunner(self.model)

    def batch_key(self, chunk: Chunk) -> tuple[bool, int, int, int]:
        """Such decoders count positions by column, so a batch is at one place of its answers."""
        alone = chunk.slot.index if self.one_by_one else -1
        return chunk.slot in self._encoded, *self._answer_span(chunk), alone

    # ---- slots ----

    def allocate(
        self, prompt_length: int, virtual_tokens: KVState | torch.Tensor | None = None, most_tokens: int = 0
    ) -> CacheSlot:
        slot = super().allocate(prompt_length, virtual_tokens, most_tokens)
        slot.n_encoded = prompt_length - 1  # the prompt's last token is the decoder's opening token
        return slot

    def _prepend(self, slot: CacheSlot, virtual_tokens: KVState | torch.Tensor) -> None:
        """Embeddings go before the prompt, keys and values before the answer."""
        if isinstance(virtual_tokens, torch.Tensor):
            self._prompt_embeddings[slot] = virtual_tokens
        else:
            super()._prepend(slot, virtual_tokens)

    def free(self, slot: CacheSlot) -> None:
        last = self._slots[-1]
        if last is not slot and last in self._encoded:
            # The last slot moves to this index; its encoded prompt has to move with it.
            self.prompt_cache.copy_row(last.index, slot.index, self._prompt_width(last))
        self._encoded.discard(slot)
        self._prompt_embeddings.pop(slot, None)
        super().free(slot)
        if not self._slots:
            self.prompt_cache.clear()

    def clear(self) -> None:
        super().clear()
        self.prompt_cache.clear()
        self._encoded.clear()
        self._prompt_embeddings.clear()

    def _answer_span(self, chunk: Chunk) -> tuple[int, int]:
        """(first column, number of columns) that the chunk writes of its answer; none for a part of the prompt."""
        start = chunk.slot.columns(chunk.start)
        return start, chunk.slot.columns(chunk.start + len(chunk.tokens)) - start

    def _prompt_width(self, slot: CacheSlot) -> int:
        """Positions of the encoded prompt."""
        embeddings = self._prompt_embeddings.get(slot)
        return slot.n_encoded + (0 if embeddings is None else len(embeddings))

    # ---- passes ----

    def forward(self, chunks: list[Chunk]) -> torch.Tensor:
        """Read chunks of one `batch_key`. Returns float [chunks, answer tokens, vocabulary]."""
        start, size = self._answer_span(chunks[0])
        # A part of a prompt is only collected: the encoder reads prompts whole.
        logits = self._forward(chunks, start, size) if size > 0 else torch.empty(len(chunks), 0, 0)
        for chunk in chunks:
            chunk.slot.tokens[chunk.start :] = chunk.tokens
        return logits

    def _forward(self, chunks: list[Chunk], start: int, size: int) -> torch.Tensor:
        device, slots = self.model.device, [chunk.slot for chunk in chunks]
        mask = self._select_rows(slots, start, size)
        cache = EncoderDecoderCache(self.cache, self.prompt_cache)
        if slots[0] in self._encoded:  # a batch key says it of all
            self.prompt_cache.expose_layers()
            cache.is_updated = dict.fromkeys(range(len(self.prompt_cache.keys)), True)
            # The decoder only asks for the shape: keys and values come from the prompt cache.
            hidden = torch.zeros((), device=device, dtype=self.model.dtype).expand(*mask.shape, 1)
        else:
            cache.is_updated = {}  # the decoder's layers write their cross-attention keys and values in this pass
            hidden = self._encode(chunks, mask)
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=mask,
            # [slots, size]: what a chunk has before these tokens is its prompt, which the encoder has read.
            decoder_input_ids=torch.tensor([chunk.tokens[-size:] for chunk in chunks], device=device),
            past_key_values=cache,
            use_cache=True,
        )
        self.prompt_cache.layers = []  # views of the rows, which would keep their memory
        self._encoded.update(slots)
        return out.logits

    def _select_rows(self, slots: list[CacheSlot], start: int, size: int) -> torch.Tensor:
        """Prepare both caches for a pass from column `start` on. Returns the prompts' mask, long [slots, width]."""
        device, rows, n = self.model.device, [slot.index for slot in slots], len(slots)
        widths = torch.tensor([self._prompt_width(slot) for slot in slots])
        width = int(widths.max())
        # A prompt is encoded whole, so its row never grows.
        self.prompt_cache.reserve(len(self._slots), width, lambda: max(map(self._prompt_width, self._slots)))
        self.prompt_cache.select(rows, torch.arange(width, device=device).expand(n, width), width)
        self.reserve(start + size)
        self.cache.select(rows, torch.arange(start, start + size, device=device).expand(n, size), start + size)
        self.cache.start = start
        return (torch.arange(width) < widths[:, None]).long().to(device)

    def _encode(self, chunks: list[Chunk], mask: torch.Tensor) -> torch.Tensor:
        """The encoder's hidden states [chunks, width, hidden] of the prompts, padded on the right."""
        width, encoder = mask.shape[1], self.model.get_encoder()
        # The slot holds the parts of a long prompt that came before. Later tokens are the decoder's.
        prompts = [[*c.slot.tokens[: c.start], *c.tokens][: c.slot.n_encoded] for c in chunks]
        if not any(c.slot in self._prompt_embeddings for c in chunks):
            ids = torch.tensor([prompt + [0] * (width - len(prompt)) for prompt in prompts], device=mask.device)
            return encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        # Rows with virtual tokens: their embeddings come before those of the prompt.
        embed, rows = self.model.get_input_embeddings(), []
        for chunk, prompt in zip(chunks, prompts, strict=True):
            row = embed(torch.tensor(prompt, device=mask.device))  # [prompt, hidden]
            if chunk.slot in self._prompt_embeddings:
                row = torch.cat([self._prompt_embeddings[chunk.slot].to(row.dtype), row])
            rows.append(torch.nn.functional.pad(row, (0, 0, 0, width - len(row))))
        return encoder(inputs_embeds=torch.stack(rows), attention_mask=mask).last_hidden_state
