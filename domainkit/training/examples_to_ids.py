"""Examples and documents as token ids. Supervised are the words of the assistant's last turn, or of all its turns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

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


Turns = Literal["last", "all"]


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """Token ids of one example. The prompt comes first; the ids from `start` on are supervised, but for `gaps`."""

    ids: tuple[int, ...]
    start: int
    """Index of the first supervised id, at least 1."""
    source: str
    """Where the example was read, as path:line."""
    task: int = 0
    """Number of its task, for methods that distinguish tasks."""
    opening: int | None = None
    """Of an encoder-decoder: the id that the decoder reads first. The encoder reads the ids before `start`."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Stretches (first, behind the last) of the ids after `start` that are only read: what stands between two turns of
    the assistant that are both learnt."""

    @property
    def supervised(self) -> int:
        """Number of supervised tokens."""
        return len(self.ids) - self.start - sum(end - first for first, end in self.gaps)

    @property
    def learnt(self) -> list[int]:
        """Places of the supervised ids, in order."""
        begins = (self.start, *(end for _, end in self.gaps))
        ends = (*(first for first, _ in self.gaps), len(self.ids))
        return [i for begin, end in zip(begins, ends, strict=True) for i in range(begin, end)]


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


def turns_learnt(example: Example, turns: Turns) -> list[int]:
    """Places among the example's turns of those that are learnt: the last, or all of the assistant's that answer
    something and whose row does not exclude them."""
    last = len(example.turns) - 1
    first = next((i for i, turn in enumerate(example.turns) if turn.role == "user"), last)
    earlier = [i for i, turn in enumerate(example.turns) if first < i < last and turn.role == "assistant"]
    return [*(i for i in earlier if turns == "all" and example.turns[i].learnt), last]


def tokenize_turns(
    example: Example, template: ChatTemplate, max_length: int, shares_rows: bool = True, boundary: int | None = None
) -> list[TokenizedExample]:
    """All turns of `turns_learnt`, each token behind exactly the ids that it is asked with.

    One pass teaches every turn with which the whole row begins, token for token. A turn that the template writes
    otherwise once others follow is a row of its own; so is every turn for an encoder-decoder, for a method that cannot
    share rows (it may act where a prompt ends), and on the near side of the base's rotary `boundary` when the whole row
    is beyond it. Raises DataError.
    """
    whole = tokenize_example(example, template, max_length)
    shares_rows = shares_rows and whole.opening is None
    spans, alone = [(whole.start, len(whole.ids))], []
    for place in reversed(turns_learnt(example, "all")[:-1]):
        try:
            head = example.model_copy(update={"turns": example.turns[: place + 1]})
            part = tokenize_example(head, template, max_length)
        except DataError as e:
            raise DataError([replace(p, what=f"turn {place + 1}: {p.what}") for p in e.problems]) from e
        one_side = boundary is None or (len(part.ids) - 1 > boundary) == (len(whole.ids) - 1 > boundary)
        is_head = len(part.ids) <= spans[-1][0] and whole.ids[: len(part.ids)] == part.ids
        if shares_rows and one_side and is_head:
            spans.append((part.start, len(part.ids)))
        else:
            alone.append(part)
    spans.reverse()
    gaps = tuple((before[1], after[0]) for before, after in pairwise(spans) if before[1] < after[0])
    return [*reversed(alone), replace(whole, start=spans[0][0], gaps=gaps)]


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


def with_thinking(
    template: ChatTemplate, options: Mapping[str, object], examples: Sequence[Example], turns: Turns = "last"
) -> ChatTemplate:
    """`template` with `options`; of a base that thinks, thinking is on if a turn that is learnt has reasoning, unless
    they say."""
    given = {**template.options, **options}
    if template.traits.thinks and not any(name in given for name in (*SWITCHES, "reasoning_effort")):
        answers = (e.turns[i] for e in examples for i in turns_learnt(e, turns))
        given[THINKING] = any(a.reasoning or split_reasoning(a.content).reasoning for a in answers)
    return template.with_options(given)


def unused_tasks(examples: Sequence[Example], method: str) -> list[str]:
    """A note where rows name tasks and the method does not tell tasks apart."""
    named = sum(e.task is not None for e in examples)
    what = f"the field 'task' of {named:,} rows is not used: {method} trains the same weights on all of them"
    return [f"{what} (multitask_prompt_tuning tells tasks apart)"] if named else []


def rows_of_examples(
    examples: Iterable[Example],
    template: ChatTemplate,
    max_length: int,
    turns: Turns = "last",
    shares_rows: bool = True,
    boundary: int | None = None,
) -> list[list[TokenizedExample]]:
    """The rows of ids that each example becomes; `shares_rows` and `boundary` are those of `tokenize_turns`. Raises one
    DataError that lists all faults."""
    rows: list[list[TokenizedExample]] = []
    problems: list[Problem] = []
    for example in examples:
        try:
            if turns == "all":
                rows.append(tokenize_turns(example, template, max_length, shares_rows, boundary))
            else:
                rows.append([tokenize_example(example, template, max_length)])
        except DataError as e:
            problems += e.problems
    if problems:
        raise DataError(problems)
    return rows


def tokenize_examples(examples: Iterable[Example], template: ChatTemplate, max_length: int) -> list[TokenizedExample]:
    """Every example as ids, its last turn supervised. Raises one DataError that lists all faults."""
    return [row for rows in rows_of_examples(examples, template, max_length) for row in rows]


def note_of_turns(examples: Sequence[Example], rows: Sequence[Sequence[TokenizedExample]]) -> str | None:
    """What came of turns "all": how many turns are learnt, in how many rows, and which are not."""
    learnt = sum(len(turns_learnt(e, "all")) for e in examples)
    said = sum(turn.role == "assistant" for e in examples for turn in e.turns)
    alone = sum(len(r) - 1 for r in rows)
    note = f"{learnt:,} turns of the assistant are learnt from {len(examples):,} rows"
    if alone:
        note += f"; {alone:,} of them as rows of their own: in one pass they would not be learnt as they are asked"
    if said > learnt:
        note += f"; {said - learnt:,} are not: they stand before the first question, or have the weight 0"
    return note if learnt > len(examples) or said > learnt else None


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
    borders = [0, tokenized.start, *(border for gap in tokenized.gaps for border in gap), len(tokenized.ids)]
    parts = [str(tokenizer.decode(list(tokenized.ids[begin:end]))) for begin, end in pairwise(borders)]
    return "".join(f"⟦{part}⟧" if i % 2 else part for i, part in enumerate(parts))
