"""On what a certificate rests: both models, the test, and what the incumbent taught before it is left."""

from __future__ import annotations

from domainkit.leaving.costs import teaching_money
from domainkit.leaving.decision import LeaveDecision
from domainkit.report.wording.text import shorten
from domainkit.verdict import numbers
from domainkit.verdict.sentences import listed, metric_words, percent

HOW_ASKED = {
    "rows": "the messages of the rows as they are",
    "instruction": "an instruction of domainkit, then the question",
}


def facts_of(d: LeaveDecision) -> tuple[tuple[str, str], ...]:
    """(what, figure) of each; "" where there is nothing to say is left out."""
    r, model = d.results, d.results.model
    when = (
        d.facts.asked_from if d.facts.asked_from == d.facts.asked_to else f"{d.facts.asked_from} to {d.facts.asked_to}"
    )
    candidates = f"{listed(d.facts.candidates)}, declared before the first question"
    learnt = f"{r.training.examples:,} rows by {r.training.method}" if r.training else "not recorded"
    rows = [
        ("In use", d.facts.model),
        ("Its version", ", ".join(d.facts.versions) or "the provider reported none"),
        ("Asked", f"{when or 'the date is not recorded'}; {HOW_ASKED[d.facts.asked_as]}"),
        ("Candidates", candidates),
        ("Taught", taught_words(d)),
        ("Base", f"{model.get('base', 'none')}, fingerprint {_digest(model.get('base_fingerprint'))}"),
        ("Adapter", f"SHA-256 {_digest(model.get('adapter_sha256'))}; trained on {learnt}"),
        ("Test", f"{r.task.name}: {len(r.items):,} questions, fingerprint {_digest(r.task.fingerprint)}"),
        (
            "Test of",
            f"paired difference of {metric_words(r.task.primary_metric)}, one-sided non-inferiority; {_method(d)}",
        ),
        ("Made", r.created.replace("T", " ").replace("+00:00", " UTC")),
    ]
    return tuple((label, shorten(value, 190)) for label, value in rows if value)


def _method(d: LeaveDecision) -> str:
    method = d.test.difference.method.partition(";")[2].strip().partition(" at ")[0] if d.test.difference else "none"
    shared = f"; {len(d.tests)} candidates share 5 %" if len(d.tests) > 1 else ""
    return f"{method} at {100 * d.level:g} %{shared}"


def _digest(value: object) -> str:
    return str(value)[:16] if value else "not recorded"


def taught_words(d: LeaveDecision) -> str:
    """How many rows the incumbent answered, and what that cost; "" where it taught nothing."""
    t = d.facts.taught
    if t is None:
        return ""
    money = teaching_money(d)
    paid = "on this machine" if not t.paid else "its price is not known" if money is None else money
    agreed = f", {t.samples} answers to each" if t.samples > 1 else ""
    measured = t.score.value if t.score is not None else None
    right = (
        f"; right on {percent(measured)} of the {t.score.n:,} with a target" if t.score and measured is not None else ""
    )
    return (
        f"{numbers.count(t.rows)} of the training rows have its answers, of {t.questions:,} questions{agreed}{right}; "
        f"{t.calls:,} calls, {paid}"
    )


def about_teaching(d: LeaveDecision) -> list[str]:
    """What limits the teaching: its budget, what was not checked, and whose terms it is under."""
    t = d.facts.taught
    if t is None:
        return []
    found = []
    if t.ended_by:
        found.append(f"The budget of {t.ended_by} ended the teaching: the same command with a larger one continues.")
    if t.failures:
        found.append(f"{t.failures:,} requests of the teaching got no reply: the same command asks again.")
    if not t.rows:
        found.append("The model in use taught nothing: none of its answers was accepted (taught/refused.jsonl).")
    elif t.samples == 1:
        found.append(
            "Nothing but their form was checked of the rows it answered: teaching.samples=3 asks for agreement."
        )
    if t.paid and t.rows:
        found.append("Look whether the terms of its provider let you train on its answers.")
    return found


__all__ = ["about_teaching", "facts_of", "taught_words"]
