"""What a person who decides asks first, in the order of the page's first screen."""

from __future__ import annotations

from domainkit.report.sections import people_section
from domainkit.report.sections.first_screen import answers, what_it_is
from domainkit.report.sections.grounds import grounds
from domainkit.report.wording.markdown_text import bullets, escape, table
from domainkit.results.lookups import find_variant
from domainkit.results.schema import Results


def decision(results: Results) -> list[str]:
    """Headline, recommended variant, how good, how sure, at what cost, what next, and what limits it."""
    v = results.verdict
    blocks = [f"**{escape(v.headline)}**"]
    if by_people := people_section.top_sentence(results):
        blocks.append(f"**{escape(by_people)}**")
    if chosen := find_variant(results, v.choice):
        blocks.append(f"Recommended variant: **{escape(v.choice)}**. {escape(what_it_is(chosen))}".rstrip())
    asked = [
        (a.question, f"**{f'{a.short} {escape(a.unit)}'.strip().replace('<', '&lt;')}**", escape(" ".join(a.lines)))
        for a in answers(results)
    ]
    blocks.append(table(("", "", ""), asked, right_from=3))
    if v.action:
        evidence = f" ({'; '.join(escape(text) for text in v.action.evidence)})" if v.action.evidence else ""
        blocks.append(f"**Next best action**: {escape(v.action.sentence)}{evidence}")
    rests_on = [f"{g.subject}{f' ({g.weak})' if g.weak else ''}: {g.fact}" for g in grounds(results)]
    steps = ("After that", v.next_steps[1:]) if v.action else ("Do next", v.next_steps)
    for title, lines in (("What it rests on", rests_on), ("What limits it", v.cautions), ("Why", v.reasons), steps):
        if lines:
            blocks += [f"**{title}**", bullets(escape(text) for text in lines)]
    return blocks


def by_people(results: Results) -> list[str]:
    """The section on people's judgement; nothing where nobody reviewed answers."""
    people = results.people
    if people is None:
        return []
    lines = bullets(escape(line) for line in people_section.people_lines(people))
    return ["## By people's judgement", people_section.LEAD, f"**{escape(people.sentence)}**", lines]
