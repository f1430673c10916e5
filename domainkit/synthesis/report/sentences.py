"""The sentences of both reports. Text of documents and models is in them as it is: the reports make it safe."""

from __future__ import annotations

import shlex

from domainkit.synthesis.filters import MEANINGS
from domainkit.synthesis.result import MadeRows
from domainkit.verdict.numbers import money as money_text

WEAK, _ENOUGH = 0.25, 8
"""A writer is called weak when a smaller share of so many rows is kept."""
_NOT_ITS_FAULT = ("duplicate", "closed book")
"""Filters that take good rows, too."""


def outcome(made: MadeRows) -> str:
    """How many rows there are, and where they come from."""
    parts = [
        f"{len(rows)} {name} rows from {counted(len({row['doc_ids'][0] for row in rows}), 'document')}"
        for rows, name in ((made.train, "training"), (made.test, "test"))
        if rows
    ]
    sides = " and ".join(parts) if parts else "no row"
    apart = " No document gave rows to both sides." if made.train and made.test else ""
    return f"{len(made.rows)} of {made.config.rows} rows: {sides}.{apart}"


def accounting(made: MadeRows) -> str:
    """Every row that was written, by what became of it."""
    more = f", {made.surplus} were more than needed" if made.surplus else ""
    return f"The writer wrote {made.written} rows: {len(made.rows)} kept, {len(made.dropped)} dropped{more}."


def why_fewer(made: MadeRows) -> str:
    """Why there are fewer rows than wanted; "" where there are not."""
    if made.ended_by:
        return f"The budget of {made.ended_by} ended the run: run the same command with a larger one to continue."
    if len(made.rows) >= made.config.rows:
        return ""
    judged = made.written - made.surplus - sum(d.filter in _NOT_ITS_FAULT for d in made.dropped)
    if judged >= _ENOUGH and len(made.rows) < WEAK * judged:
        return (
            f"The writer is too weak for these documents: {len(made.rows)} of {judged} rows that it wrote are good "
            "enough. Name a stronger model with --writer (provider:model, or server:http://host:8000#model), and "
            "another --out."
        )
    return (
        "Fewer rows than wanted: every section was asked about as often as it gave rows. Give more documents, a "
        "stronger --writer, or fewer --rows."
    )


def cautions(made: MadeRows) -> list[str]:
    """What the rows cannot promise."""
    lines = [
        "The rows are synthetic: a model wrote them, and people ask otherwise. Read some before you use them; a test "
        "set of people's questions decides."
    ]
    lines += [f"Not done: {why}." for why in made.not_done.values()]
    for use in made.models:
        if use.failures:
            lines.append(
                f"{counted(len(use.failures), 'request')} to the {use.role} got no reply ({use.failures[0]}): the same "
                "command asks again."
            )
        if use.estimated:
            lines.append(
                f"The {use.role} reported no tokens for {counted(use.estimated, 'reply', 'replies')}: theirs are "
                "estimated from the text."
            )
    return lines


def meaning_of(filter_name: str) -> str:
    return MEANINGS.get(filter_name, filter_name)


def cost(made: MadeRows) -> str:
    """What the run took, earlier parts of it in the same folder included."""
    total = made.cost
    paid = [use for use in made.models if not use.is_local]
    prices = " at domainkit's own round prices (--prices has yours)" if made.default_prices else ""
    money = f", {money_text(total.money)} {made.currency}{prices}" if paid else ", on this machine"
    tokens = f"{total.input_tokens:,} tokens read and {total.output_tokens:,} written"
    return f"{counted(total.calls, 'call')}, {tokens}{money}."


def next_command(made: MadeRows) -> str:
    """What to do with the rows."""
    if not made.rows:
        corpus = made.corpus or "CORPUS"
        return shlex.join(["domainkit", "make", corpus, "--writer", "PROVIDER:MODEL", "--out", f"{made.out}-2"])
    words = ["domainkit", "compare"]
    if not made.test:
        return shlex.join(["domainkit", "train", "--data", str(made.file("train")), "--out", str(made.out / "adapter")])
    words += ["--task", str(made.file("test"))]
    if made.train:
        words += ["--train", str(made.file("train"))]
    if made.corpus:
        words += ["--corpus", made.corpus]
    return shlex.join([*words, "--out", str(made.out / "comparison")])


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
