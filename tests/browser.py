"""Chromium without a window, driven through its debugging pipe: real keys, real clicks, the page as a person has it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
KEYS = {"Enter": 13, "ArrowLeft": 37, "ArrowRight": 39, "Escape": 27}


class Browser:
    """One page."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._waiting = b""
        self._id = 0
        self._session = ""
        self.console: list[str] = []
        """What the page's console says, and errors of its script."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._id += 1
        message = {"id": self._id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._id:
                assert "error" not in found, found
                return dict(found["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._waiting += part
        line, _, self._waiting = self._waiting.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        if found.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.console.append(json.dumps(found["params"]))
        return found

    def open(self, address: str, *, width: int = 1280, height: int = 900) -> None:
        self.resize(width, height)
        self.call("Page.navigate", url=address)

    def resize(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 10) -> None:
        """Until the expression is true."""
        end = time.monotonic() + seconds
        asked = f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"  # no page yet
        while not self.run(asked):
            assert time.monotonic() < end, f"never true: {script}; the page says: {self.run('document.body.innerText')}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        for key in keys:
            code = KEYS[key] if key in KEYS else ord(key.upper())
            more = {} if key in KEYS and key != "Enter" else {"text": "\r" if key == "Enter" else key}
            for kind in ("keyDown", "keyUp"):
                given = {**more} if kind == "keyDown" else {}
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **given)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def picture(self, file: Path, *, whole: bool = True) -> None:
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    to_child, from_parent = os.pipe()
    from_child, to_parent = os.pipe()

    def place() -> None:
        """The browser reads 3 and writes 4."""
        os.dup2(to_child, 13)
        os.dup2(to_parent, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    process = subprocess.Popen(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
            *quiet,
            f"--user-data-dir={profile}",
        ],
        preexec_fn=place,
        pass_fds=(3, 4),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_child)
    os.close(to_parent)
    try:
        yield Browser(from_child, from_parent)
    finally:
        process.kill()
        process.wait()
        os.close(from_child)
        os.close(from_parent)
