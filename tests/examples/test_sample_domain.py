"""The sample domain is sound: enough of everything, answers stand in their articles, tests copy no training row."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from domainkit import read_examples

DOMAIN = Path(__file__).resolve().parents[2] / "examples" / "tallowmere"
TASKS = ("routing", "answers")
ALL_TASKS = (*TASKS, "topics", "dialogues", "calls")
PARTS = ("train", "test")
FIELDS = {"routing": {"id", "input", "target"}, "answers": {"id", "input", "target", "doc_ids"}}
NEAR_COPY = 0.85

Row = dict[str, Any]


@cache
def rows(task: str, part: str) -> tuple[Row, ...]:
    text = (DOMAIN / f"{task}_{part}.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


@cache
def labels() -> tuple[str, ...]:
    return tuple(json.loads((DOMAIN / "labels.json").read_text(encoding="utf-8")))


@cache
def articles() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((DOMAIN / "articles").glob("*.md"))}


def flatten(text: str) -> str:
    """Lower case, one space for any white space: an answer may be wrapped over two lines of its article."""
    return " ".join(text.lower().split())


def text_of(row: Row) -> str:
    """The question, in a conversation with all that was said before it."""
    said = [m["content"] for m in row.get("messages", ())[:-1] if m["role"] != "system"]
    return "\n".join(said) if said else str(row["input"])


def question_of(row: Row) -> str:
    return re.sub(r"[^\w\s]", "", flatten(text_of(row))) or text_of(row)


def expect_none(found: Collection[Any]) -> None:
    """Fails with every offender in full, one a line."""
    listed = found.items() if isinstance(found, dict) else found
    assert not found, "\n" + "\n".join(map(str, listed))


# Articles


def test_there_are_articles_enough() -> None:
    assert len(articles()) >= 36


def test_articles_start_with_a_title() -> None:
    untitled = [name for name, text in articles().items() if not re.match(r"# \S", text)]
    expect_none(untitled)


def test_article_bodies_are_80_to_200_words() -> None:
    counts = {name: len(text.partition("\n")[2].split()) for name, text in articles().items()}
    expect_none({name: count for name, count in counts.items() if not 80 <= count <= 200})


def test_article_titles_are_unique() -> None:
    seen = Counter(text.partition("\n")[0] for text in articles().values())
    expect_none([title for title, count in seen.items() if count > 1])


# Rows of all tasks


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("task", TASKS)
def test_rows_have_their_fields_filled(task: str, part: str) -> None:
    lacking = [
        (row.get("id"), field) for row in rows(task, part) for field in sorted(FIELDS[task]) if not row.get(field)
    ]
    expect_none(lacking)


def test_ids_are_unique_across_all_files() -> None:
    seen = Counter(row["id"] for task in ALL_TASKS for part in PARTS for row in rows(task, part))
    expect_none([name for name, count in seen.items() if count > 1])


@pytest.mark.parametrize("task", ALL_TASKS)
def test_ids_name_their_task_and_part(task: str) -> None:
    astray = [
        row["id"]
        for part in PARTS
        for row in rows(task, part)
        if not row["id"].startswith(f"tallowmere-{task}-{part}-")
    ]
    expect_none(astray)


@pytest.mark.parametrize("task", ALL_TASKS)
def test_no_question_is_asked_twice(task: str) -> None:
    first: dict[str, str] = {}
    twice = []
    for row in (row for part in PARTS for row in rows(task, part)):
        earlier = first.setdefault(question_of(row), row["id"])
        if earlier != row["id"]:
            twice.append((earlier, row["id"]))
    expect_none(twice)


@pytest.mark.parametrize("task", ALL_TASKS)
def test_no_test_row_is_a_near_copy_of_a_training_row(task: str) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    train, test = rows(task, "train"), rows(task, "test")
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 3))
    vectorizer.fit(text_of(row) for row in (*train, *test))
    known = vectorizer.transform(text_of(row) for row in train)
    # Rows are of unit length, so the product is the cosine: (test rows, training rows).
    cosine = (vectorizer.transform(text_of(row) for row in test) @ known.T).toarray()
    copies = [
        (test[i]["id"], train[j]["id"], round(float(cosine[i, j]), 2))
        for i in range(len(test))
        for j in range(len(train))
        if cosine[i, j] >= NEAR_COPY
    ]
    expect_none(copies)


# Routing


def test_there_are_24_labels_in_snake_case() -> None:
    assert len(set(labels())) == len(labels()) == 24
    expect_none([name for name in labels() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)])


@pytest.mark.parametrize("part", PARTS)
def test_routing_targets_are_labels(part: str) -> None:
    expect_none([(row["id"], row["target"]) for row in rows("routing", part) if row["target"] not in labels()])


@pytest.mark.parametrize("part, least", [("train", 8), ("test", 4)])
def test_every_label_has_rows_enough(part: str, least: int) -> None:
    counts = Counter(row["target"] for row in rows("routing", part))
    expect_none({name: counts[name] for name in labels() if counts[name] < least})


@pytest.mark.parametrize("part", PARTS)
def test_labels_are_mixed_in_file_order(part: str) -> None:
    # The first rows are what a fixed few-shot prompt or a small budget takes: they must not be one label's.
    head = rows("routing", part)[: 2 * len(labels())]
    assert len({row["target"] for row in head}) >= len(labels()) // 2


# Answers


@pytest.mark.parametrize("part, least", [("train", 150), ("test", 80)])
def test_there_are_answers_enough(part: str, least: int) -> None:
    assert len(rows("answers", part)) >= least


@pytest.mark.parametrize("part", PARTS)
def test_gold_articles_exist(part: str) -> None:
    missing = [(row["id"], name) for row in rows("answers", part) for name in row["doc_ids"] if name not in articles()]
    expect_none(missing)


@pytest.mark.parametrize("part", PARTS)
def test_answers_stand_in_their_gold_article(part: str) -> None:
    absent = [
        (row["id"], row["target"])
        for row in rows("answers", part)
        if not any(flatten(row["target"]) in flatten(articles().get(name, "")) for name in row["doc_ids"])
    ]
    expect_none(absent)


# Calls of tools


def test_calls_are_of_an_offered_tool_with_its_arguments() -> None:
    """A quarter of the rows end without a call: they put a tool's result into words, or need no tool."""
    examples = read_examples(DOMAIN / "tools_train.jsonl")
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool}
    wrong = []
    for example in examples:
        offered = {t["function"]["name"]: t["function"]["parameters"] for t in example.tools}
        for call in (c for turn in example.turns for c in turn.tool_calls):
            wanted = offered[call.name]["properties"]
            fits = all(isinstance(v, kinds[wanted[k]["type"]]) for k, v in call.arguments.items() if k in wanted)
            if not fits or not set(call.arguments) == set(wanted) == set(offered[call.name]["required"]):
                wrong.append((example.id, call))
    expect_none(wrong)
    calls = sum(bool(e.turns[-1].tool_calls) for e in examples)
    assert 0.7 * len(examples) < calls < 0.8 * len(examples)
    assert len({call.name for e in examples for turn in e.turns for call in turn.tool_calls}) == 10


