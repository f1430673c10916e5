"""The metrics of a comparison with the chat model that judges, as `--judge` and `--rubric` name it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainkit.comparison.config import CompareConfig
from domainkit.errors import ConfigError
from domainkit.evaluation.metrics import JUDGES, BatchMetric, default_metrics
from domainkit.evaluation.metrics.judge import judge
from domainkit.evaluation.metrics.judge_pairs import judge_pairs
from domainkit.evaluation.task import Kind
from domainkit.llm.named_model import find_model


def metrics_of(config: CompareConfig, kind: Kind) -> Sequence[str | BatchMetric] | None:
    """The metrics as the configuration names them, "judge" and "judge_pairs" with the model that judges. A judge that
    no metric names is the last metric: it does not decide unless it is asked to.

    Raises ConfigError for a judge without a rubric, or a rubric without a judge.
    """
    if not config.judge and not config.rubric:
        return config.metrics
    if not config.judge or not config.rubric:
        missing, given = ("rubric", "judge") if config.judge else ("judge", "rubric")
        next_step = "say what makes an answer good, or name a file that says it" if config.judge else "name a model"
        raise ConfigError(f"--{given} is given without --{missing}", next_step=f"{next_step}: --{missing}")
    model, rubric = find_model(config.judge, "judge"), read_rubric(config.rubric)
    made = {
        "judge": lambda: judge(model.llm, rubric, identity=model.key),
        "judge_pairs": lambda: judge_pairs(model.llm, rubric, identity=model.key),
    }
    names: list[str | BatchMetric] = [*(config.metrics or default_metrics(kind))]
    if not any(name in JUDGES for name in names if isinstance(name, str)):
        names.append("judge")
    return [made[n]() if isinstance(n, str) and n in made else n for n in names]


def read_rubric(given: str) -> str:
    """The rubric, or what the file of that name holds. Raises ConfigError for a file that is not there, or is empty."""
    text = given.strip()
    if "\n" in text or len(text) > 500:
        return text
    file = Path(text).expanduser()
    if file.is_file():
        try:
            found = file.read_text(encoding="utf-8-sig").strip()
        except (OSError, ValueError) as e:
            raise ConfigError(f"cannot be read: {e}", where=f"--rubric {text}", next_step="give a text file") from e
        if not found:
            raise ConfigError("is empty", where=f"--rubric {text}", next_step="say in it what makes an answer good")
        return found
    if " " not in text and (file.suffix or "/" in text):
        what = "no such file; a rubric of one word with a dot or a slash is taken for the name of one"
        raise ConfigError(what, where=f"--rubric {text}", next_step="correct the name, or write the rubric in words")
    return text
