"""Ask a Runnable every question of a task, and keep each answer as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from domainkit.comparison.asking.as_they_come import Keep, answer_alone, comes_apart, outputs_of
from domainkit.errors import FOREIGN_ERRORS
from domainkit.evaluation.answers_on_disk import PassageRow, Progress, Row, RowStore, asked_each
from domainkit.evaluation.calls.call_list import answer_text
from domainkit.evaluation.task import Sample
from domainkit.evaluation.variant import Answerer
from domainkit.machine import memory_in_use
from domainkit.messages import JsonObject, openai_message, split_reasoning

LONGEST_VERSION = 200
"""Letters of a model's version: it is text of a server."""


class EndedError(Exception):
    """The variant cannot be asked any more; the text says why."""


class Asks(Protocol):
    """Asks a Runnable the questions that are there by their digests, and keeps each row. May leave some out where a
    budget ends; raises EndedError where no more can be asked."""

    def __call__(self, runnable: Answerer, todo: Mapping[str, Sample], keep: Keep) -> None: ...


def answer_all(
    name: str,
    key: str,
    make: Callable[[], Answerer],
    samples: Sequence[Sample],
    store: RowStore,
    *,
    batch_size: int,
    asked: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
    by: Asks | None = None,
) -> list[Row | None]:
    """Every sample's row under `key`, in order; only those not finished before are asked, in batches of `batch_size`,
    or as `by` asks them. None for a question that it left out.

    `make` makes what is asked. It is called when there is something to ask: a finished variant loads no model. `asked`
    are the digests of what it is asked, by id, where `samples` are a part of a task. Where the variant ends before its
    last question, every row says why: the answers that are there would be scored as if the others were wrong. A
    Runnable with the attribute `counts_when_ended` keeps those.
    """
    asked = asked or asked_each(samples)
    questions = [asked[s.id] for s in samples]
    answered = set(store.finished(key)).intersection(questions)
    todo = {q: s for q, s in zip(questions, samples, strict=True) if q not in answered}
    report = on_progress or (lambda *_: None)
    report(name, len(answered), len(samples))

    def keep(rows: Mapping[str, Row], *, sync: bool = True) -> None:
        store.append((row.model_copy(update={"question": q}) for q, row in rows.items()), sync=sync)
        answered.update(rows)
        report(name, len(answered), len(samples))

    try:
        if todo and by is not None:
            by(make(), todo, keep)
        elif todo:
            _in_batches(name, key, make(), todo, batch_size, keep)
    except EndedError as e:
        kept = store.finished(key) if getattr(make(), "counts_when_ended", False) else {}
        ended = [Row(key=key, variant=name, id=s.id, question=asked[s.id], error=str(e)) for s in samples]
        return [kept.get(row.question, row).model_copy(update={"id": row.id}) for row in ended]
    found = store.all_of(key)
    return [
        found[q].model_copy(update={"id": s.id}) if q in answered else None
        for q, s in zip(questions, samples, strict=True)
    ]


def question_of(sample: Sample) -> str | JsonObject:
    """The input of a variant's Runnable: the question; as a dict, with its system turn, its earlier turns ("history",
    messages in OpenAI's form) and its tools, where the row has them."""
    more: JsonObject = {}
    if sample.system:
        more["system"] = sample.system
    if sample.turns:
        more["history"] = [openai_message(turn) for turn in sample.turns]
    if sample.tools:
        more["tools"] = list(sample.tools)
    return {"question": sample.input, **more} if more else sample.input


def _in_batches(
    name: str, key: str, runnable: Answerer, todo: Mapping[str, Sample], batch_size: int, keep: Keep
) -> None:
    questions, ask = list(todo), _as_they_come if comes_apart(runnable) else _at_once
    for start in range(0, len(questions), batch_size):
        ask(name, key, runnable, {q: todo[q] for q in questions[start : start + batch_size]}, keep)


def _at_once(name: str, key: str, runnable: Answerer, block: Mapping[str, Sample], keep: Keep) -> None:
    rows = _answer_block(name, key, runnable, list(block.values()))
    keep(dict(zip(block, rows, strict=True)))


def _as_they_come(name: str, key: str, runnable: Answerer, block: Mapping[str, Sample], keep: Keep) -> None:
    """The same, each answer kept when it is there."""
    assert comes_apart(runnable)
    digests = list(block)
    try:
        for i, output, seconds in outputs_of(runnable, [question_of(s) for s in block.values()]):
            row = row_of(name, key, block[digests[i]], output, seconds)
            row = row.model_copy(update={"memory_bytes": memory_in_use(), "asked": now()})
            keep({digests[i]: row}, sync=False)
    finally:
        keep({})


