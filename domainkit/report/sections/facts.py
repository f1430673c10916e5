"""How a comparison was made, as rows of label and value: its task, its training, its model and environment."""

from __future__ import annotations

import json

from domainkit.evaluation.kinds import kind_of
from domainkit.report.wording.labels import primary_heading
from domainkit.results.schema import Hardware, JsonObject, Results
from domainkit.retrieval import RETRIEVERS
from domainkit.verdict import numbers

Row = tuple[str, str]
"""(label, value)."""


def task_facts(results: Results) -> list[Row]:
    t = results.task
    kind = kind_of(t.kind).title(t.labels)
    rows = [
        ("Questions", numbers.count(t.n)),
        ("Kind", f"{kind} ({t.why_kind})" if t.why_kind else kind),
        ("Synthetic questions", f"{numbers.count(t.synthetic.questions)}, written by a model" if t.synthetic else ""),
        ("Primary metric", primary_heading(results)),
        ("Source", t.source),
        ("Columns", ", ".join(f"{field} is '{column}'" for field, column in t.columns.items())),
        ("Training rows", numbers.count(t.train_rows)),
        ("Corpus documents", numbers.count(t.corpus_documents)),
        ("Retriever", ", ".join(own_retrievers(results))),
        ("Fingerprint", t.fingerprint),
    ]
    return [(label, value) for label, value in rows if value]


def own_retrievers(results: Results) -> list[str]:
    """The retrievers of the user's own that variants searched, by name."""
    names = (str(v.settings.get("retriever", "")) for v in results.variants if v.family != "oracle")
    return [f"{name}, of your own" for name in dict.fromkeys(names) if name and name not in RETRIEVERS]


def training_facts(results: Results) -> list[Row]:
    """The training receipt: of the base's adapter, else of the first model that has one; empty without one."""
    on_model = next((v for v in results.variants if v.runs_on and v.training is not None), None)
    t, trained_on = results.training, ""
    if t is None and on_model is not None:
        t, trained_on = on_model.training, on_model.runs_on
    if t is None:
        return []
    rows = [
        ("Adapter of", trained_on),
        ("Method", t.method),
        ("Training examples", numbers.count(t.examples)),
        ("Answered by a model", "; ".join(f"{numbers.count(n)} by {name}" for name, n in t.teachers.items())),
        ("Tokens seen", numbers.count(t.tokens)),
        ("Time", numbers.seconds(t.seconds)),
        ("Trained parameters", numbers.count(t.trainable_parameters)),
        ("Adapter size", numbers.size(t.adapter_bytes)),
        ("Final loss", numbers.DASH if t.final_loss is None else f"{t.final_loss:.3f}"),
        ("Hardware", hardware_text(t.hardware) if t.hardware else ""),
    ]
    return [(label, value) for label, value in rows if value]


def hardware_text(machine: Hardware) -> str:
    """Intel Xeon, 8 cores, 31.3 GiB, NVIDIA L4."""
    cores = f"{machine.cores} core{'s' * (machine.cores != 1)}" if machine.cores else ""
    memory = f"{machine.memory_gib:g} GiB" if machine.memory_gib else ""
    return ", ".join(filter(None, (machine.processor, cores, memory, *machine.gpus)))


def model_facts(results: Results) -> list[Row]:
    return json_facts(results.model)


def environment_facts(results: Results) -> list[Row]:
    """Versions and hardware, when the file was made and how long the comparison took; without the command."""
    rows = json_facts({name: value for name, value in results.environment.items() if name != "command"})
    if results.created:
        rows.append(("made", results.created))
    if results.seconds is not None:
        rows.append(("whole comparison", numbers.seconds(results.seconds)))
    return rows


def command(results: Results) -> str:
    """The command that made the file; "" where it is not recorded."""
    recorded = results.environment.get("command", "")
    return " ".join(map(str, recorded)) if isinstance(recorded, list) else str(recorded)


def json_facts(values: JsonObject, prefix: str = "") -> list[Row]:
    """A JSON object as rows; nested objects as "outer inner"."""
    rows: list[Row] = []
    for name, value in values.items():
        label = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, dict):
            rows += json_facts(value, label)
        elif isinstance(value, str):
            rows.append((label, value))
        elif isinstance(value, list | tuple):
            rows.append((label, ", ".join(v if isinstance(v, str) else json.dumps(v, default=str) for v in value)))
        elif value is not None:
            rows.append((label, json.dumps(value, default=str)))
    return rows
