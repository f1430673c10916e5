"""Runs of two variants, and reviews of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domainkit.results.people import ByPeople
from domainkit.results.review_plan import ReviewPlan
from domainkit.results.reviews import Review, ReviewLog, text_digest
from domainkit.results.schema import AnswerRow, Estimate, Item, Results, TaskFacts, VariantResult, Verdict
from domainkit.review.draw import plan_for
from domainkit.verdict.people.by_people import by_people

TUNED, PROMPT = "tuned", "few-shot"


def review(question: str, **said: Any) -> Review:
    fields = {"left": TUNED, "right": PROMPT, "reviewer": "ann", "at": "2026-01-02T03:04:05+00:00", "chance": 0.5}
    digests = {"left_digest": text_digest("a"), "right_digest": text_digest("b")}
    return Review(**{"question": question, **fields, **digests, **said})


def two_variants(
    texts: Sequence[tuple[str, str]],
    *,
    scores: Sequence[tuple[float, float]] = (),
    judge: Sequence[tuple[float, float]] = (),
    **more: Any,
) -> Results:
    """A finished comparison of `tuned` (recommended) and `few-shot` (baseline): the texts and scores of each."""
    scores = scores or [(1.0, 0.0)] * len(texts)

    def answer(k: int, side: int) -> AnswerRow:
        graded = {"judge": judge[k][side]} if judge else {}
        return AnswerRow(text=texts[k][side], scores={"token_f1": scores[k][side], **graded})

    items = tuple(
        Item(
            id=f"q{k}",
            input=f"question {k}",
            target=f"target {k}",
            references=(f"target {k}",),
            answers={TUNED: answer(k, 0), PROMPT: answer(k, 1)},
        )
        for k in range(len(texts))
    )
    variants = tuple(
        VariantResult(
            name=name,
            family=family,
            description="",
            metrics={
                "token_f1": Estimate(value=sum(s[side] for s in scores) / len(scores), n=len(texts)),
                **({"judge": Estimate(value=0.5, n=len(texts))} if judge else {}),
            },
        )
        for side, (name, family) in enumerate(((TUNED, "tune"), (PROMPT, "prompt")))
    )
    fields: dict[str, Any] = {
        "task": TaskFacts(name="desk", kind="answer", n=len(items), primary_metric="token_f1", fingerprint="f"),
        "baseline": PROMPT,
        "variants": variants,
        "verdict": Verdict(answer="fine-tune", choice=TUNED, headline="Fine-tune: tuned is best."),
        "items": items,
    }
    return Results(**{**fields, **more})


def different(n: int) -> list[tuple[str, str]]:
    return [(f"tuned says {k}", f"prompt says {k}") for k in range(n)]


def judged(results: Results, verdicts: Sequence[str], *, reviewer: str = "ann") -> list[Review]:
    """Reviews of the queue's first questions: of each, "10" means that tuned is right and few-shot wrong; "?" that it
    could not be judged. The right answer is preferred; the sides change from question to question."""
    words = {"1": "right", "0": "wrong", "?": "cannot judge"}
    drawn = plan_of(results)
    items = {item.id: item for item in results.items}
    made = []
    for k, (question, said) in enumerate(zip(drawn.queue, verdicts, strict=False)):
        by = dict(zip((TUNED, PROMPT), (words[c] for c in said), strict=True))
        left, right = (TUNED, PROMPT) if k % 2 else (PROMPT, TUNED)
        prefer = {"10": TUNED, "01": PROMPT}.get(said)
        answers = items[question].answers
        made.append(
            review(
                question,
                left=left,
                right=right,
                left_verdict=by[left],
                right_verdict=by[right],
                preference=None if "?" in said else "tie" if prefer is None else "left" if prefer == left else "right",
                reviewer=reviewer,
                left_digest=text_digest(answers[left].text),
                right_digest=text_digest(answers[right].text),
            )
        )
    return made


def people(results: Results, reviews: Sequence[Review]) -> ByPeople:
    return by_people(results, plan_of(results, reviews=len({r.question for r in reviews})), reviews)


def plan_of(results: Results, **options: Any) -> ReviewPlan:
    return plan_for(Path("nowhere"), results, **options)


def saved(run: Path, results: Results, reviews: Sequence[Review] = ()) -> Path:
    """The run folder with its results and reviews."""
    results.save(run / "results.json")
    if reviews:
        plan_of(results, reviews=len({r.question for r in reviews})).save(run)
        with ReviewLog(run) as log:
            for line in reviews:
                log.append(line)
    return run
