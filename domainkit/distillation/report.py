"""What the terminal says of a finished run: plain lines, and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from domainkit.distillation.acceptance import NO_REPLY
from domainkit.distillation.asking import JUDGE
from domainkit.distillation.result import Distilled, Use
from domainkit.report.wording.text import shorten
from domainkit.synthesis.report.sentences import counted
from domainkit.verdict.numbers import money as money_text

_SHOWN = 110
"""Characters of an example."""


def report_lines(distilled: Distilled) -> Iterator[str]:
    """Lines for a terminal; text of models is in them as it is: whoever prints them makes it safe."""
    accepted, asked = len(distilled.accepted), len(distilled.outcomes)
    rows = counted(accepted, "row")
    yield f"{rows} of {counted(asked, 'question')}, answered by {distilled.teacher.model.name} ({_how(distilled)})."
    yield f"Kind of task: {distilled.task.kind} ({distilled.task.why_kind}). --kind names another."
    yield from _quality(distilled)
    if counts := distilled.refused():
        yield ""
        yield "Refused, with an example:"
    for reason, count in counts.most_common():
        first = next(o for o in distilled.outcomes if o.refused == reason)
        yield f"{count:>6}  {reason}"
        yield f"        {shorten(f'{first.sample.input} → {first.detail or first.answer}', _SHOWN)}"
    yield ""
    for use in distilled.uses:
        yield _cost(distilled, use)
    yield from _cautions(distilled)
    yield ""
    yield f"Rows: {distilled.file if accepted else 'none'}. Record: {distilled.out / 'distil.json'}"


def _how(distilled: Distilled) -> str:
    samples = distilled.config.samples
    return distilled.teacher.how + (f", {samples} samples a question" if samples > 1 else "")


def _quality(distilled: Distilled) -> Iterator[str]:
    found = distilled.quality
    if found.value is None or found.low is None or found.high is None:
        yield "How good the teacher is was not measured: no row has a target. Some labelled rows among them tell."
        return
    percent = [round(100 * value) for value in (found.value, found.low, found.high)]
    rows, between = counted(found.n, "labelled row"), f"({percent[1]} to {percent[2]})"
    if distilled.task.kind == "label":
        yield f"The teacher is right on {percent[0]} % of {rows} {between}."
    else:
        yield f"The teacher's score on {rows}: {percent[0]} % {between}, {distilled.metric}."


def _cost(distilled: Distilled, use: Use) -> str:
    tokens = f"{use.cost.input_tokens:,} tokens read and {use.cost.output_tokens:,} written"
    prices = " at domainkit's own round prices (prices=FILE has yours)" if distilled.default_prices else ""
    money = "on this machine" if use.is_local else f"{money_text(use.cost.money)} {distilled.currency}{prices}"
    kept = f"; {counted(use.from_disk, 'reply', 'replies')} were on disk from an earlier run" if use.from_disk else ""
    return f"The {use.role}: {counted(use.cost.calls, 'call')}, {tokens}, {money}{kept}."


def _cautions(distilled: Distilled) -> Iterator[str]:
    if distilled.ended_by:
        yield f"The budget of {distilled.ended_by} ended the run: the same command with a larger one continues."
    for use in distilled.uses:
        if use.failures:
            said = shorten(use.failures[0], _SHOWN)
            requests = counted(len(use.failures), "request")
            yield f"{requests} to the {use.role} got no reply ({said}): the same command asks again."
        if use.estimated:
            replies = counted(use.estimated, "reply", "replies")
            yield f"The {use.role} reported no tokens for {replies}: theirs are estimated from the text."
    if distilled.refused()[NO_REPLY] and not any(use.failures for use in distilled.uses):
        yield "Some questions were not answered as often as wanted: the same command asks for the rest."
    for kind, count in distilled.personal_data.items():
        yield f"{counted(count, 'row')} may hold personal data ({kind}): domainkit check --deep shows where."
    judged = any(use.role == JUDGE for use in distilled.uses)
    if distilled.config.samples == 1 and not judged and any(not o.is_known for o in distilled.accepted):
        yield "Nothing but their form was checked where a row has no target: samples=3 or --judge checks more."
    if not distilled.test:
        yield "No --test was given: a row may be a copy of a test question. domainkit compare reports such rows."
    if not distilled.teacher.is_local:
        yield "Look whether the terms of the teacher's provider let you train on its answers."


def next_commands(distilled: Distilled) -> list[str]:
    """Train on the rows, and compare with the teacher as a variant; none where there is no row."""
    if not distilled.accepted:
        return []
    adapter = distilled.out / "adapter"
    train = ["domainkit", "train", "--data", str(distilled.file), "--out", str(adapter)]
    compare = ["domainkit", "compare", "--task", distilled.test or "TEST.jsonl", "--train", str(distilled.file)]
    compare += ["--kind", distilled.config.kind] if distilled.config.kind else []
    if distilled.teacher.can_be_compared:
        compare += ["--model", f"teacher={distilled.teacher.spec}"]
    compare += ["--adapter", str(adapter), "--out", str(distilled.out / "comparison")]
    return [shlex.join(train), shlex.join(compare)]