def _answer_block(name: str, key: str, runnable: Answerer, block: Sequence[Sample]) -> list[Row]:
    questions = [question_of(s) for s in block]
    start = time.perf_counter()
    try:
        outputs = list(runnable.batch(questions, {"max_concurrency": len(block)}, return_exceptions=True))
        if len(outputs) != len(block):
            raise ValueError(f"batch() gave {len(outputs)} answers to {len(block)} questions")
    except SystemExit:  # of one question, and LangChain's batch drops the answers to the others
        outputs = [answer_alone(runnable, question) for question in questions]
    except Exception as e:  # a Runnable may fail as a whole: that is a result of the comparison, not its end
        outputs = [e] * len(block)
    share, memory = (time.perf_counter() - start) / len(block), memory_in_use()
    rows = [row_of(name, key, s, output, share) for s, output in zip(block, outputs, strict=True)]
    return [row.model_copy(update={"memory_bytes": memory, "asked": now()}) for row in rows]


def row_of(name: str, key: str, sample: Sample, output: object, share: float) -> Row:
    if isinstance(output, FOREIGN_ERRORS):
        error = f"{type(output).__name__}: {output}"
        return Row(key=key, variant=name, id=sample.id, seconds=share, error=error)
    try:
        return Row(key=key, variant=name, id=sample.id, **read_output(output, share, sample.tools))
    except Exception as e:
        return Row(key=key, variant=name, id=sample.id, seconds=share, error=f"unreadable output: {e}")


def read_output(output: object, share: float, tools: Sequence[JsonObject]) -> JsonObject:
    """Text, tokens, seconds and passages of a Runnable's output: text, a message, or a dict with the answer. Calls are
    the text of their list; `tools` are those that were offered. Reasoning that stands in front of the text is none of
    it: some servers and classes do not keep it apart."""
    if isinstance(output, str):
        output = split_reasoning(output).text
        return {"text": answer_text(output, (), (), tools) if tools else output, "seconds": share}
    if isinstance(output, dict):
        if output.get("tool_calls"):  # a message in OpenAI's form
            return {"text": answer_text(str(output.get("content") or ""), output["tool_calls"]), "seconds": share}
        return read_output(_answer_of(output), share, tools)
    meta = getattr(output, "response_metadata", None) or {}
    usage = getattr(output, "usage_metadata", None) or {}
    text = getattr(output, "text", None)
    text = text() if callable(text) and not isinstance(text, str) else text
    made, broken = (getattr(output, name, None) or () for name in ("tool_calls", "invalid_tool_calls"))
    if text is None and not made and not broken:
        raise TypeError(f"a variant must answer with text, a message or a dict, not {type(output).__name__}")
    phases = {k: meta[k] for k in ("prefill_seconds", "decode_seconds") if isinstance(meta.get(k), int | float)}
    text = split_reasoning(str(text or "")).text
    if made or broken or tools:
        text = answer_text(text, made, broken, tools)
    return {
        "text": text,
        **read_usage(usage),
        "model_version": _version_of(meta),
        "seconds": sum(phases.values()) if phases else share,
        **phases,
        "passages": tuple(PassageRow(**p) for p in meta.get("passages", ())),
    }


def read_usage(usage: Mapping[str, object]) -> dict[str, int | None]:
    """The tokens that a provider reports, as a row has them; None where it reports none, or what is no count."""
    details = usage.get("input_token_details")
    cached = details.get("cache_read") if isinstance(details, Mapping) else None
    prompt, written, cached = (_count(n) for n in (usage.get("input_tokens"), usage.get("output_tokens"), cached))
    if cached is not None and cached > (prompt or 0):
        cached = None
    return {"prompt_tokens": prompt, "completion_tokens": written, "cached_tokens": cached}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _version_of(meta: Mapping[str, object]) -> str:
    """The model's name as the provider gives it, and the fingerprint of what ran it."""
    name, fingerprint = meta.get("model_name") or meta.get("model"), meta.get("system_fingerprint")
    parts = [part for part in (name, fingerprint) if isinstance(part, str) and part]
    return " ".join(parts)[:LONGEST_VERSION]


def now() -> str:
    """The time of an answer, as rows have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _answer_of(output: JsonObject) -> object:
    for field in ("answer", "output", "result", "text"):
        if field in output:
            return output[field]
    if output.get("messages"):
        return output["messages"][-1]
    raise TypeError(
        f"a dict answer needs one of answer, output, result, text, messages; it has {', '.join(output) or 'nothing'}"
    )
