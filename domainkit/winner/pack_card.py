"""README.md of a pack: how to load it, what it scored, what it holds. Made from the results."""

from __future__ import annotations

from domainkit.report.wording import labels
from domainkit.report.wording.markdown_text import bullets, escape
from domainkit.results.schema import Results, VariantResult
from domainkit.results.variants import VariantsRecord
from domainkit.verdict import numbers
from domainkit.verdict.sentences import metric_words, percent
from domainkit.winner.manifest import Manifest


def pack_card(results: Results, record: VariantsRecord, manifest: Manifest) -> str:
    """The page. Names and sentences of the results are escaped."""
    variant = next(v for v in results.variants if v.name == manifest.variant)
    code = (
        '```python\nfrom domainkit import load_winner\n\nwinner = load_winner("FOLDER")  # this folder\n'
        'print(winner.invoke("your question").text)\n```'
    )
    blocks = [
        f"# {escape(results.task.name)}: {escape(variant.name)}",
        escape(variant.description),
        "## Load it",
        code,
        '```sh\ndomainkit ask --run FOLDER "your question"\n```',
        "## What it scored",
        bullets(_scores(results, variant)),
        "## What it holds",
        bullets(_holdings(manifest, record)),
        "## What it needs",
        bullets(map(escape, manifest.needs)),
    ]
    if results.verdict.cautions:
        blocks += ["## What limits the verdict", bullets(map(escape, results.verdict.cautions))]
    return "\n\n".join(blocks) + "\n"


def _scores(results: Results, variant: VariantResult) -> list[str]:
    score, metric = labels.primary(results, variant), metric_words(results.task.primary_metric)
    spread = f" ({numbers.interval(score)})" if numbers.interval(score) else ""
    value = f"{percent(score.value)}{spread}" if score.value is not None else "no score"
    lines = [f"{metric}: {value} on {results.task.n:,} questions of {escape(results.task.name)}"]
    if (d := variant.difference) is not None:
        difference = f"{numbers.points(d.value)} points ({numbers.difference_interval(d)})"
        lines.append(f"against {escape(results.baseline)}: {difference}, {d.state}")
    lines.append(f"the verdict: {escape(results.verdict.headline)}")
    if variant.name != results.verdict.choice:
        lines.append("the verdict recommends another variant than this one")
    return lines


def _holdings(manifest: Manifest, record: VariantsRecord) -> list[str]:
    lines = [
        f"solved examples of the training rows, as text: {manifest.examples:,}",
        f"passages of the documents, as text: {manifest.passages:,}",
        "no test question: verdict.json has the scores alone",
    ]
    if record.adapters:
        lines.append("the adapter with its card; weights may remember what they were trained on")
    if record.encoder:
        lines.append("the fine-tuned encoder; weights may remember what they were trained on")
    return lines
