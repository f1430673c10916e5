"""The desk in a real browser: a whole session by keyboard, hostile answers, and a server that is killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domainkit.results.reviews import read_reviews
from tests.browser import CHROMIUM, Browser, browser
from tests.review.reviewed_runs import saved, two_variants

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="neither chromium nor chromium-browser is on PATH")
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "\u202eevil\u200b \x1b[31m {{7*7}} ${7*7}",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def started(run: Path, port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """The command itself, in a process of its own, and its address."""
    command = [sys.executable, "-m", "domainkit", "review", str(run), "--port", str(port), "--reviewer", "ann"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"open (http://\S+) in", line):
            return process, found[1]
    raise AssertionError("the desk did not start")


def seen(page: Browser) -> None:
    """Whatever an answer holds is text, and the page fits a laptop and a phone."""
    texts = page.run("[...document.querySelectorAll('.text')].map((e) => e.textContent)")
    if HOSTILE[0] in texts:
        assert any("⟨U+202E⟩evil" in text and "⟨U+001B⟩[31m {{7*7}}" in text for text in texts)
    for width in (420, 1280):
        page.resize(width)
        assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("document.title") == "Review · domainkit"
    assert page.run("document.querySelectorAll('main img, main script').length") == 0


def test_a_whole_session_by_keyboard_through_a_kill(page: Browser, tmp_path: Path) -> None:
    run = saved(tmp_path, two_variants([HOSTILE, ("x" * 3_000, "word " * 3_000), ("yes", "no")]))
    desk, address = started(run)
    port = int(address.rpartition(":")[2])
    try:
        page.open(address)
        page.wait("document.body.dataset.ready === '0'")
        seen(page)
        page.press("1", "9")
        page.wait("document.getElementById('status').textContent === 'Saved'")

        # Killed after a click: nothing is lost, and what is said meanwhile is kept by the page.
        desk.kill()
        desk.communicate()
        assert [r.right_verdict for r in read_reviews(run)] == [None, "wrong"]
        page.press("ArrowLeft")
        page.wait("document.getElementById('status').textContent.startsWith('The desk is not running')")
        desk, _ = started(run, port)
        page.wait("document.getElementById('status').textContent === 'Saved'")
        assert read_reviews(run)[-1].preference == "left"

        # Undo takes the last click back; a text is typed, and its letters are no keys.
        page.press("u")
        page.wait("document.getElementById('next').disabled")
        page.press("t", "c")
        page.type("2 better")
        page.press("Escape", "n")
        page.type("8 because")
        page.press("Escape", "Enter")
        page.wait("document.body.dataset.ready === '1'")
        first = read_reviews(run)[-1]
        assert (first.preference, first.correction, first.reason) == ("tie", "2 better", "8 because")
        assert (first.left_verdict, first.right_verdict) == ("right", "wrong")

        page.press("b")  # back, and on again
        page.wait("document.body.dataset.ready === '0' && document.getElementById('reason').value === '8 because'")
        page.press("Enter")
        page.wait("document.body.dataset.ready === '1'")
        page.press("p")
        page.wait("document.body.dataset.ready === 'paused'")
        page.press("Enter")
        page.wait("document.body.dataset.ready === '1'")
        for number in ("1", "2"):
            page.wait(f"document.body.dataset.ready === '{number}'")
            seen(page)
            page.press("3", "0", "Enter")
        page.wait("document.body.dataset.ready === 'done'")
        assert "3 of 3" in page.run("document.body.innerText")
        assert [m for m in page.console if "ERR_CONNECTION_REFUSED" not in m] == []
    finally:
        desk.send_signal(signal.SIGINT)
        said, _ = desk.communicate(timeout=20)
    assert "3 of 3 questions reviewed" in said
    assert f"Next: domainkit report {run}" in said
