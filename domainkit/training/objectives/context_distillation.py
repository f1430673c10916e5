"""Context distillation: the same base with a context in its prompt teaches the model that reads the question alone.

Minimised is KL(teacher ‖ student) of the answer's tokens over the whole vocabulary (arXiv 2112.00861, 2601.19897).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, kl_div, log_softmax
from torch.utils.checkpoint import checkpoint

from domainkit import progress
from domainkit.adapters.methods import forward_arguments
from domainkit.adapters.micro_batch import MicroBatch
from domainkit.adapters.tuned_model import load_adapted, release
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError, saving
from domainkit.messages import JsonObject
from domainkit.models.language_model import rope_boundary
from domainkit.models.precision import precision
from domainkit.storage import cache_dir, sha256_json
from domainkit.training.batches import pad, split
from domainkit.training.config import TrainConfig
from domainkit.training.examples_to_ids import TokenizedExample, tokenize_examples
from domainkit.training.objectives.supervised import CHUNK, head_is_plain, supervised_logits

if TYPE_CHECKING:
    from domainkit.adapters.folder import Adapter
    from domainkit.adapters.tuned_model import AdaptedModel
    from domainkit.models.load import LoadedBase

PART = 32
"""Rows whose states are written together: what a killed run loses at most."""


@dataclass(frozen=True, slots=True)
class ContextTeacher:
    """Who teaches, and with which prompts."""

    examples: Sequence[Example]
    """One for each of the student's, in their order: the same answer behind the prompt with the context."""
    adapter: Adapter | None = None
    """None: the base itself."""
    gold: float = 0.0
    """Weight of the cross-entropy of the answers' tokens, 0 to 1; the rest is that of the KL."""
    facts: JsonObject = field(default_factory=dict)
    """For the card: where the teacher comes from."""

    @property
    def identity(self) -> str:
        """Hex SHA-256 of what decides the weights that it teaches."""
        rows = [e.training_content for e in self.examples]
        return sha256_json([rows, self.adapter.weights_sha256 if self.adapter else None, self.gold])


@dataclass(frozen=True, slots=True)
class TeacherStates:
    """What the teacher's vocabulary head reads at the answers' tokens, by row of the student.

    The head is the base's own and frozen, so these few numbers are the teacher's whole distribution: a state is
    `hidden_size` numbers, its logits are as many as the vocabulary has tokens.
    """

    by_row: Mapping[TokenizedExample, torch.Tensor]
    """(supervised tokens, hidden_size), in the base's number format, on the CPU."""
    trial: tuple[TokenizedExample, torch.Tensor]
    """A row, and the teacher's logits (n, vocabulary) of it as the teacher itself computed them."""
    gold: float
    prompt_tokens: Mapping[str, float]
    """Mean tokens of the prompts of the teacher and of the student."""

    def loss(self, model: AdaptedModel, one: MicroBatch, group: Sequence[TokenizedExample]) -> torch.Tensor:
        """Sum over the pass's supervised tokens, in nats: (1 - gold) · KL(teacher ‖ student) + gold · cross-entropy.

        `group` are the pass's rows. Many positions go through the heads in chunks, as in `supervised_loss`.
        """
        states = torch.cat([self.by_row[row] for row in group]).to(model.device)
        if len(one.targets) <= CHUNK or one.decoder_ids is not None or not head_is_plain(model):
            return divergence(supervised_logits(model, one), logits_of(model, states), one.targets, self.gold)
        base = model.get_base_model()
        hidden = base.get_decoder()(**forward_arguments(model, one)[0]).last_hidden_state[one.rows, one.columns]
        total = hidden.new_zeros((), dtype=torch.float32)
        head = base.get_output_embeddings()
        for mine, theirs, targets in zip(
            hidden.split(CHUNK), states.split(CHUNK), one.targets.split(CHUNK), strict=True
        ):
            total = total + checkpoint(_chunk_loss, head, mine, theirs, targets, self.gold, use_reentrant=False)
        return total

    def check(self, model: AdaptedModel) -> None:
        """Raises ConfigError where the student trains the head, or the teacher had another one: these states would
        then be read as what they are not."""
        head = model.get_base_model().get_output_embeddings()
        trained = any(p.requires_grad for p in head.parameters())
        row, expected = self.trial
        found = logits_of(model, self.by_row[row].to(model.device)).float().cpu()
        same = torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
        if trained or not same:
            whose = "the student's method trains" if trained else "the teacher's adapter changes"
            raise ConfigError(
                f"{whose} the head that both models share, which must stay as it is while one teaches the other",
                where="method.target" if trained else "the teacher",
                next_step="train with method=lora, or another that leaves the head and the embeddings as they are"
                if trained
                else "take a variant whose adapter leaves the head and the embeddings as they are",
            )


