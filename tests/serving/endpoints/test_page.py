"""The page: it runs under its own policy, asks for nothing else, and shows what it is told as text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving.running_server import http

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_the_page_loads_nothing_and_makes_no_html_of_texts(address: str) -> None:
    page = http.get(f"{address}/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert not re.findall(r"https?://|src=\"(?!data:)", page.text)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page.text)
    assert not re.findall(r"\son\w+=|style=", page.text.partition("<script>")[0])  # which the policy would stop


@pytest.mark.skipif(CHROMIUM is None, reason="neither chromium nor chromium-browser is on PATH")
def test_a_browser_runs_it_under_its_policy(address: str, tmp_path: Path) -> None:
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=20000")
    command = [str(CHROMIUM), *words, *quiet, f"--user-data-dir={tmp_path}", "--dump-dom", f"{address}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert 'data-ready="listed"' in done.stdout
    assert re.search(r"<option value=\"red-\w{8}\">red-\w{8} \(adapter\)</option>", done.stdout)
