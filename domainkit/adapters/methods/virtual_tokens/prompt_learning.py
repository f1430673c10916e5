"""Virtual tokens: what the methods that put learnt vectors before a prompt share. They pad rows, and cannot merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from domainkit.adapters.adaptation import Adaptation, PeftConfigDict, Width, wrap
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from peft import PromptLearningConfig
    from peft.tuners.prompt_tuning import PromptEmbedding
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ForwardArguments
    from domainkit.adapters.micro_batch import MicroBatch
    from domainkit.adapters.tuned_model import AdaptedModel

START = "Read the request and give the answer it asks for, short and exact."
"""Text whose tokens the virtual ones start from, when none is given."""


LEARNT_VECTORS = "puts learnt vectors before each prompt, which no weight of the base can hold"


class VirtualTokens(Adaptation):
    """Base of the methods with virtual tokens."""

    why_not_mergeable = LEARNT_VECTORS
    packs = False
    fresh_is_base = False

    tokens: Width = 20
    """Virtual tokens before each prompt; beyond 20 there is little to gain (arXiv 2104.08691, figure 3a)."""

    @classmethod
    def mixes_in_batch(cls, config: PeftConfigDict) -> bool:
        """They are a cached prefix of their rows."""
        return True

    @classmethod
    def forward_arguments(cls, config: PromptLearningConfig, batch: MicroBatch) -> tuple[ForwardArguments, int]:
        """Of an encoder-decoder, virtual tokens stand in the encoder's row, and logits are the decoder's."""
        if batch.decoder_ids is not None:
            return dict(batch.inputs), 0
        # Rows start at 0 and are padded on the right: the model's own positions are right, with the virtual tokens
        # counted.
        inputs = {name: v for name, v in batch.inputs.items() if name not in ("segments", "position_ids")}
        return inputs, config.num_virtual_tokens

    def virtual_tokens(self) -> int:
        return self.tokens


class StartedFromWords(VirtualTokens):
    """Base of those whose virtual tokens start as embeddings of real ones."""

    init: Literal["vocabulary", "text", "random"] = "vocabulary"
    """Start: embeddings of random words of the vocabulary, of `text`, or random numbers, which learn far less in few
    steps."""
    text: str = START
    """Text to start from with init=text, repeated or cut to the number of virtual tokens."""

    def start(self, model: AdaptedModel) -> None:
        """Set the virtual tokens' embeddings (tokens, hidden)."""
        import torch

        table = cast("torch.nn.Embedding", model.word_embeddings).weight
        if self.init == "random":
            return
        if self.init == "text":
            ids = torch.tensor(token_ids(model, self.text, self.tokens))
        else:
            ids = torch.randint(0, table.shape[0], (self.tokens,))
        with torch.no_grad():
            encoder = cast("PromptEmbedding", model.prompt_encoder["default"])
            encoder.embedding.weight.copy_(table[ids.to(table.device)].float())


def token_ids(model: AdaptedModel, text: str, count: int) -> list[int]:
    """Ids of `text`, repeated or cut to `count`. Raises ConfigError when it holds none."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model.get_base_model().config._name_or_path, trust_remote_code=False)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if not ids:
        raise ConfigError("holds no token to start from", where="method.text", next_step="give a sentence")
    return (ids * -(-count // len(ids)))[:count]


def wrap_virtual(model: PreTrainedModel, config: PromptLearningConfig, *, in_layers: bool = False) -> AdaptedModel:
    """The base inside PEFT, its virtual tokens in float32. `in_layers`: they are keys and values of every layer."""
    if not in_layers:
        # Before the prompt, which is an encoder-decoder's encoder's; PEFT would never read those of the decoder.
        config.num_transformer_submodules = 1
    wrapped = cast("AdaptedModel", wrap(model, config))
    wrapped.prompt_encoder.float().to(model.device)
    return wrapped