def divergence(student: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor, gold: float) -> torch.Tensor:
    """Sum over n tokens of (1 - gold) · KL(teacher ‖ student) + gold · cross-entropy, in nats.

    `student` and `teacher` are logits (n, vocabulary), `targets` (n) the answers' tokens.
    """
    loss = student.new_zeros((), dtype=torch.float32)
    if gold < 1:
        mine, theirs = log_softmax(student.float(), -1), log_softmax(teacher.float(), -1)
        loss = loss + (1 - gold) * kl_div(mine, theirs, reduction="sum", log_target=True)
    return loss + gold * cross_entropy(student.float(), targets, reduction="sum") if gold else loss


def _chunk_loss(
    head: torch.nn.Module, student: torch.Tensor, teacher: torch.Tensor, targets: torch.Tensor, gold: float
) -> torch.Tensor:
    with torch.no_grad():
        theirs = head(teacher)
    return divergence(head(student), theirs, targets, gold)


# ---- the teacher's states --------------------------------------------------------------------------------------------


def teacher_states(
    teacher: ContextTeacher, rows: Sequence[TokenizedExample], base: LoadedBase, config: TrainConfig
) -> TeacherStates:
    """The teacher reads every answer behind its own prompt, once. `rows` are the student's, one for each example.

    The states are kept in domainkit's cache under their content, so neither a resumed run nor another seed asks again.
    Raises DataError for a prompt that is too long.
    """
    max_tokens = config.max_tokens_per_pass
    prompted = tokenize_examples(teacher.examples, base.chat_template, base.context_length)
    _check_answers(rows, prompted)
    places = sorted(range(len(prompted)), key=lambda i: (len(prompted[i].ids), i))
    parts = [places[i : i + PART] for i in range(0, len(places), PART)]
    folder = cache_dir() / "teachers" / _key(teacher, prompted, base)
    model = base.model if teacher.adapter is None else load_adapted(base.model, teacher.adapter.folder)
    was_training = model.training
    model.eval()
    found: dict[TokenizedExample, torch.Tensor] = {}
    try:
        for number, part in enumerate(parts):
            states = _part(folder / f"{number:05}.safetensors", [prompted[i] for i in part], model, base, max_tokens)
            found |= {rows[i]: s for i, s in zip(part, states, strict=True)}
            progress.report("the teacher reads", len(found), len(rows))
        pad_id = base.tokenizer.pad_token_id
        with torch.no_grad():
            trial = supervised_logits(model, pad([prompted[places[0]]], pad_id).to(base.model.device)).float().cpu()
    finally:
        model.train(was_training)
        if teacher.adapter is not None:
            release(model)
    lengths = {who: sum(r.start for r in some) / len(rows) for who, some in (("teacher", prompted), ("student", rows))}
    return TeacherStates(found, (rows[places[0]], trial), teacher.gold, lengths)


