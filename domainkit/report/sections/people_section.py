"""The section on people's judgement."""

from __future__ import annotations

from domainkit.results.schema import ByPeople, Estimate, JudgeMeasured, Preference, Results, ReviewersAgree
from domainkit.verdict import numbers
from domainkit.verdict.people.changed import people_points, worth_sentence
from domainkit.verdict.sentences import listed

MANY_NOT_JUDGED = 0.1
LEAD = (
    "People judged answers without knowing which variant gave them. The interval is over all questions that could be "
    "asked, as for every other figure."
)


def top_sentence(results: Results) -> str:
    """The result by people, for the top of a report; "" without one, and where it is the verdict's own headline."""
    people = results.people
    return "" if people is None or people.sentence == results.verdict.headline else people.sentence


def people_lines(people: ByPeople) -> list[str]:
    """What the reviews say, a sentence each."""
    lines = [worth_sentence(people), *_counts(people)]
    if people.preference is not None:
        lines += _preference(people, people.preference)
    lines += [_agreement(pair) for pair in people.agreement]
    if people.judge is not None:
        lines += [judge_sentence(people.judge), *_by_variant(people.judge)]
    return [*filter(None, lines), *_left_out(people)]


def _counts(people: ByPeople) -> list[str]:
    who = listed(people.reviewers) if people.reviewers else "nobody"
    lines = [f"{people.reviewed:,} of {people.planned:,} questions reviewed, by {who}."]
    shares = [f"{name} {_share(share)}" for name, share in people.right.items() if share.value is not None]
    if shares and len(people.variants) > 1:
        lines.append(f"Right, of the answers that were reviewed: {listed(shares)}.")
    if people.identical:
        have = "has" if people.identical == 1 else "have"
        of_all = f"{people.identical:,} of {people.questions:,} questions"
        lines.append(f"{of_all} {have} the same answer from both: they count as equal.")
    return lines


def _share(share: Estimate) -> str:
    return f"{numbers.percent(share.value)} % ({numbers.interval(share)})"


def _preference(people: ByPeople, p: Preference) -> list[str]:
    first, second = people.variants
    lines = [
        f"Which answer people would rather give is another question, and is not counted with it: {first} {p.wins:,}, "
        f"equally good {p.ties:,}, {second} {p.losses:,}; {people_points(p.difference)}."
    ]
    if p.against:
        lines.append(f"In {p.against:,} of them a wrong answer was preferred to a right one.")
    asked = p.wins + p.losses
    if asked:
        lines.append(
            f"The answer shown first was preferred in {p.left:,} of {asked:,} (p = {numbers.p_value(p.left_p)}); sides "
            "were drawn by chance."
        )
    return lines


def _agreement(pair: ReviewersAgree) -> str:
    beyond = f"; Gwet's AC1 {pair.ac1.value:.2f}" if pair.ac1.value is not None else ""
    same = f"{listed(pair.reviewers)} give the same verdict on {_share(pair.share)}"
    return f"{same} of {pair.n:,} answers that both judged{beyond}."


def _left_out(people: ByPeople) -> list[str]:
    lines = []
    if people.not_judged:
        seen = people.reviewed + people.not_judged
        many = people.not_judged > MANY_NOT_JUDGED * seen
        warning = ": more than a tenth, so the result may not hold for questions like these" if many else ""
        lines.append(f"{people.not_judged:,} of {seen:,} questions could not be judged{warning}.")
    if people.outdated:
        lines.append(
            f"{people.outdated:,} reviews do not count: they are of answers that have changed since, or of questions "
            "that the queue does not have among its first."
        )
    return lines


def judge_sentence(judge: JudgeMeasured) -> str:
    """How far the judge agrees with people."""
    if not judge.n:
        return f"The {judge.metric}'s agreement with people is not measured: no reviewed answer has its grade."
    kappa = "κ not defined" if judge.kappa is None else f"κ {numbers.fixed(judge.kappa, 2)}"
    return (
        f"The {judge.metric} beside people on {judge.n:,} answers: {kappa}; sensitivity {_rate(judge.sensitivity)}, "
        f"specificity {_rate(judge.specificity)}."
    )


def _by_variant(judge: JudgeMeasured) -> list[str]:
    if len(judge.by_variant) < 2 or not judge.n:
        return []
    each = [f"{name}: sensitivity {_rate(a)}, specificity {_rate(b)}" for name, (a, b) in judge.by_variant.items()]
    return [f"By variant, {'; '.join(each)}. Where they differ, the judge favours one."]


def _rate(share: Estimate) -> str:
    return "not measured" if share.value is None else _share(share)
