"""Questions with earlier turns through a whole comparison: the same last words, other answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from domainkit import Results, Variant, compare
from domainkit.errors import RequestError
from domainkit.monitoring.callback import question_of
from domainkit.serving.winner import WinnerModel
from domainkit.serving.wire.bodies import ChatBody
from domainkit.winner.load import load_variant

THINGS = {"jar": "six", "suit": "eleven", "trap": "ten", "lens": "nine"}


SOLVED = {"veil": "two", "smoker": "three", "drum": "four", "comb": "five"}


def write_train(path: Path) -> Path:
    """One question of each conversation, with the last words of the test's."""
    rows = []
    for thing, price in SOLVED.items():
        opening = (("user", f"any {thing}s left at yours, I wonder"), ("assistant", "A few, certainly."))
        said = (*opening, ("user", "how much?"), ("assistant", price))
        rows.append({"messages": [{"role": role, "content": text} for role, text in said]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_test(path: Path) -> Path:
    """Two rows of each conversation: the later one has the earlier one's turns before it."""
    rows = []
    for i, (thing, price) in enumerate(THINGS.items()):
        said = [("user", f"do you have a {thing} for me today?"), ("assistant", "Yes."), ("user", "how much?")]
        more = [*said, ("assistant", price), ("user", "how much?")]
        for n, one in enumerate((said, more)):
            messages = [{"role": role, "content": text} for role, text in (*one, ("assistant", price))]
            rows.append({"id": f"{i}-{n}", "conversation_id": f"c{i}", "doc_ids": [thing], "messages": messages})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def own(name: str, answer: Any) -> Variant:
    return Variant(name=name, family="custom", description="A test's own.", runnable=RunnableLambda(answer))


def from_history(asked: dict[str, Any]) -> str:
    assert asked["question"] == "how much?"
    return next(price for thing, price in THINGS.items() if thing in asked["history"][0]["content"])


@pytest.fixture(scope="module")
def compared(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("dialogues")
    (folder / "articles").mkdir()
    for thing, price in THINGS.items():
        (folder / "articles" / f"{thing}.md").write_text(
            f"# The {thing}\n\nThe {thing} costs {price}.\n", encoding="utf-8"
        )
    results = compare(
        write_test(folder / "test.jsonl"),
        [own("reads all", from_history), own("reads the last", lambda asked: "six"), "oracle-rag", "zero-shot"],
        folder / "run",
        train=write_train(folder / "train.jsonl"),
        corpus=folder / "articles",
        base=tiny_base,
        quantization="none",
        max_tokens=4,
        latency_items=1,
    )
    return results, folder / "run"


def test_a_dialogue_is_asked_with_its_turns_and_counted_by_conversations(compared: tuple[Results, Path]) -> None:
    results, _ = compared
    by_name = {v.name: v for v in results.variants}
    metric = results.task.primary_metric
    assert by_name["reads all"].metrics[metric].value == 1
    assert by_name["reads the last"].metrics[metric].value == pytest.approx(1 / 4)
    assert by_name["reads the last"].metrics[metric].method == "Student's t over 4 clusters"
    assert [len(item.turns) for item in results.items] == [2, 4] * 4
    # The last questions are those of the training rows, word for word; what was said before is not.
    assert not any(leak.count for leak in results.leaks if leak.counted and leak.against == "train")


def test_the_oracle_knows_questions_by_what_was_said_before(compared: tuple[Results, Path]) -> None:
    results, folder = compared
    for item in results.items:
        [passage] = item.answers["oracle-rag"].passages
        assert passage.startswith(item.doc_ids[0])
    loaded = load_variant(folder, "oracle-rag")
    turns = [("user", "do you have a suit for me today?"), ("ai", "Yes.")]
    answer = loaded.invoke({"question": "how much?", "history": turns})
    assert answer.response_metadata["passages"][0]["title"] == "The suit"
    with pytest.raises(RequestError, match="for the comparison's own questions only"):
        loaded.invoke("how much?")


def test_a_measured_variant_takes_earlier_turns(compared: tuple[Results, Path]) -> None:
    results, folder = compared
    item = results.items[1]
    messages = [*((t.role, t.content) for t in item.turns), ("user", item.input)]
    assert load_variant(folder, "zero-shot").invoke(messages).text == item.answers["zero-shot"].text


def test_a_served_variant_takes_earlier_turns(compared: tuple[Results, Path]) -> None:
    _, folder = compared
    said = [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c")]
    body = ChatBody.model_validate({"model": "m", "messages": [{"role": r, "content": t} for r, t in said]})
    call = asyncio.run(WinnerModel("m", load_variant(folder, "zero-shot")).understand(body))
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert call.question == {"question": "c", "system": "s", "history": history}
    assert question_of(call.question) == ("c", 2)  # as watching counts turns


def test_reports_show_the_turns(compared: tuple[Results, Path]) -> None:
    _, folder = compared
    assert "user: do you have a trap for me today?\\nassistant: Yes.\\nuser: how much?" in (
        folder / "report.html"
    ).read_text(encoding="utf-8")
