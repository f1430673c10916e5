"""Run a notebook's code cells in order in one namespace, without Jupyter. --save writes the outputs into it.

    python tests/examples/run_notebook.py examples/agent.ipynb [--save] [name=JSON ...]

One cell of the notebook is tagged `parameters` and holds plain assignments. name=JSON then changes some of them.
Paths are relative to the current folder. A cell that fails ends the run with its number and code 1. A cell that calls
`sys.exit("skipped: ...")` ends the run with that line and code 1. In both cases nothing is saved.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
import traceback
from pathlib import Path
from typing import Any

RICH = {"_repr_html_": "text/html", "_repr_svg_": "image/svg+xml"}
"""How Jupyter asks a value for more than its plain text, and what it keeps that as."""


def main() -> int:
    file, *rest = sys.argv[1:]
    save = "--save" in rest
    given = {name: json.loads(value) for name, _, value in (r.partition("=") for r in rest if r != "--save")}
    path = Path(file)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    failed = run(notebook, given)
    if save and not failed:
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return int(failed)


def run(notebook: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether a cell failed; outputs are put into the notebook as they come."""
    sys.path.insert(0, str(Path.cwd()))
    space: dict[str, Any] = {"__name__": "__main__"}
    unset = dict(given)
    for number, cell in enumerate((c for c in notebook["cells"] if c["cell_type"] == "code"), 1):
        try:
            cell["outputs"] = outputs(ast.parse("".join(cell["source"])), space, number)
        except Exception:
            print(f"cell {number} failed:\n{''.join(cell['source'])}\n\n{traceback.format_exc()}", file=sys.stderr)
            return True
        cell["execution_count"] = number
        if "parameters" in cell["metadata"].get("tags", ()):
            strangers = set(given) - set(space)
            if strangers:
                print(f"no such parameter: {', '.join(sorted(strangers))}", file=sys.stderr)
                return True
            space |= unset
    return False


def outputs(code: ast.Module, space: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Execute one cell: what it printed, and its last line's value where that is an expression."""
    last = code.body.pop() if code.body and isinstance(code.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(code, f"cell {number}", "exec"), space)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), space)
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        print(printed.getvalue(), end="")
        found.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)})
    if value is not None:
        print(repr(value))
        drawn = {kind: getattr(value, how)() for how, kind in RICH.items() if hasattr(value, how)}
        shown = {
            kind: text.splitlines(keepends=True) for kind, text in {"text/plain": repr(value), **drawn}.items() if text
        }
        found.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": shown})
    return found


if __name__ == "__main__":
    sys.exit(main())
