"""The data of the item explorer: every question and answer as compact JSON that is safe inside a <script> element.

Each text stands once in `strings`, and others refer to it by index, since variants often give the same answer:
    item   = [id, input, target, [references], group or -1, [answer or null per variant], where it leaked or ""]
    answer = [text, [score or null per metric], [passage], error or -1, prompt tokens, completion tokens, seconds,
              and where answers have parts: [[name, expected, given, status], …]]
"""

from __future__ import annotations

import json

from domainkit.report.wording.labels import metric_title
from domainkit.results.lookups import metric_names, score_of, shown_question
from domainkit.results.schema import AnswerRow, Item, JsonObject, Results
from domainkit.visible import visible

# In a <script> element only these can end it, open a comment, or (the separators) end a line for an old parser.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def embed(value: object) -> str:
    """`value` as JSON that cannot leave the <script> element it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


class _Strings:
    """Each distinct text once, as it is shown."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._indices: dict[str, int] = {}

    def index(self, text: str | None) -> int:
        if text is None:
            return -1
        if text not in self._indices:
            self._indices[text] = len(self.texts)
            self.texts.append(visible(text))
        return self._indices[text]


def _number(value: float | None, decimals: int) -> float | None:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return None
    rounded = round(value, decimals)
    return int(rounded) if rounded == int(rounded) else rounded


def explorer_data(results: Results) -> JsonObject:
    """The explorer's data as a JSON value."""
    strings = _Strings()
    metrics = metric_names(results)
    passages: dict[str, int] = {}
    leaks = {
        p.test: f"{leak.against} ({leak.level})" for leak in reversed(results.leaks) if leak.counted for p in leak.pairs
    }

    def parts(row: AnswerRow) -> list[list[int | str]]:
        texts = [(p.status, (p.name, p.expected, p.given)) for p in row.parts if p.status != "empty"]
        return [[*map(strings.index, three), status] for status, three in texts]

    def answer(item: Item, variant: str, row: AnswerRow | None) -> list[object] | None:
        if row is None:
            return None
        scores = [_number(score_of(item, variant, m) if m == metrics[0] else row.scores.get(m), 3) for m in metrics]
        passage_numbers = [passages.setdefault(p, len(passages)) for p in row.passages]
        tail = [row.prompt_tokens, row.completion_tokens, _number(row.seconds, 3)]
        found: list[object] = [strings.index(row.text), scores, passage_numbers, strings.index(row.error), *tail]
        return [*found, parts(row)] if row.parts else found

    names = [v.name for v in results.variants]
    items = [
        [
            strings.index(item.id),
            strings.index(shown_question(item)),
            strings.index(item.target),
            [strings.index(r) for r in item.references if r != item.target],
            strings.index(item.group),
            [answer(item, name, item.answers.get(name)) for name in names],
            visible(leaks.get(item.id, "")),
        ]
        for item in results.items
    ]
    texts = [_passage(results, p, strings) for p in passages]
    return {
        "variants": [visible(name) for name in names],
        "baseline": next((i for i, name in enumerate(names) if name == results.baseline), 0),
        "choice": next((i for i, name in enumerate(names) if name == results.verdict.choice), 0),
        "metrics": [visible(metric_title(m)) for m in metrics],
        "items": items,
        "passages": texts,
        "strings": strings.texts,
    }


def _passage(results: Results, key: str, strings: _Strings) -> list[int]:
    """[title, text or -1]; a passage the file does not carry is shown by its id."""
    passage = results.passages.get(key)
    if passage is None:
        return [strings.index(key), -1]
    return [strings.index(passage.title or key), strings.index(passage.text)]
