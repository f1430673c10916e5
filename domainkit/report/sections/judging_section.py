"""The section on judging: what judged, its agreement with people, its word on pairs, and what it cost."""

from __future__ import annotations

from domainkit.report.wording.labels import agreement_text
from domainkit.report.wording.text import shorten
from domainkit.results.schema import JudgedPairs, JudgeFacts, Results
from domainkit.verdict import numbers
from domainkit.verdict.sentences import percent, points

RUBRIC_SHOWN = 400
"""Characters of a rubric."""
MUCH = 1 / 3
"""From this share of pairs on, the order of the answers decides too much."""


def judge_sentences(results: Results, judge: JudgeFacts) -> list[str]:
    """A judge's rubric, agreement, replies and cost."""
    earlier = judge.requests - judge.asked
    kept = f", {earlier:,} of them in earlier runs on this folder" if earlier > 0 else ""
    asked = f"{judge.requests:,} {'request' if judge.requests == 1 else 'requests'}{kept}"
    noun = "verdict" if judge.metric == "judge_pairs" else "grade"
    replies = "reply was" if judge.unreadable == 1 else "replies were"
    share = percent(judge.unreadable / judge.requests) if judge.requests else "none"
    failed = f"; {judge.failed:,} had no reply" if judge.failed else ""
    return [
        f"Rubric: {shorten(judge.rubric, RUBRIC_SHOWN)}",
        f"Agreement with people: {agreement_text(results, judge.metric)}.",
        f"{asked}: {judge.unreadable:,} {replies} no {noun} ({share}){failed}.",
        f"{_tokens(judge)}{_money(results, judge.metric)}.",
    ]


def _tokens(judge: JudgeFacts) -> str:
    time = f"{numbers.seconds(judge.seconds)} of {'machine time' if judge.local else 'waiting'}"
    if judge.prompt_tokens is None or judge.completion_tokens is None:
        return f"No tokens reported, {time}"
    return f"{judge.prompt_tokens:,} tokens read, {judge.completion_tokens:,} written, {time}"


def _money(results: Results, metric: str) -> str:
    found = next((c for c in (results.cost.judges if results.cost else ()) if c.metric == metric), None)
    if results.cost is None or found is None:
        return ""
    currency = results.cost.prices.currency
    return f"; {found.reason}" if found.money is None else f"; {numbers.money(found.money)} {currency}"


def pair_sentences(results: Results) -> list[str]:
    """The recommended variant against the baseline by the judge of pairs, and which biases went with it."""
    pairs = results.judged_pairs
    if pairs is None:
        return []
    if pairs.difference is None:
        return [f"No pairs were judged: {pairs.reason}."]
    d = pairs.difference
    lines = [
        f"{pairs.variant} against {pairs.baseline}: {d.wins:,} won, {d.ties:,} tied, {d.losses:,} lost of {d.n:,} "
        f"pairs, each in both orders: {points(d)}, {d.state} (agreement with people: "
        f"{agreement_text(results, 'judge_pairs')}).",
        f"Place: {_places(pairs)}",
    ]
    if pairs.decided:
        share = percent(pairs.longer / pairs.decided)
        lines.append(f"Length: of {pairs.decided:,} decided pairs, the longer answer won {pairs.longer:,} ({share}).")
    if pairs.identical:
        lines.append(f"{pairs.identical:,} pairs have the same words: ties, without asking.")
    if pairs.unreadable:
        lines.append(f"{pairs.unreadable:,} pairs have no verdict in one of the orders, and are left out.")
    return lines


def _places(pairs: JudgedPairs) -> str:
    if not pairs.asked:
        return "no pair was asked."
    share = percent(pairs.inconsistent / pairs.asked)
    sides = f" ({pairs.first:,} for the place shown first, {pairs.last:,} for the last)"
    little = " Such a judge says little." if pairs.inconsistent > MUCH * pairs.asked else ""
    preferred = sides if pairs.inconsistent else ""
    return (
        f"on {pairs.inconsistent:,} of {pairs.asked:,} pairs asked ({share}) the verdict changed with the order of the "
        f"answers: ties{preferred}.{little}"
    )
