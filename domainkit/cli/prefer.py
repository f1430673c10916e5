"""domainkit prefer: an adapter from preferences, or from a reward."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domainkit.cli.options import EPILOG_PREFER
from domainkit.cli.settings import gather, require, take


def prefer(
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=EPILOG_PREFER, show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="JSON Lines: prompt, chosen, rejected (dpo); prompt, completion, label (kto); examples as for train (grpo, rloo)."
        ),
    ] = None,
    objective: Annotated[str | None, typer.Option(help="dpo (default), kto, grpo or rloo.")] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(help="Adapter to start from; it is then the reference. Left out: a fresh one, and the base is."),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(help="Metric that scores sampled answers against the targets, e.g. token_f1 (grpo, rloo)."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Hub id, local folder, GGUF file, or builtin:smollm2-135m.")] = None,
    method: Annotated[str | None, typer.Option(help="Adaptation method; `domainkit methods` lists them.")] = None,
    out: Annotated[Path | None, typer.Option(help="Adapter folder to write.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run with the same settings.")
    ] = False,
) -> None:
    """Train an adapter on preferences or on a reward, held to its reference (needs the extra: domainkit[preference])."""
    from domainkit.training.config import PreferenceConfig, parse_config

    flags = {
        "data": data,
        "objective": objective,
        "adapter": adapter,
        "reward": reward,
        "base": base,
        "method": method,
        "out": out,
    }
    values = gather(settings or [], flags)
    own = take(values, ("data", "adapter", "reward", "out"), PreferenceConfig.model_fields)
    require(own, "data", "out")
    config = parse_config(values, PreferenceConfig)

    from domainkit.training.objectives import OBJECTIVES, need_trl

    OBJECTIVES[config.objective]  # an unknown name is told before anything is read
    need_trl()
    rows = _read(config.objective, Path(own["data"]))

    from domainkit.training.preference.train_preference import train_preference

    made = train_preference(
        rows, config, Path(own["out"]), reward=own.get("reward"), start=own.get("adapter"), resume=resume
    )
    _tell(made)


def _read(objective: str, path: Path) -> Any:
    from domainkit.corpus.preferences import read_marked, read_pairs
    from domainkit.corpus.read_files import read_examples
    from domainkit.training.objectives import OBJECTIVES

    readers: dict[str, Any] = {"pairs": read_pairs, "marked": read_marked, "examples": read_examples}
    return readers[OBJECTIVES.load(objective).row_kind](path)


def _tell(made: Any) -> None:
    """What changed between the first and the last answers."""
    told = made.card.preference
    typer.echo(f"\nAdapter: {made.folder}")
    typer.echo(f"Reference: {told['reference']} (β = {told['beta']:g})")
    before, after = told["before"], told["after"]
    if before and after:
        parts = [
            f"KL {after['kl']:.3g} nats per token",
            f"length {before['length']:.1f} → {after['length']:.1f} tokens",
        ]
        if before["reward"] is not None and after["reward"] is not None:
            parts.insert(0, f"{told['reward']} {before['reward']:.3g} → {after['reward']:.3g}")
        typer.echo(f"{', '.join(parts)}, on answers sampled to {after['prompts']} training prompts")
    typer.echo(f'Next: domainkit ask --adapter {made.folder} "your question"')
