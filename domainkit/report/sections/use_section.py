"""The lines that take the recommended variant out of the run folder, ready to paste."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from domainkit.own_code import is_factory
from domainkit.results.schema import Results
from domainkit.results.variants import RECORD, VariantsRecord
from domainkit.retrieval import RETRIEVERS
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


def loadable_from(folder: Path, results: Results) -> str | None:
    """The folder's name, where its record has the choice of the verdict, and not as a Runnable of the user's own."""
    try:
        record = VariantsRecord.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None
    measured = record.variants.get(results.verdict.choice)
    return str(folder) if measured is not None and not measured.own else None


def use_of(results: Results, folder: str) -> Use | None:
    """How to use the recommended variant of the run in `folder`; where nothing is recommended, the simplest that is not
    shown to be worse. None where there is no choice."""
    verdict, own = results.verdict, ""
    chosen = next((v for v in results.variants if v.name == verdict.choice), None)
    if chosen is None:
        return None
    asked = str(chosen.settings.get("retriever", "fused"))
    if chosen.family != "oracle" and asked not in RETRIEVERS and not is_factory(asked):
        own = ", retriever=retriever"  # that which the program gave
    place, shell, served = json.dumps(folder, ensure_ascii=False), shlex.quote(folder), folder
    if verdict.answer == CANNOT_TELL:
        name, option = json.dumps(chosen.name, ensure_ascii=False), f" --variant {shlex.quote(chosen.name)}"
        served = f"{folder}#{chosen.name}"
        verb, call = "load_variant", f"load_variant({place}, {name}{own})"
        lead = f"Until the comparison can tell, {chosen.name}:"
    else:
        option, verb, call = "", "load_winner", f"load_winner({place}{own})"
        lead = f"Use {chosen.name}, as it was measured:"
    python = f'from domainkit import {verb}\nwinner = {call}\nprint(winner.invoke("{QUESTION}").text)'
    commands = (
        () if own else (f'domainkit ask --run {shell}{option} "{QUESTION}"', f"domainkit serve {shlex.quote(served)}")
    )
    return Use(lead, python, commands)
