"""At which step retrieval loses questions, and the oracle's bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from domainkit.corpus.chunk import document_id
from domainkit.report.charts.svg import drawing, line, linear, tag, words
from domainkit.report.wording.text import shorten
from domainkit.results.lookups import score_of
from domainkit.results.schema import AnswerRow, Item, Results
from domainkit.text.words import contains, fold
from domainkit.verdict.numbers import percent

RIGHT = 0.5
"""A graded score from which on an answer counts as right."""
_WIDTH, _STEP, _BAR = 340.0, 40.0, 14.0
Test = Callable[[Item, AnswerRow], bool]


@dataclass(frozen=True)
class Step:
    """Questions that passed this step and all before it, as a share of the answered ones."""

    name: str
    share: float


@dataclass(frozen=True)
class Waterfall:
    """The steps of one variant."""

    variant: str
    asked: int
    steps: tuple[Step, ...]
    otherwise: float
    """Share right although an earlier step failed."""
    oracle: tuple[str, float] | None = None
    """(variant, share right) with the gold document in the prompt."""


def waterfalls(results: Results) -> list[Waterfall]:
    """One for each variant with passages in its prompts, except the oracle."""
    texts = {key: fold(f"{p.title}\n{p.text}") for key, p in results.passages.items()}
    oracle = next((v.name for v in results.variants if v.family == "oracle"), None)
    bound = (oracle, _share_right(results, oracle)) if oracle else None
    falls = []
    for v in results.variants:
        answered = [(item, row) for item in results.items if (row := item.answers.get(v.name)) is not None]
        if v.name != oracle and any(row.passages for _, row in answered):
            falls.append(_waterfall(results, v.name, answered, texts, bound))
    return falls


def _waterfall(
    results: Results,
    name: str,
    answered: list[tuple[Item, AnswerRow]],
    texts: dict[str, str],
    oracle: tuple[str, float] | None,
) -> Waterfall:
    right = [_right(results, item, name) for item, _ in answered]
    passed = [True] * len(answered)
    steps, total = [], max(len(answered), 1)
    for label, test in _tests(results, name, answered, texts):
        passed = [ok and test(item, row) for ok, (item, row) in zip(passed, answered, strict=True)]
        steps.append(Step(label, sum(passed) / total))
    all_steps = sum(ok and r for ok, r in zip(passed, right, strict=True))
    steps.append(Step("right", all_steps / total))
    return Waterfall(name, len(answered), tuple(steps), (sum(right) - all_steps) / total, oracle)


def _tests(
    results: Results, name: str, answered: list[tuple[Item, AnswerRow]], texts: dict[str, str]
) -> list[tuple[str, Test]]:
    """The steps before "right" that can be checked: gold documents need ids that the questions name, texts in passages
    need free answers."""

    def in_passages(answers: tuple[str, ...], row: AnswerRow) -> bool:
        phrases = [fold(a) for a in answers]
        return any(contains(texts.get(p, ""), phrase) for phrase in phrases for p in row.passages)

    tests: list[tuple[str, Test]] = []
    unknown_ids = any(hits.reason for v in results.variants if v.name == name for hits in v.retrieval.values())
    if any(item.doc_ids for item, _ in answered) and not unknown_ids:
        tests.append(("document found", lambda item, row: bool(set(item.doc_ids) & _documents(row))))
    if results.task.kind == "answer":
        tests.append(("answer in the passages", lambda item, row: in_passages(item.references or (item.target,), row)))
        tests.append(("answer taken from them", lambda item, row: in_passages((row.text,), row)))
    return tests


def _documents(row: AnswerRow) -> set[str]:
    """Ids of the passages and, of chunks, of their documents."""
    return {key for p in row.passages for key in (p, document_id(p))}


def _right(results: Results, item: Item, name: str) -> bool:
    score = score_of(item, name, results.task.primary_metric)
    return score is not None and score >= RIGHT


def _share_right(results: Results, name: str) -> float:
    items = [item for item in results.items if name in item.answers]
    return sum(_right(results, item, name) for item in items) / max(len(items), 1)


def waterfall_charts(results: Results, prefix: str = "") -> list[tuple[Waterfall, Markup]]:
    return [(fall, _draw(fall, f"{prefix}waterfall-{k}")) for k, fall in enumerate(waterfalls(results))]


def _draw(fall: Waterfall, key: str) -> Markup:
    x = linear((0.0, 1.0), (0.0, _WIDTH))
    body: list[Markup] = []
    rows = [("questions", 1.0, "asked"), *((s.name, s.share, "step") for s in fall.steps)]
    rows[-1] = (rows[-1][0], rows[-1][1], "right")
    before = 1.0
    for k, (name, share, css) in enumerate(rows):
        body += _bar(name, share, before, _STEP * k, css, x)
        before = share
    if fall.otherwise > 0.0005:
        start = fall.steps[-1].share
        top = _STEP * (len(rows) - 1) + 18
        body.append(tag("rect", x=x(start), y=top, width=x(fall.otherwise), height=_BAR, class_="bar-otherwise", rx=2))
    height = _STEP * len(rows)
    if fall.oracle is not None:
        name, share = fall.oracle
        body += _bar(f"right with {shorten(name, 24)}", share, share, height, "oracle", x)
        body.append(line(x(share), 18, x(share), height + 18 + _BAR, "oracle-line"))
        height += _STEP
    description = [f"{s.name} {percent(s.share)}" for s in fall.steps]
    description += [f"right otherwise {percent(fall.otherwise)}"]
    description += [f"right with {fall.oracle[0]} {percent(fall.oracle[1])}"] if fall.oracle else []
    title = f"Questions left at each step by {shorten(fall.variant, 60)}, percent"
    return drawing(key, (_WIDTH, height), title, ". ".join(description), body, "multiple")


def _bar(name: str, share: float, before: float, top: float, css: str, x: Callable[[float], float]) -> list[Markup]:
    """A bar with its label and number above; the share lost since the step before is drawn pale."""
    lost = before - share
    number = percent(share) + (f"  (−{percent(lost)})" if lost > 0.0005 else "")
    return [
        words(name, 0, top + 13, "label small"),
        words(number, _WIDTH, top + 13, "number small", "end"),
        tag("rect", x=0.0, y=top + 18, width=x(max(before, share)), height=_BAR, class_="bar-lost", rx=2),
        tag("rect", x=0.0, y=top + 18, width=x(share), height=_BAR, class_=f"bar-{css}", rx=2),
    ]