def _check_answers(rows: Sequence[TokenizedExample], prompted: Sequence[TokenizedExample]) -> None:
    for row, other in zip(rows, prompted, strict=True):
        if row.ids[row.start :] != other.ids[other.start :] or row.gaps:
            raise ConfigError(
                f"{row.source}: the chat template writes the answer otherwise behind the teacher's prompt, so their "
                "tokens cannot be compared",
                next_step="use a base whose chat template writes an answer alike behind every prompt",
            )


def _key(teacher: ContextTeacher, prompted: Sequence[TokenizedExample], base: LoadedBase) -> str:
    facts = {
        "base": base.source.fingerprint,
        "quantization": base.quantization,
        "format": [str(base.model.dtype), base.model.device.type],
        "adapter": teacher.adapter.weights_sha256 if teacher.adapter else None,
        "rows": sha256_json([[row.ids, row.start] for row in prompted]),
    }
    return sha256_json(facts)[:32]


def _part(
    file: Path, rows: Sequence[TokenizedExample], model: AdaptedModel, base: LoadedBase, max_tokens: int
) -> list[torch.Tensor]:
    """The states of some rows, from the cache or computed."""
    wanted = [row.supervised for row in rows]
    try:
        kept = load_file(file)
        states = [kept[str(i)] for i in range(len(rows))]
        if [len(s) for s in states] == wanted:
            return states
    except (OSError, SafetensorError, KeyError):
        pass  # absent or damaged: it is made again
    states = _read_rows(rows, model, base, max_tokens)
    with saving(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(".partial")
        save_file({str(i): s.contiguous() for i, s in enumerate(states)}, str(written))
        written.replace(file)
    return states


@torch.no_grad()
def _read_rows(
    rows: Sequence[TokenizedExample], model: AdaptedModel, base: LoadedBase, max_tokens: int
) -> list[torch.Tensor]:
    found: dict[TokenizedExample, torch.Tensor] = {}
    for group in split(rows, max_tokens, packing=False, boundary=rope_boundary(base.model.config)):
        one = pad(group, base.tokenizer.pad_token_id).to(base.model.device)
        states = head_inputs(model, one).cpu().split([row.supervised for row in group])
        found |= dict(zip(group, (s.clone() for s in states), strict=True))
    return [found[row] for row in rows]


# ---- the head --------------------------------------------------------------------------------------------------------


class _HeadReachedError(Exception):
    """Ends a forward pass at the vocabulary head, with what the head was to read."""


def head_inputs(model: AdaptedModel, one: MicroBatch) -> torch.Tensor:
    """(n, hidden_size): what the vocabulary head reads at the pass's supervised tokens. The head itself is not run."""

    def stop(_: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        raise _HeadReachedError(args[0])

    inputs, shift = forward_arguments(model, one)
    with _head_hook(model, stop), precision(model):
        try:
            model(**inputs)
        except _HeadReachedError as reached:
            states: torch.Tensor = reached.args[0]
            return states[one.rows, one.columns + (0 if one.decoder_ids is not None else shift)]
    raise AssertionError("a language model's forward runs its head")


@torch.no_grad()
def logits_of(model: AdaptedModel, states: torch.Tensor) -> torch.Tensor:
    """(n, vocabulary): the logits of states (n, hidden_size), with the model's own scaling and capping."""
    base = model.get_base_model()
    with precision(base):
        if head_is_plain(model):
            return base.get_output_embeddings()(states)
        device = states.device
        dummy = torch.ones(1, 1, dtype=torch.long, device=device)
        inputs = {"input_ids": dummy, "use_cache": False}
        if base.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = dummy
        # The model's own forward, over one token, with the states put before its head.
        with _head_hook(base, lambda _, args: (states[None].to(args[0].dtype),)):
            return base(**inputs).logits[0]


@contextmanager
def _head_hook(model: torch.nn.Module, hook: Callable[..., object]) -> Iterator[None]:
    of_base: Any = getattr(model, "get_base_model", lambda: model)  # an adapted model has it, a base does not
    handle = of_base().get_output_embeddings().register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()
