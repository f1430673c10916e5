"""Reviews to rows: corrections for `train`, pairs for `prefer`, references for the task.

Each row names the question it came from, the reviewer and what was reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domainkit.corpus.rows.unread_fields import FROM_REVIEW
from domainkit.errors import ConfigError
from domainkit.messages import JsonObject, Message, ToolCall, openai_message
from domainkit.results.answers import Item
from domainkit.results.reviews import REVIEWS_FILE, Review, latest, read_reviews, text_digest
from domainkit.results.schema import Results
from domainkit.storage import parse_json, write_text
from domainkit.verdict.people.counted import shown_text


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review beside its question, whose answers still stand."""

    review: Review
    item: Item

    @property
    def source(self) -> JsonObject:
        return {FROM_REVIEW: {"question": self.item.id, "reviewer": self.review.reviewer, "at": self.review.at}}

    def text(self, variant: str) -> str:
        return shown_text(self.item.answers[variant])


def reviewed_items(run: Path, results: Results) -> list[Reviewed]:
    """The last review of each person and question, where it is of the answers in `results`.

    Raises ConfigError where there is no review at all."""
    reviews = latest(read_reviews(run)).values()
    if not reviews:
        what = f"holds no reviews ({REVIEWS_FILE})"
        raise ConfigError(what, where=str(run), next_step=f"domainkit review {run} collects some")
    items = {item.id: item for item in results.items}
    pairs = ((r, items.get(r.question)) for r in reviews)
    return [Reviewed(r, item) for r, item in pairs if item is not None and _stands(r, item)]


def _stands(review: Review, item: Item) -> bool:
    return all(
        v in item.answers and review.digest_of(v) == text_digest(shown_text(item.answers[v])) for v in review.variants
    )


def correction_rows(reviewed: Iterable[Reviewed]) -> list[JsonObject]:
    """{"input", "target"} or, with earlier turns, {"messages"}: what the reviewer wrote is the answer."""
    found: dict[str, JsonObject] = {}
    for r in reviewed:
        if r.review.correction.strip():
            found[r.item.id] = {**_example(r.item, r.review.correction.strip()), **r.source}
    return list(found.values())


def pair_rows(reviewed: Iterable[Reviewed]) -> list[JsonObject]:
    """{"prompt", "chosen", "rejected"}: a correction before each wrong answer, a right answer before a wrong one, and
    of two that are equally right the preferred one."""
    rows = [
        {**_prompt(r.item), "chosen": chosen, "rejected": rejected, **r.source}
        for r in reviewed
        for chosen, rejected in _pairs(r)
    ]
    return list({json.dumps([row["prompt"], row["chosen"], row["rejected"]]): row for row in rows}.values())


def _pairs(r: Reviewed) -> Iterator[tuple[str, str]]:
    review, correction = r.review, r.review.correction.strip()
    verdicts = {v: review.verdict_on(v) for v in review.variants}
    for variant in review.variants:
        wrong = r.text(variant).strip()
        if verdicts[variant] == "wrong" and wrong and correction and wrong != correction:
            yield correction, wrong
    if len(verdicts) == 2 and (better := _better(review)) is not None:
        worse = next(v for v in review.variants if v != better)
        chosen, rejected = r.text(better).strip(), r.text(worse).strip()
        if chosen and rejected and chosen != rejected:
            yield chosen, rejected


def _better(review: Review) -> str | None:
    """The better answer: the only right one, or of two right ones the preferred; None of two that are not right."""
    right = [v for v in review.variants if review.verdict_on(v) == "right"]
    wrong = [v for v in review.variants if review.verdict_on(v) == "wrong"]
    if len(right) == 1 and len(wrong) == 1:
        return right[0]
    return review.preferred if len(right) == 2 else None


def reference_rows(reviewed: Sequence[Reviewed], results: Results) -> list[JsonObject]:
    """Test rows of the reviewed questions with every answer that people accept: their corrections, and the answers
    they call right."""
    found: dict[str, list[str]] = {}
    by_id: dict[str, Reviewed] = {}
    for r in reviewed:
        accepted = [r.review.correction.strip(), *(r.text(v) for v in r.review.variants if _is_right(r.review, v))]
        found.setdefault(r.item.id, []).extend(text for text in accepted if text.strip())
        by_id[r.item.id] = r
    return [
        {
            "id": item.id,
            **_example(item, item.target or texts[0]),
            "references": list(dict.fromkeys((*item.references, *texts))),
            **({"doc_ids": list(item.doc_ids)} if item.doc_ids else {}),
            **({"group": item.group} if item.group else {}),
            **by_id[item.id].source,
        }
        for item in results.items
        if (texts := found.get(item.id))
    ]


def _is_right(review: Review, variant: str) -> bool:
    return review.verdict_on(variant) == "right"


def _example(item: Item, answer: str) -> JsonObject:
    if not item.turns and not item.tools:
        return {**_system(item), "input": item.input, "target": answer}
    return {"messages": [*_asked(item), _answer_turn(item, answer)], **_tools(item)}


def _prompt(item: Item) -> JsonObject:
    if not item.turns:
        return {**_system(item), "prompt": item.input, **_tools(item)}
    return {"prompt": _asked(item), **_tools(item)}


def _asked(item: Item) -> list[JsonObject]:
    """The conversation up to the question, with it."""
    opening = [{"role": "system", "content": item.system}] if item.system else []
    return [*opening, *(openai_message(turn) for turn in item.turns), {"role": "user", "content": item.input}]


def _answer_turn(item: Item, answer: str) -> JsonObject:
    """Calls, where the question has tools and the answer is their JSON; else text."""
    with suppress(ValueError):
        calls = parse_json(answer) if item.tools else None
        if calls and isinstance(calls, list) and all(isinstance(c, dict) and "name" in c for c in calls):
            made = [
                ToolCall(id=f"call_{k}", name=c["name"], arguments=c.get("arguments", {})) for k, c in enumerate(calls)
            ]
            return openai_message(Message(role="assistant", content="", tool_calls=tuple(made)))
    return {"role": "assistant", "content": answer}


def _system(item: Item) -> JsonObject:
    return {"system": item.system} if item.system else {}


def _tools(item: Item) -> JsonObject:
    return {"tools": list(item.tools)} if item.tools else {}


def write_rows(path: Path, rows: Sequence[JsonObject], what: str) -> None:
    """JSON Lines. Raises ConfigError for no rows, another ending, and rather than replace a file."""
    if path.suffix != ".jsonl":
        raise ConfigError(
            "rows are written as JSON Lines", where=str(path), next_step=f"name {path.with_suffix('.jsonl')}"
        )
    if path.exists():
        raise ConfigError("is there already", where=str(path), next_step="choose another name for the rows")
    if not rows:
        raise ConfigError(f"the reviews hold no {what}", where=str(path), next_step="review more questions first")
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