# Dialogues


@cache
def dialogues(part: str) -> tuple[Row, ...]:
    return rows("dialogues", part)


def answers_of(row: Row) -> list[str]:
    return [m["content"] for m in row["messages"] if m["role"] == "assistant"]


def test_there_are_conversations_enough() -> None:
    names = {part: {row["conversation_id"] for row in dialogues(part)} for part in PARTS}
    assert len(names["train"]) >= 24
    assert len(names["test"]) >= 40
    assert not names["train"] & names["test"]
    assert len(dialogues("test")) > len(names["test"])  # some conversations are asked at several turns


@pytest.mark.parametrize("part", PARTS)
def test_every_question_of_a_dialogue_has_earlier_turns(part: str) -> None:
    counts = {row["id"]: sum(m["role"] != "system" for m in row["messages"]) - 1 for row in dialogues(part)}
    expect_none({name: count for name, count in counts.items() if count not in (3, 5, 7, 9)})


@pytest.mark.parametrize("part", PARTS)
def test_answers_of_dialogues_stand_in_their_articles(part: str) -> None:
    said = [row for row in dialogues(part) if row["group"] not in ("sum", "recall")]
    absent = [
        (row["id"], answers_of(row)[-1])
        for row in said
        if not all(flatten(answers_of(row)[-1]) in flatten(articles().get(name, "")) for name in row["doc_ids"])
    ]
    expect_none(absent)


def test_no_answer_of_a_test_dialogue_is_said_in_a_training_dialogue() -> None:
    known = {flatten(answer) for row in dialogues("train") for answer in answers_of(row)}
    expect_none(
        [(row["id"], answers_of(row)[-1]) for row in dialogues("test") if flatten(answers_of(row)[-1]) in known]
    )


# Topics


def test_topics_are_of_the_list_and_none_to_four() -> None:
    listed = json.loads((DOMAIN / "topics.json").read_text(encoding="utf-8"))
    both = (*rows("topics", "train"), *rows("topics", "test"))
    expect_none([row["id"] for row in both if not set(row["target"]) <= set(listed) or len(row["target"]) > 4])
    assert {len(row["target"]) for row in rows("topics", "test")} == {0, 1, 2, 3, 4}
    counts = Counter(topic for row in rows("topics", "test") for topic in row["target"])
    expect_none([topic for topic in listed if counts[topic] < 5])


# Calls


def test_calls_of_the_task_fit_their_tools() -> None:
    """A quarter of the test rows need no call, and some need two."""
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    kinds |= {"array": list, "object": dict}
    wrong = []
    for part in PARTS:
        for example in read_examples(DOMAIN / f"calls_{part}.jsonl"):
            offered = {t["function"]["name"]: t["function"]["parameters"] for t in example.tools}
            for call in example.turns[-1].tool_calls:
                wanted = offered[call.name]["properties"]
                fits = all(isinstance(v, kinds[wanted[k]["type"]]) for k, v in call.arguments.items())
                if not fits or set(call.arguments) != set(wanted):
                    wrong.append((example.id, call))
    expect_none(wrong)
    counts = Counter(len(e.turns[-1].tool_calls) for e in read_examples(DOMAIN / "calls_test.jsonl"))
    assert sum(counts.values()) >= 60
    assert counts[0] >= 15
    assert counts[2] >= 8
