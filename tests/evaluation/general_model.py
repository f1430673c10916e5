"""General questions on colours, and a model that gives the answers set for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLOURS = ("red", "blue", "green")


class Model:
    """Prefers the choice at the place its answers say; counts what it is asked."""

    def __init__(self, name: str, right: Sequence[bool], text: float = -10.0) -> None:
        self.name, self.right, self.text = name, right, text
        self.asked: list[str] = []
        self.broken_at: int | None = None

    def identity(self) -> dict[str, Any]:
        return {"model": self.name}

    def score(self, prompt: Any, continuations: Sequence[str]) -> list[float]:
        if self.broken_at is not None and len(self.asked) >= self.broken_at:
            raise KeyboardInterrupt
        self.asked.append(prompt)
        if len(continuations) == 1:
            return [self.text]
        number = int(prompt.split("number ")[1].split("?")[0])
        best = number % 3 if self.right[number] else (number + 1) % 3
        return [-1.0 if k == best else -30.0 for k in range(len(continuations))]


def questions(path: Path, n: int) -> Path:
    rows = []
    for i in range(n):
        row = {"id": f"g{i}", "source": "even" if i % 2 else "odd", "question": f"Colour of number {i}?"}
        rows.append({**row, "choices": list(COLOURS), "answer": i % 3})
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return path
