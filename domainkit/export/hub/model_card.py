"""The model card (README.md) of an adapter: from the verdict of a comparison, else from the adapter's own card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainkit.adapters.folder import Adapter, Card
from domainkit.adapters.methods import read_adapter_config
from domainkit.errors import ConfigError
from domainkit.messages import JsonObject
from domainkit.report.wording.labels import primary_heading, state_text
from domainkit.report.wording.markdown_text import bullets, escape, table
from domainkit.results.schema import Results, VariantResult
from domainkit.verdict import numbers

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


def model_card(adapter: Adapter, repo: str, hub_base: str | None, results: Results | None) -> str:
    """The text of README.md: what tools read between the lines of ---, then what people read."""
    from huggingface_hub import ModelCardData

    name = repo.rpartition("/")[2]
    tuned = _measured(results, adapter) if results is not None else []
    extra: JsonObject = {} if hub_base is None else {"base_model": hub_base, "base_model_relation": "adapter"}
    if results is not None and tuned:
        extra |= {"model_name": name, "eval_results": [_eval_result(results, one) for one in tuned]}
    data = ModelCardData(
        library_name="peft", pipeline_tag="text-generation", tags=["domainkit", _method(adapter)], **extra
    )
    blocks = [f"# {escape(name)}", *_origin(adapter.card, hub_base)]
    if results is not None:
        blocks += _verdict(results, tuned)
    elif adapter.card is not None and not tuned:
        blocks.append("It was not compared with prompting or retrieval: no figures of its answers are known.")
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(blocks) + "\n"


def _method(adapter: Adapter) -> str:
    return adapter.card.method if adapter.card else str(read_adapter_config(adapter.folder)["peft_type"]).lower()


def _origin(card: Card | None, hub_base: str | None) -> list[str]:
    if card is None:
        return ["An adapter of PEFT's layout; how it was trained is not known."]
    base = hub_base or (card.base if card.base.startswith("builtin:") else "a base that is not on the hub")
    revision = f", revision {escape(card.revision)}" if card.revision and hub_base else ""
    rows = [
        ("Base", f"{escape(base)}{revision}; fingerprint {card.base_fingerprint[:16]}"),
        ("Its weights in training", "not quantised" if card.quantization == "none" else escape(card.quantization)),
        ("Method", escape(card.method)),
        ("Trained on", f"{card.examples:,} examples, {card.documents:,} documents, {card.tokens:,} tokens"),
        *([("Answers of a model", _teachers(card.teachers))] if card.teachers else []),
        ("Final loss", "not known" if card.final_loss is None else f"{card.final_loss:.3f} nats a token"),
        ("Weights", f"{card.trainable_parameters:,}; SHA-256 {card.weights_sha256[:16]}"),
        ("Made with", f"domainkit {escape(card.domainkit)}, {escape(card.created[:10])}"),
    ]
    prompt = f"Prompt of a question without a system turn:\n\n```text\n{_fenced(card.prompt_format)}\n```"
    return [table(("What", "Value"), rows, right_from=9), *([prompt] if card.prompt_format else [])]


def _teachers(teachers: dict[str, int]) -> str:
    return "; ".join(f"{count:,} examples have the answers of {escape(name)}" for name, count in teachers.items())


def _fenced(text: str) -> str:
    """Text inside a fence, which it cannot end."""
    return text.replace("```", "` ` `").rstrip("\n")


def _verdict(results: Results, tuned: list[VariantResult]) -> list[str]:
    verdict, task = results.verdict, results.task
    lines = [f"**{escape(verdict.headline)}**", f"Recommended: {escape(verdict.choice or 'nothing yet')}."]
    if not tuned:
        lines.append("**This adapter is not one of those that were compared.**")
    heads = ("Variant", f"{primary_heading(results)}, %", "95 % interval", "Against the baseline")
    rows = []
    for one in results.variants:
        score = one.metrics.get(task.primary_metric)
        if score is None or score.value is None:
            continue
        mark = " (this adapter)" if one in tuned else ""
        state = state_text(one.difference.state, one.difference.needed) if one.difference else "baseline"
        rows.append((escape(one.name) + mark, numbers.percent(score.value), numbers.interval(score), escape(state)))
    heading = f"## Compared on {task.n:,} test questions of {escape(task.name)}"
    blocks = [heading, *lines, table(heads, rows)]
    for title, sentences in (("Why", verdict.reasons), ("What limits it", verdict.cautions)):
        blocks += [f"**{title}**", bullets(map(escape, sentences))] if sentences else []
    return blocks


def _measured(results: Results, adapter: Adapter) -> list[VariantResult]:
    """The variants that answered with this adapter, with a score."""
    if results.model.get("adapter_sha256") != adapter.weights_sha256:
        return []
    scored = [v for v in results.variants if v.family in ("tune", "combine") and not v.trained_on_passages]
    return [v for v in scored if (m := v.metrics.get(results.task.primary_metric)) and m.value is not None]


def _eval_result(results: Results, variant: VariantResult) -> EvalResult:
    from huggingface_hub import EvalResult

    score = variant.metrics[results.task.primary_metric].value
    return EvalResult(
        task_type="text-generation",
        dataset_type="custom",
        dataset_name=f"{results.task.name} ({variant.name})",
        metric_type=results.task.primary_metric,
        metric_name=primary_heading(results),
        metric_value=None if score is None else round(score, 4),
    )


def read_comparison(run: object) -> Results:
    """results.json of a run folder. Raises ConfigError for a portfolio, DataError for what is no run."""
    from pathlib import Path

    from domainkit.results.schema import Portfolio, load_results

    found = load_results(Path(str(run)))
    if isinstance(found, Portfolio):
        raise ConfigError(
            "holds several comparisons", where=f"--run {run}", next_step="name the run folder of one of them"
        )
    return found
