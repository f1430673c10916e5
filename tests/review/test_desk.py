"""The desk behind its real guards: what it shows, what it keeps, whom it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from domainkit.messages import Message, ToolCall
from domainkit.results.reviews import ReviewLog, read_reviews
from domainkit.results.schema import AnswerRow, Passage, Results
from domainkit.review.app import make_app
from domainkit.review.desk import Desk, share_of
from tests.review.reviewed_runs import PROMPT, TUNED, different, plan_of, two_variants

SAID = {"left_verdict": "right", "right_verdict": "wrong", "preference": "left"}


@contextmanager
def desk(run: Path, results: Results, reviewer: str = "ann", **plan: Any) -> Iterator[TestClient]:
    drawn = plan_of(results, **plan)
    with ReviewLog(run) as log:
        sat = Desk(results, drawn, log, reviewer, share_of(drawn, reviewer, log))
        yield TestClient(make_app(sat), base_url="http://127.0.0.1:8010")


def click(client: TestClient, number: int, **said: Any) -> Any:
    session = client.get("/desk").json()["session"]
    return client.post(f"/questions/{number}", json={**said, "session": session})


def test_a_session_from_the_first_question_to_the_last(tmp_path: Path) -> None:
    with desk(tmp_path, two_variants(different(3)), rubric="Be strict.") as client:
        state = client.get("/desk").json()
        assert (state["total"], state["done"], state["next"], state["answers"]) == (3, 0, 0, 2)
        assert state["rubric"] == "Be strict."
        assert client.get("/questions/1").status_code == 404
        assert click(client, 0, left_verdict="right").json()["done"] == 0
        assert client.get("/questions/0").json()["said"]["left_verdict"] == "right"
        for number in range(3):
            assert click(client, number, **SAID, reason="so").json()["done"] == number + 1
    reviews = read_reviews(tmp_path)
    assert len(reviews) == 4
    assert {r.reason for r in reviews[1:]} == {"so"}
    assert {r.chance for r in reviews} == {1.0}
    with desk(tmp_path, two_variants(different(3))) as client:
        assert client.get("/desk").json()["next"] == 3


def test_nothing_that_leaves_the_desk_names_a_variant(tmp_path: Path) -> None:
    texts = [("yes", "no")] * 16
    with desk(tmp_path, two_variants(texts)) as client:
        sides = []
        for number in range(16):
            seen = client.get(f"/questions/{number}").text + click(client, number, **SAID).text
            assert TUNED not in seen
            assert PROMPT not in seen
            assert "target" not in seen  # nor the expected answer
            sides.append(json.loads(client.get(f"/questions/{number}").text)["answers"][0]["text"])
    assert 3 < sides.count("yes") < 13
    assert [r.left == TUNED for r in read_reviews(tmp_path)] == [s == "yes" for s in sides]


def test_the_expected_answer_is_shown_when_asked_for_and_that_is_kept(tmp_path: Path) -> None:
    with desk(tmp_path, two_variants(different(2))) as client:
        shown = client.post("/questions/0/reference", json={}).json()["reference"]
        assert len(shown) == 1
        assert shown[0].startswith("target")
        assert client.get("/questions/0").json()["reference"] == shown
        click(client, 0, **SAID)
    assert [r.reference_shown for r in read_reviews(tmp_path)] == [True, True]


def test_passages_stand_beside_both_answers_or_none(tmp_path: Path) -> None:
    results = two_variants(different(2)).model_copy(update={"passages": {"p": Passage(title="T", text="body")}})

    def with_passages(*names: str) -> Results:
        items = tuple(
            i.model_copy(
                update={
                    "answers": {
                        n: a.model_copy(update={"passages": ("p",) if n in names else ()}) for n, a in i.answers.items()
                    }
                }
            )
            for i in results.items
        )
        return results.model_copy(update={"items": items})

    for names, seen in (((TUNED, PROMPT), [{"title": "T", "text": "body"}]), ((TUNED,), [])):
        with desk(tmp_path, with_passages(*names)) as client:
            assert [a["passages"] for a in client.get("/questions/0").json()["answers"]] == [seen, seen]


def test_one_variant_alone_is_reviewed_answer_by_answer(tmp_path: Path) -> None:
    with desk(tmp_path, two_variants(different(2)), variants=(TUNED,)) as client:
        assert len(client.get("/questions/0").json()["answers"]) == 1
        assert click(client, 0, left_verdict="wrong", correction="better").json()["done"] == 1
    [review] = read_reviews(tmp_path)
    assert (review.left, review.right, review.correction) == (TUNED, None, "better")


def test_earlier_turns_tools_and_json_are_readable(tmp_path: Path) -> None:
    call = Message(role="assistant", content="", tool_calls=(ToolCall("find", {"hive": "7"}, "c1"),))
    answers = {TUNED: AnswerRow(text='[{"name":"find"}]'), PROMPT: AnswerRow(text="", error="boom")}
    results = two_variants(different(1))
    item = results.items[0].model_copy(
        update={
            "system": "Be kind.",
            "turns": (Message(role="user", content="hello"), call),
            "tools": ({"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": {}}},),
            "answers": answers,
        }
    )
    with desk(tmp_path, results.model_copy(update={"items": (item,)})) as client:
        seen = client.get("/questions/0").json()
    assert [t["text"] for t in seen["turns"]] == ["Be kind.", "hello", 'find({"hive": "7"})']
    assert seen["tools"] == [{"name": "find", "text": "Finds.\n{}"}]
    assert {a["text"] for a in seen["answers"]} == {'[\n  {\n    "name": "find"\n  }\n]', ""}


def test_control_characters_are_spelt_out(tmp_path: Path) -> None:
    results = two_variants([("\u202eabc\x1b[31m", "<b>bold</b>")])
    with desk(tmp_path, results) as client:
        texts = {a["text"] for a in client.get("/questions/0").json()["answers"]}
    assert texts == {"⟨U+202E⟩abc⟨U+001B⟩[31m", "<b>bold</b>"}


def test_a_second_person_gets_a_part_of_the_same_questions(tmp_path: Path) -> None:
    results = two_variants(different(60))
    with desk(tmp_path, results) as client:
        first = [client.get("/questions/0").json()["input"]]
        click(client, 0, **SAID)
    with desk(tmp_path, results, reviewer="bo") as client:
        state = client.get("/desk").json()
        assert (state["total"], state["done"]) == (8, 0)  # of 50: 15 %
        assert [client.get("/questions/0").json()["input"]] == first
        click(client, 0, **SAID)
    assert [r.reviewer for r in read_reviews(tmp_path)] == ["ann", "bo"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"left_verdict": "good"}, 400, "left_verdict='good'"),
        ({"mood": 1}, 400, "unknown option 'mood'"),
        ({"correction": "x" * 100_001}, 400, "at most 100000 characters"),
        ({"session": "another"}, 409, "load the page again"),
        ("[]", 400, "valid dictionary"),
        ("{", 400, "the body is no JSON"),
        ('{"reason": "\\ud800"}', 400, "the body is no JSON"),
    ],
)
def test_a_click_that_cannot_be_read_is_refused_and_nothing_is_kept(
    tmp_path: Path, body: Any, status: int, message: str
) -> None:
    with desk(tmp_path, two_variants(different(2))) as client:
        session = client.get("/desk").json()["session"]
        content = body if isinstance(body, str) else json.dumps({"session": session, **body})
        refused = client.post("/questions/0", content=content, headers={"content-type": "application/json"})
        assert refused.status_code == status
        assert message in refused.json()["error"]["message"]
    assert read_reviews(tmp_path) == []


def test_other_sites_are_refused_and_the_page_loads_nothing(tmp_path: Path) -> None:
    with desk(tmp_path, two_variants(different(2))) as client:
        assert client.get("/desk", headers={"host": "evil.example:8010"}).status_code == 403
        simple = client.post("/questions/0", content="{}", headers={"content-type": "text/plain"})
        assert simple.status_code == 415
        asked = client.options("/questions/0", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in asked.headers
        page = client.get("/")
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "http" not in page.text.replace("HTTP", "").replace("domainkit", "")
        assert client.get("/nothing").status_code == 404
