"""domainkit distil --from: the context of a measured variant becomes an adapter for bare questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from domainkit.cli.settings import as_path, require, take_own_options
from domainkit.cli.terminal.output import hint, next_command, record
from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError
from domainkit.messages import JsonObject
from domainkit.training.config import TrainConfig
from domainkit.visible import visible

if TYPE_CHECKING:
    from domainkit.distillation.context import Baked
    from domainkit.evaluation.variant import Variant

OWN = ("from", "inputs", "map", "out", "answers", "gold")
FROM_HELP = (
    "RUN or RUN:VARIANT of a finished comparison: instead of --teacher, the variant (left out, the recommended one) "
    "teaches its own base to answer without the neighbours, passages or instruction of its prompt. Questions are the "
    "run's training rows, or --inputs. Settings are those of `train`; left out, those of the variant's adapter. And: "
    "answers=rows (the rows' own where they have one) or teacher; gold=0 to 1, the weight of these answers beside the "
    "teacher's probabilities."
)


def bake(values: JsonObject, options: tuple[str, ...]) -> None:
    """`values` are the settings and flags that were given; `options` are the names of the command's flags."""
    others = [name for name in values if name in options and name not in OWN]
    if others:
        raise ConfigError(
            f"--{others[0]} is not used with --from, where the variant of the run is the teacher",
            next_step="leave one of the two out",
        )
    given = take_own_options(values, OWN, TrainConfig.model_fields)
    require(given, "from", "out")
    run, variant = run_and_variant(str(given["from"]))
    more: JsonObject = {name: given[name] for name in ("answers", "gold") if name in given}
    if not isinstance(more.get("gold", 0.0), int | float):
        raise ConfigError(f"{more['gold']!r} is not a number", where="gold", next_step="give a number from 0 to 1")

    from domainkit.distillation.context import distil_context, questions_of

    columns = parse_columns(given.get("map"))
    if columns and "inputs" not in given:
        raise ConfigError("--map says how --inputs is read, and there is none", next_step="leave it out")
    questions = questions_of(as_path("inputs", given["inputs"]), columns) if "inputs" in given else None
    baked = distil_context(run, variant, as_path("out", given["out"]), values, questions=questions, **more)
    for line in report_lines(baked):
        typer.echo(visible(line))
    tokens = (baked.adapter.card.teacher or {}).get("prompt_tokens") if baked.adapter.card else None
    record(adapter=baked.adapter.folder, teacher=baked.variant.name, questions=baked.questions, prompt_tokens=tokens)
    hint("\nNext: does it answer as well without them? TEST.jsonl is the run's test.")
    asked = ("--adapter", baked.adapter.folder, "--variants", "tuned", "--out", "BAKED")
    next_command("compare", "--task", "TEST.jsonl", *asked, lead="  ")
    next_command("gate", "BAKED", "--against", run, lead="  ")


def run_and_variant(text: str) -> tuple[Path, str]:
    """RUN:VARIANT, or RUN alone, whose recommended variant is taken."""
    if not Path(text).exists():
        run, colon, variant = text.rpartition(":")
        if colon and run and variant:
            return Path(run), variant
    from domainkit.winner.load import winner_of
    from domainkit.winner.source import open_source

    return Path(text), winner_of(open_source(text))


def report_lines(baked: Baked) -> list[str]:
    """What was learnt, and what of it is now fixed."""
    card, variant = baked.adapter.card, baked.variant
    assert card is not None
    assert card.teacher is not None
    tokens = card.teacher["prompt_tokens"]
    rows = f"{baked.questions:,} questions" + (f", {baked.asked:,} answered by {variant.name}" if baked.asked else "")
    if baked.copies:
        rows += f"; {baked.copies:,} left out, since they copy test questions"
    lines = [
        "",
        f"Adapter: {baked.adapter.folder}",
        f"Taught by {variant.name} on {rows}.",
        f"A prompt has {tokens['student']:,.0f} tokens, and had {tokens['teacher']:,.0f}.",
    ]
    if card.final_loss is not None:
        lines.append(f"Loss {card.final_loss:.4f} after {card.tokens:,} tokens in {card.seconds:.0f} s.")
    return [*lines, "", "What is baked in stays as it is:", *(f"- {fact}" for fact in fixed_facts(variant))]


def fixed_facts(variant: Variant) -> list[str]:
    """What a later change of the variant's context does not reach."""
    facts = ["a new or corrected training row reaches it by distilling again"]
    if variant.retrieve:
        facts = [
            "a document that is edited, added or removed changes none of its answers",
            f"for facts that change, keep {variant.name}: it reads the documents as they are",
        ]
    if variant.shots != "none":
        facts.append("a solved example that is added, corrected or removed changes none of its answers")
    return facts
