"""The laws of the adaptation methods, measured: one row per method and precision, each law kept or the reason why it
cannot be."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from domainkit.adapters.methods import METHODS, attach, forward_arguments, parse_method, peft_warnings_muted
from domainkit.adapters.tuned_model import load_adapted, native_method
from domainkit.errors import ConfigError
from domainkit.inference.adapters.pool import MIXED
from domainkit.inference.local import LocalBackend, local_backend
from domainkit.models.encoder_decoder import is_encoder_decoder
from domainkit.models.load import LoadedBase, load_base
from domainkit.training.batches import pad
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.objectives.supervised import supervised_loss
from tests.inference.tiny_adapters import ask

PRECISIONS = ("none", "nf4", "int8")
LAWS = ("fresh = base", "trains", "base unchanged", "off = base", "save, load", "left padding", "shared batch", "merge")
HELD = "yes"
OPTIONS: dict[str, dict[str, Any]] = {
    "vera": {"rank": 16},
    "bottleneck": {},
    "multitask_prompt_tuning": {"tasks": ["a", "b"]},
}
RATES = {"full": 2e-3, "last_layers": 2e-3, "oft": 1e-2, "boft": 2e-2, "loreft": 2e-2, "direft": 2e-2, "ia3": 5e-2}
ROWS = [TokenizedExample((1, 30, 40, 50, 60, 70, 3), 4, "a"), TokenizedExample((1, 31, 41, 2), 2, "b", 1)]
STEPS = 8
QUESTIONS = ("q", "a longer question")


@dataclass(frozen=True)
class Case:
    """A method, attached to a base at one precision."""

    name: str
    method: Any
    base: LoadedBase
    model: Any

    @property
    def many_tasks(self) -> bool:
        return bool(self.method.task_names())

    @property
    def rows(self) -> list[TokenizedExample]:
        return rows_of(self.base)


def rows_of(base: LoadedBase) -> list[TokenizedExample]:
    """ROWS in the base's form."""
    return [replace(row, opening=base.chat_template.architecture.opening_token_id) for row in ROWS]


class LawError(AssertionError):
    """A law does not hold."""


def held(condition: bool, what: str) -> str:
    if not condition:
        raise LawError(what)
    return HELD


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-4) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


@torch.no_grad()
def logits(model: Any, rows: list[TokenizedExample]) -> torch.Tensor:
    """(n, vocabulary) at the rows' supervised positions, without dropout."""
    one = pad(rows, 0)
    given, shift = forward_arguments(model, one)
    model.eval()
    return model(**given).logits[one.rows, one.columns + shift]


@torch.no_grad()
def base_logits(model: Any, rows: list[TokenizedExample]) -> torch.Tensor:
    one = pad(rows, 0)
    model.eval()
    return model(**one.inputs).logits[one.rows, one.columns]


# ---- the laws


def measure(name: str, precision: str, tiny: str, folder: Path) -> dict[str, str]:
    """Each law by name: `HELD`, or why it does not apply. Raises LawError for one that should hold and does not."""
    base = loaded(tiny, precision, packed=True)
    method = parse_method(name, OPTIONS.get(name, {}))
    rows = rows_of(base)
    before, weights = base_logits(base.model, rows), [(w, w.detach().clone()) for w in base.model.parameters()]
    torch.manual_seed(0)
    try:
        model = attach(method, base.model)
    except ConfigError as e:
        return dict.fromkeys(LAWS, f"refused: {e.what}")
    case = Case(name, method, base, model)
    found = {"fresh = base": fresh(case, before)}
    start = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    found["trains"] = trains(case, start)
    found["base unchanged"] = held(all(torch.equal(w, kept) for w, kept in weights), "the base's weights moved")
    trained = logits(model, rows)
    with model.disable_adapter():
        found["off = base"] = held(
            torch.equal(base_logits(base.model, rows), before), "switched off, it is not the base"
        )
    method.save(model, folder, start)
    read = load_adapted(loaded(tiny, precision, packed=True).model, folder)
    whose = "" if native_method(folder) is None else ": through domainkit, whose own method it is"
    found["save, load"] = held(near(logits(read, rows), trained), "loaded, it answers otherwise") + whose
    found["left padding"] = left_padding(case)
    found["shared batch"] = shared_batch(case, precision, tiny, folder)
    found["merge"] = merge(case, precision, tiny, folder)
    return found


