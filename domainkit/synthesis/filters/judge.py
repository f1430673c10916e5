"""A chat model reads quote, question and answer, and says whether the answer follows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domainkit.synthesis.asking.asker import Reply
from domainkit.synthesis.asking.requests import judging
from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context

_VERDICT = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


def judged_wrong(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    if context.judge is None:
        return [None] * len(candidates)
    replies = context.judge.ask([judging(c.quote, c.question, c.answer) for c in candidates])
    return [_reason(reply) for reply in replies]


def _reason(reply: Reply | None) -> Reason | None:
    if reply is None:
        return Reason("not judged", "the judge gave no reply, or the budget ended")
    verdict = _VERDICT.match(reply.text)
    if verdict is None:
        return Reason("the judge's reply is neither yes nor no", reply.text)
    return None if verdict[1].lower() == "yes" else Reason("the judge says no")
