"""The lines that take the recommended variant out of the run folder, ready to paste."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from domainkit.results.schema import Results
from domainkit.verdict.sentences import CANNOT_TELL

QUESTION = "your question"
"""Never a question of the task: untrusted text has no place in a line that is pasted into a shell."""
SEEN_FROM = "The folder is named as seen from where the comparison ran."


@dataclass(frozen=True)
class Use:
    """How to use a variant."""

    lead: str
    python: str
    commands: tuple[str, ...]


def use_of(results: Results, folder: str) -> Use | None:
    """How to use the recommended variant of the run in `folder`; where nothing is recommended, the simplest that is not
    shown to be worse. None where nothing can be loaded: no choice, or a Runnable of the user's own."""
    verdict = results.verdict
    chosen = next((v for v in results.variants if v.name == verdict.choice), None)
    if chosen is None or chosen.family == "custom":
        return None
    place, shell = json.dumps(folder, ensure_ascii=False), shlex.quote(folder)
    if verdict.answer == CANNOT_TELL:
        name, option = json.dumps(chosen.name, ensure_ascii=False), f" --variant {shlex.quote(chosen.name)}"
        verb, call = "load_variant", f"load_variant({place}, {name})"
        lead = f"Until the comparison can tell, {chosen.name}:"
    else:
        option, verb, call = "", "load_winner", f"load_winner({place})"
        lead = f"Use {chosen.name}, as it was measured:"
    python = f'from domainkit import {verb}\nwinner = {call}\nprint(winner.invoke("{QUESTION}").text)'
    return Use(lead, python, (f'domainkit ask --run {shell}{option} "{QUESTION}"',))