def fresh(case: Case, before: torch.Tensor) -> str:
    if not case.method.fresh_is_base:
        return "no: it starts from words or numbers of its own"
    return held(near(logits(case.model, case.rows), before, 1e-6), "a fresh adapter changes the answers")


def trains(case: Case, start: dict[str, torch.Tensor]) -> str:
    """Loss falls, and every tensor has had a gradient and has moved."""
    wanted = case.method
    wanted.prepare(case.model, STEPS, lambda: iter([pad(case.rows, 0)]))
    parameters = {n: p for n, p in case.model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(parameters.values(), lr=RATES.get(case.name, 2e-2), weight_decay=0.0)
    case.model.train()
    losses, seen, moved = [], set(), set()
    for step in range(1, STEPS + 1):
        loss = supervised_loss(case.model, pad(case.rows, 0))
        penalty = wanted.penalty(case.model)
        (loss if penalty is None else loss + penalty).backward()
        seen |= {n for n, p in parameters.items() if p.grad is not None and bool(p.grad.any())}
        optimizer.step()
        moved |= {n for n, p in parameters.items() if not torch.equal(p, start[n])}
        wanted.after_step(case.model, step)
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    held(len(seen) == len(parameters), f"no gradient reaches {sorted(set(parameters) - seen)[:2]}")
    held(len(moved) == len(parameters), f"did not move: {sorted(set(parameters) - moved)[:2]}")
    return held(losses[-1] < 0.9 * losses[0], f"the loss does not fall: {losses}")


def left_padding(case: Case) -> str:
    """Two prompts of different lengths, padded on the left in one batch, are answered as each alone."""
    prompts = [[1, 30, 40, 50, 60, 70], [1, 31, 41]]
    together, scores = generate(case, prompts)
    alone = [generate(case, [p], [i]) for i, p in enumerate(prompts)]
    # int8 finds outliers over the whole batch: a row's numbers depend a little on the other rows.
    tolerance = 0.1 if case.base.quantization == "int8" else 1e-3
    same = near(scores, torch.cat([first for _, first in alone]), tolerance)
    if case.base.quantization != "int8":
        same = same and together == [tokens[0] for tokens, _ in alone]
    config = case.model.active_peft_config
    if getattr(config, "is_prompt_learning", False) and config.peft_type != "PREFIX_TUNING":
        held(not same or case.base.quantization == "int8", "PEFT's generate now keeps positions: say so here")
        return "not in PEFT's generate, which moves virtual tokens away from short prompts"
    return held(same, f"padded {together}, alone {[tokens for tokens, _ in alone]}")


@torch.no_grad()
def generate(
    case: Case, prompts: list[list[int]], tasks: list[int] | None = None
) -> tuple[list[list[int]], torch.Tensor]:
    """(two greedy tokens for each prompt, scores (prompts, vocabulary) of the first)."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    extra = {"task_ids": torch.tensor(tasks or range(len(prompts)))} if case.many_tasks else {}
    case.model.eval()
    case.base.model.config.use_cache = True
    with peft_warnings_muted(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Position ids are not supported")
        out = case.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=2,
            min_new_tokens=2,
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
            **extra,
        )
    return out.sequences[:, 1 if is_encoder_decoder(case.base.model) else width :].tolist(), out.scores[0].nan_to_num(
        neginf=0.0
    )


def shared_batch(case: Case, precision: str, tiny: str, folder: Path) -> str:
    """Served in one batch with requests to the base, the adapter answers as it does alone, and so does the base."""
    backend = server(tiny, precision)
    spec = str(folder) + ("#0" if case.many_tasks else "")
    asked = [ask(text, adapter=adapter, max_tokens=4) for text in QUESTIONS for adapter in (spec, None)]
    tuned = [backend.complete([request])[0].text for request in asked[::2]]
    alone = [text for pair in zip(tuned, bare(tiny, precision), strict=True) for text in pair]
    together = [answer.text for answer in backend.complete(asked)]
    one_by_one = backend.engine().runner.one_by_one
    held(together == alone, f"in a batch {together}, alone {alone}")
    if one_by_one:
        return "alone: its base answers one by one, because a row's numbers depend on the other rows of a batch"
    mixed = backend.engine().pool.load(spec).batch_key == MIXED
    return HELD if mixed else "grouped: in passes of its own"


def loaded(tiny: str, precision: str, *, packed: bool) -> LoadedBase:
    """The base for one use: a copy, which takes a tenth of the time of a load."""
    kept = untouched(tiny, precision, packed)
    return replace(kept, model=deepcopy(kept.model))


@cache
def untouched(tiny: str, precision: str, packed: bool) -> LoadedBase:
    return load_base(tiny, quantization=precision, keep_packed=packed)  # type: ignore[arg-type]


@cache
def bare(tiny: str, precision: str) -> list[str]:
    """What the base answers, each question alone."""
    return [server(tiny, precision).complete([ask(text, max_tokens=4)])[0].text for text in QUESTIONS]


@cache
def server(tiny: str, precision: str) -> LocalBackend:
    return local_backend(tiny, quantization=precision)


def merge(case: Case, precision: str, tiny: str, folder: Path) -> str:
    """Merged into the base as it is when its numbers are unpacked, the adapter answers as beside it."""
    if case.method.why_not_mergeable:
        return f"no: it {case.method.why_not_mergeable}"
    if precision == "int8":
        return "no: int8 layers round what they are given too, so that only the plain base can hold it"
    with peft_warnings_muted():
        model = load_adapted(loaded(tiny, precision, packed=False).model, folder)
        beside = logits(model, case.rows)
        merged = model.merge_and_unload()
    held(near(base_logits(merged, case.rows), beside, 1e-3), "merged, it answers otherwise")
    return HELD if precision == "none" else "yes: into the unpacked base"


# ---- the table


class Matrix:
    """Rows measured once each, on the tiny base."""

    def __init__(self, tiny: str, folder: Path) -> None:
        self._measure: Callable[[str, str], dict[str, str]] = cache(
            lambda name, precision: measure(name, precision, tiny, folder / f"{name}-{precision}")
        )

    def row(self, name: str, precision: str) -> dict[str, str]:
        return self._measure(name, precision)

    def markdown(self) -> str:
        """The table, with the answers that are more than one word as numbered notes under it."""
        notes: dict[str, int] = {}
        lines = list(self._lines(notes))
        return "\n".join([*lines, "", *(f"{number}. {text}" for text, number in notes.items())])

    def _lines(self, notes: dict[str, int]) -> Iterator[str]:
        yield "| method | base | " + " | ".join(LAWS) + " |"
        yield "| --- " * (len(LAWS) + 2) + "|"
        for name in METHODS:
            for precision in PRECISIONS:
                cells = [_cell(self.row(name, precision)[law], notes) for law in LAWS]
                yield f"| {name} | {precision} | " + " | ".join(cells) + " |"


def _cell(answer: str, notes: dict[str, int]) -> str:
    """The answer's first word, and the number of the note that holds the rest."""
    head, _, rest = answer.partition(": ") if ": " in answer else answer.partition(" ")
    if not rest:
        return head
    text = f"{head}: {rest}" if ": " in answer else answer
    return f"{head} [{notes.setdefault(text, len(notes) + 1)}]"
