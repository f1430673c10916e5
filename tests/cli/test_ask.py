"""domainkit ask: answers reach the terminal as text, and wrong values are one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import domainkit


@pytest.mark.parametrize(
    "words,said",
    [
        (("--max-tokens", -1), "max_tokens=-1: input should be greater than or equal to 1"),
        (("--max-tokens", 0), "max_tokens=0: input should be greater than or equal to 1"),
        (("--temperature", "nan"), "temperature=nan: input should be a finite number"),
        (("--temperature", -1), "temperature=-1.0: input should be greater than or equal to 0"),
        (("--adapter", "nowhere"), "nowhere: no such adapter folder"),
        (("--corpus", "nowhere"), "nowhere"),
    ],
)
def test_a_wrong_value_is_one_message(words: tuple[object, ...], said: str, tiny_base: str) -> None:
    done = domainkit("ask", "hello", *([] if "--adapter" in words else ["--base", tiny_base]), *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "\n  next: " in done.stderr


@pytest.mark.parametrize("question", ["caf\udce9", "\ud83d"])
def test_a_question_that_is_not_utf8_is_refused(question: str, tiny_base: str) -> None:
    done = domainkit("ask", question, "--base", tiny_base)
    assert done.returncode == 2
    assert "the question is not valid UTF-8" in done.stderr


def test_an_answer_gives_the_terminal_no_command_and_a_chat_remembers(
    tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["hello", "again", ""])
    monkeypatch.setattr("builtins.input", lambda _: next(lines))
    done = domainkit("ask", "--base", tiny_base, "--max-tokens", 30)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) > 20  # the untrained bytes of the tiny base are full of control characters
    assert not any((c < " " and c not in "\n\t") or "\x7f" <= c < "\xa0" for c in done.stdout)


def test_a_system_turn_may_be_empty(tiny_base: str) -> None:
    assert domainkit("ask", "hello", "--base", tiny_base, "--system", "", "--max-tokens", 2).returncode == 0


def test_a_corpus_gives_passages(tiny_base: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Boxes\n\nThe red box is on shelf 3.\n", encoding="utf-8")
    done = domainkit("ask", "where is the red box?", "--base", tiny_base, "--corpus", tmp_path, "--max-tokens", 2)
    assert done.returncode == 0, done.stderr
