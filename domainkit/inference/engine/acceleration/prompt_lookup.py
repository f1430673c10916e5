"""Prompt lookup: guesses the next tokens of a text from where its last two tokens stood before, as in a passage quoted.

A pass over three tokens reads the weights once, as a pass over one token does. The guesses go with the last token into
one pass, and as many of them stay as are the tokens that the logits give. So each token is decided by its own logits
as without guesses, and rounding is decided by batch invariance. Speculative decoding by a draft model (arXiv
2211.17192) checks guesses in the same way; Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding, takes them from
the prompt.

It pays in benchmarks/llama_cpp/single_stream.
"""

from __future__ import annotations

from collections.abc import Sequence

N_GUESSES = 2
"""Tokens guessed for a pass. Up to three tokens, a pass takes as long as with one; from four on the product is another
one, and takes twice as long (benchmarks/engine/small_batch_linear)."""


class PromptLookup:
    """Where each pair of tokens of one growing text stood last."""

    def __init__(self) -> None:
        self._after: dict[tuple[int, int], int] = {}  # position after the last occurrence of a pair, but for the end
        self._n_read = 1

    def guess(self, tokens: Sequence[int], n_guesses: int = N_GUESSES) -> list[int]:
        """The tokens that followed the last two the time before; none for a pair that is new.

        `tokens` begin with those of the calls before.
        """
        for i in range(self._n_read, len(tokens) - 1):
            self._after[tokens[i - 1], tokens[i]] = i + 1
        self._n_read = max(1, len(tokens) - 1)
        start = self._after.get((tokens[-2], tokens[-1])) if len(tokens) > 1 else None
        return [] if start is None else list(tokens[start : start + n_guesses])
