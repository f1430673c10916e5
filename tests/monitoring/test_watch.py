"""watch: quiet on the run's own questions, an alarm on others; only counts are kept, also through a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from domainkit.errors import ConfigError
from domainkit.monitoring.findings import find_changes
from domainkit.monitoring.state import STATE_FILE, TEXTS_FILE, read_folder
from domainkit.monitoring.watch import Watch, watch
from tests.monitoring.watched_runs import OTHER, WordVectors, answered, label_run, question, retrieving_run, save


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return save(label_run(), tmp_path / "run")


@pytest.fixture
def watched(run: Path, tmp_path: Path) -> Iterator[Watch]:
    with watch(tmp_path / "watched", run, embeddings=WordVectors()) as opened:
        yield opened


def ask(watched: Watch, topic: str, n: int, label: str | None = None) -> None:
    for k in range(n):
        watched.observe(question(topic, k), answered(label or topic), 0.1)


def test_quiet_on_its_own_questions_and_an_alarm_on_others(watched: Watch) -> None:
    for _ in range(40):
        ask(watched, "card", 5)
        ask(watched, "rent", 5)
    watched.flush()
    quiet = find_changes(watched.folder)
    assert not quiet.changed
    assert quiet.exit_code == 0
    assert quiet.headline == "No change is shown in 400 conversations."
    ask(watched, "apple", 150, label="card")
    watched.flush()
    found = find_changes(watched.folder)
    assert found.exit_code == 3
    alarm = found.state.alarms[0]
    assert (alarm.series, alarm.direction) == ("questions unlike those of the run", "rose")
    assert 380 <= alarm.began <= 402 < alarm.counted < 470
    top = found.findings[0]
    assert top.title == "questions unlike those of the run"
    assert top.recent > 0.9
    assert any("only labels can say" in step for step in found.next_steps)


def test_only_counts_are_kept(watched: Watch) -> None:
    secret = "Zyxophant has an account"
    watched.observe(secret, answered("card zyxophant"), 0.1, conversation="zyxophant-7")
    watched.flush()
    kept = "".join(p.read_text() for p in watched.folder.iterdir())
    assert "yxophant" not in kept
    assert sorted(p.name for p in watched.folder.iterdir()) == ["counts.json", "reference.json"]
    assert read_folder(watched.folder)[1].counted == 1


def test_texts_are_kept_when_asked_for_and_the_report_says_so(run: Path, tmp_path: Path) -> None:
    with watch(tmp_path / "w", run, embeddings=WordVectors(), keep_texts=True) as watched:
        watched.observe(OTHER, answered("card"), 0.1)
    row = json.loads((tmp_path / "w" / TEXTS_FILE).read_text())
    assert (row["question"], row["answer"]) == (OTHER, "card")
    assert "questions unlike those of the run" in row["marks"]
    assert any("are kept, as asked for" in note for note in find_changes(tmp_path / "w").notes)


def test_a_restart_goes_on_where_it_stopped(run: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with watch(whole, run, embeddings=WordVectors()) as watched:
        ask(watched, "apple", 40)
    for start in (0, 1):
        with watch(parts, run if start == 0 else None, embeddings=WordVectors()) as watched:
            ask(watched, "apple", 20)
    (_, one), (_, other) = read_folder(whole), read_folder(parts)
    assert one.counted == other.counted == 40
    assert find_changes(whole).value == pytest.approx(find_changes(parts).value, rel=0.2)


def test_later_turns_are_not_counted(watched: Watch) -> None:
    for k in range(3):
        watched.observe(question("card", k), answered("card"), 0.1, conversation="a")
        watched.observe(question("card", k), answered("card"), 0.1, turn=k + 1)
    watched.flush()
    state = read_folder(watched.folder)[1]
    assert (state.counted, state.later_turns) == (2, 4)


def test_what_cannot_be_counted_is_told_and_harms_nobody(watched: Watch, caplog: pytest.LogCaptureFixture) -> None:
    odd: Any = AIMessage("x", response_metadata={"passages": [{"id": "1"}]})
    watched.observe("q", odd, 0.1)
    watched.observe("q", odd, 0.1)
    watched.flush()
    found = find_changes(watched.folder)
    assert found.state.lost == 2
    assert any("2 answers could not be counted, the last because: KeyError: 'text'" in note for note in found.notes)
    assert len([r for r in caplog.records if "could not be counted" in r.getMessage()]) == 1


def test_one_folder_has_one_watcher(watched: Watch, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is being watched into already") as caught:
        watch(watched.folder, run, embeddings=WordVectors())
    assert "give each process a folder of its own" in str(caught.value)
    watched.close()
    watched.close()
    watch(watched.folder, embeddings=WordVectors()).close()


def test_a_folder_belongs_to_one_run(watched: Watch, tmp_path: Path) -> None:
    watched.close()
    other = save(label_run(variant="rag"), tmp_path / "other")
    with pytest.raises(ConfigError, match=r"watches 'tuned' of .*run, not 'rag' of .*other"):
        watch(watched.folder, other, embeddings=WordVectors())
    with pytest.raises(ConfigError, match="there is nothing to compare with yet") as caught:
        watch(tmp_path / "empty", embeddings=WordVectors())
    assert "domainkit watch" in str(caught.value)


def test_a_full_disk_or_lost_folder_stops_no_answer(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    (watched.folder / STATE_FILE).mkdir()
    ask(watched, "card", 1)
    watched.flush()
    (watched.folder / STATE_FILE).rmdir()
    ask(watched, "card", 1)
    watched.flush()
    assert read_folder(watched.folder)[1].counted == 2


def test_passages_that_lack_the_questions_words_are_counted(tmp_path: Path) -> None:
    run = save(retrieving_run(), tmp_path / "run")
    with watch(tmp_path / "w", run, embeddings=WordVectors()) as watched:
        for k in range(120):
            watched.observe(question("card", k), answered("word " * 10, "rent"), 0.1)
    found = find_changes(tmp_path / "w")
    assert found.changed
    assert "questions whose words are not in the passages" in {f.title for f in found.findings}


def test_answers_without_passages_are_told_as_such(tmp_path: Path) -> None:
    """As when the watch is attached to the model instead of the chain."""
    with watch(tmp_path / "w", save(retrieving_run(), tmp_path / "run"), embeddings=WordVectors()) as watched:
        for k in range(60):
            watched.observe(question(("card", "rent")[k % 2], k), answered("word " * 10), 0.1)
    found = find_changes(tmp_path / "w")
    assert [f.title for f in found.findings] == ["answers without passages"]


def test_confidence_is_compared_with_the_first_answers(watched: Watch) -> None:
    for k in range(450):
        sure = {"card": 0.9 + 0.001 * (k % 90)} if k < 330 else {"card": 0.3}
        watched.observe(
            question(("card", "rent")[k % 2], k), answered(("card", "rent")[k % 2], choice_probabilities=sure), 0.1
        )
    watched.flush()
    found = find_changes(watched.folder)
    assert found.changed
    assert found.findings[0].title == "answers with a low confidence"
    assert any("is the first 300 answers" in note for note in found.notes)
