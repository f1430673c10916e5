"""Examples and documents as token ids. Only the words of the assistant's last turn are supervised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainkit.corpus.document import Document
from domainkit.corpus.example import Example
from domainkit.errors import BaseModelError, ConfigError, DataError, Problem, RequestError
from domainkit.messages import split_reasoning
from domainkit.models.encoder_decoder import EncoderDecoder
from domainkit.models.language_model import rope_boundary
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.templates.traits import SWITCHES, THINKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domainkit.models.load import LoadedBase


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """Token ids of one example. The prompt comes first; the ids from `start` on are supervised."""

    ids: tuple[int, ...]
    start: int
    """Index of the first supervised id, at least 1."""
    source: str
    """Where the example was read, as path:line."""
    task: int = 0
    """Number of its task, for methods that distinguish tasks."""
    opening: int | None = None
    """Of an encoder-decoder: the id that the decoder reads first. The encoder reads the ids before `start`."""

    @property
    def supervised(self) -> int:
        """Number of supervised tokens."""
        return len(self.ids) - self.start


def tokenize_example(example: Example, template: ChatTemplate, max_length: int) -> TokenizedExample:
    """The example as ids; supervised are the last turn's words and the token that closes it, and nothing after.

    The prompt is encoded as it will be when the model answers, so the target's ids follow it as generated ones would.
    Raises DataError when it is longer than `max_length`, or the template gives nothing to learn.
    """
    try:
        prompt, answer = template.encode_prompt_and_answer(example.turns, example.tools)
    except RequestError as e:
        raise DataError([example.problem(e.what, e.next_step)]) from e
    last = max((i for i, token in enumerate(answer) if token in template.stop_token_ids), default=None)
    if last is None or str(template.tokenizer.decode(answer[last + 1 :])).strip():
        what = "the chat template does not close the answer with a stop token, so the model would never learn to stop"
        raise DataError(
            [example.problem(what, "use a base whose chat template ends the assistant's turn with its EOS token")]
        )
    if last == 0:
        raise DataError([example.problem("the answer is empty: nothing to learn", "fill the target, or drop the row")])
    ids = (*prompt, *answer[: last + 1])
    if len(ids) > max_length:
        what = (
            f"{len(ids)} tokens ({len(prompt)} of prompt, {last + 1} of answer) are more than max_length={max_length}"
        )
        raise DataError([example.problem(what, "shorten or split the row, or raise max_length")])
    return TokenizedExample(ids, len(prompt), example.source, opening=template.architecture.opening_token_id)


def longest_example(base: LoadedBase, wanted: int | None, n_virtual: int = 0, one_side: str | None = None) -> int:
    """Most tokens of an example: `wanted`, else what the base was made for.

    `one_side` says why no row may cross the base's RoPE boundary. Raises ConfigError where `wanted` is beyond it.
    """
    most = base.context_length - n_virtual
    boundary = rope_boundary(base.model.config) if one_side else None
    if boundary is None or boundary - n_virtual >= most:
        return wanted or most
    most = boundary - n_virtual
    if wanted and wanted > most:
        raise ConfigError(
            f"{wanted}: beyond {most} tokens the base's rotary frequencies change, and {one_side}",
            where="max_length",
            next_step=f"set max_length={most} or less, or leave it out",
        )
    return wanted or most


def with_thinking(template: ChatTemplate, options: Mapping[str, object], examples: Sequence[Example]) -> ChatTemplate:
    """`template` with `options`; of a base that thinks, thinking is on if an answer has reasoning, unless they say."""
    given = {**template.options, **options}
    if template.traits.thinks and not any(name in given for name in (*SWITCHES, "reasoning_effort")):
        answers = (e.turns[-1] for e in examples)
        given[THINKING] = any(a.reasoning or split_reasoning(a.content).reasoning for a in answers)
    return template.with_options(given)


def unused_tasks(examples: Sequence[Example], method: str) -> list[str]:
    """A note where rows name tasks and the method does not tell tasks apart."""
    named = sum(e.task is not None for e in examples)
    what = f"the field 'task' of {named:,} rows is not used: {method} trains the same weights on all of them"
    return [f"{what} (multitask_prompt_tuning tells tasks apart)"] if named else []


def tokenize_examples(examples: Iterable[Example], template: ChatTemplate, max_length: int) -> list[TokenizedExample]:
    """Every example as ids. Raises one DataError that lists all faults."""
    tokenized: list[TokenizedExample] = []
    problems: list[Problem] = []
    for example in examples:
        try:
            tokenized.append(tokenize_example(example, template, max_length))
        except DataError as e:
            problems += e.problems
    if problems:
        raise DataError(problems)
    return tokenized


def tokenize_documents(
    documents: Iterable[Document], template: ChatTemplate, max_length: int
) -> list[TokenizedExample]:
    """Raw text for continued pretraining: each document, then EOS, in blocks of at most `max_length` tokens.

    Every token but a document's first is supervised exactly once: a block starts with the last token of the one before
    it. Blocks of different documents never see each other. Raises ConfigError for an encoder-decoder.
    """
    documents = list(documents)
    if documents and isinstance(template.architecture, EncoderDecoder):
        raise ConfigError(
            "an encoder-decoder learns answers to prompts, and raw documents hold neither",
            where="documents",
            next_step="train on examples made from the documents, or use a decoder-only base",
        )
    tokenizer = template.tokenizer
    stop = tokenizer.eos_token_id
    if stop is None:
        raise BaseModelError("the tokenizer has no EOS token to end a document with", next_step="choose another base")
    opening = tokenizer("a")["input_ids"][:1]
    first = opening if opening == [tokenizer.bos_token_id] else []
    blocks: list[TokenizedExample] = []
    for document in documents:
        ids = [*first, *template.encode_text(document.text), stop]
        for start in range(0, len(ids) - 1, max_length - 1):
            blocks.append(TokenizedExample(tuple(ids[start : start + max_length]), 1, document.source))
    return blocks


def preview(tokenized: TokenizedExample, tokenizer: PreTrainedTokenizerBase) -> str:
    """What the model reads and, between ⟦ and ⟧, what it learns to write."""
    head, target = (
        tokenizer.decode(list(part)) for part in (tokenized.ids[: tokenized.start], tokenized.ids[tokenized.start :])
    )
    return f"{head}⟦{target}⟧"
