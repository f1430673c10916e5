"""The prompts of `make`: Markdown files beside this one, to be read and edited.

Placeholders in braces are filled in one pass, so text that itself spells a placeholder stays text.
"""

from __future__ import annotations

import re
from importlib.resources import files


def prompt_text(name: str) -> str:
    """The prompt `name`.md, stripped."""
    return files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8").strip()


def fill(template: str, **values: str) -> str:
    """Replace each {name} of `values` once; other braces, and braces inside the values, stay as they are."""
    pattern = re.compile(r"\{(" + "|".join(map(re.escape, values)) + r")\}")
    return pattern.sub(lambda m: values[m[1]], template)
