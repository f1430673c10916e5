"""The Python reference: a page for each topic, made from the docstrings of the public names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from domainkit import _PUBLIC

FOLDER = "reference/python/"


class Topic(NamedTuple):
    title: str
    about: str
    names: tuple[str, ...]
    """Names of `domainkit`, or full paths of what has no public name and is read or set through one."""
    options: tuple[str, ...] = ()
    """Further options of mkdocstrings."""


TOPICS = {
    "data": Topic(
        "Data",
        "Rows and documents are read, checked, mended and divided.",
        (
            "read_examples",
            "read_documents",
            "check",
            "examine",
            "fix",
            "next_to_label",
            "split",
            "domainkit.splitting.divide.Split",
            "Example",
            "Turn",
            "Document",
        ),
    ),
    "making-rows": Topic(
        "Rows by a model",
        "A chat model writes rows from documents, or answers questions that have no answer yet.",
        (
            "make",
            "domainkit.synthesis.config.MakeConfig",
            "domainkit.synthesis.result.MadeRows",
            "distil",
            "domainkit.distillation.config.DistilConfig",
            "domainkit.distillation.result.Distilled",
        ),
    ),
    "training": Topic(
        "Training",
        "Examples or preferences become an adapter.",
        (
            "train",
            "TrainConfig",
            "read_pairs",
            "read_marked",
            "train_preference",
            "PreferenceConfig",
            "Adapter",
        ),
    ),
    "chat-model": Topic("Chat model", "A base and its adapters as a LangChain chat model.", ("DomainLLM",)),
    "comparison": Topic(
        "Comparison",
        "Every variant is asked the same questions, and the results say what to use.",
        (
            "compare",
            "domainkit.comparison.config.CompareConfig",
            "Variant",
            "read_task",
            "Task",
            "Sample",
            "judge",
            "judge_pairs",
            "build_retriever",
        ),
    ),
    "results": Topic(
        "Results",
        "What a comparison found, as data, as a page and in the terminal.",
        ("Results", "domainkit.results.verdict.Verdict", "Portfolio", "print_table", "render", "write_report"),
    ),
    "winner": Topic(
        "Winner",
        "A measured variant is loaded, watched, and improved by what users say.",
        ("load_winner", "load_variant", "domainkit.winner.loaded_variant.LoadedVariant", "watch", "record_feedback"),
    ),
    "leaving": Topic(
        "Leaving a model",
        "May a model in use be left for an adapter of your own?",
        ("leave", "domainkit.leaving.decision.LeaveDecision"),
    ),
    "errors": Topic(
        "Errors",
        "Each says what went wrong, where, and what to do next.",
        (
            "DomainkitError",
            *(
                f"domainkit.errors.{name}"
                for name in (
                    "DataError",
                    "Problem",
                    "ConfigError",
                    "BaseModelError",
                    "AdapterError",
                    "TrainingError",
                    "RequestError",
                    "PromptTooLongError",
                    "MachineError",
                )
            ),
        ),
        options=("inherited_members: false", "show_bases: true", "show_attribute_values: false"),
    ),
}


def api_pages() -> dict[str, str]:
    """Pages by their place on the site, the overview first. Raises ValueError for a public name without a topic."""
    listed = {name for topic in TOPICS.values() for name in topic.names}
    if missing := sorted(set(_PUBLIC) - listed):
        raise ValueError(f"no topic of the Python reference has {', '.join(missing)}: add them in {__file__}")
    pages = {f"{FOLDER}index.md": "\n".join(_overview())}
    return pages | {f"{FOLDER}{name}.md": "\n".join(_page(topic)) for name, topic in TOPICS.items()}


def _overview() -> Iterator[str]:
    yield from ("# Python", "", "All that `import domainkit` offers. A name is loaded when it is first used.", "")
    yield from ("| topic | names |", "| --- | --- |")
    for page, topic in TOPICS.items():
        names = ", ".join(f"[`{_short(n)}`]({page}.md#{_path(n)})" for n in topic.names)
        yield f"| [{topic.title}]({page}.md) | {names} |"


def _page(topic: Topic) -> Iterator[str]:
    yield from (f"# {topic.title}", "", topic.about, "")
    for name in topic.names:
        options = (f"heading: {_short(name)}", *topic.options)
        yield from (f"::: {_path(name)}", "    options:", *(f"      {option}" for option in options), "")


def _path(name: str) -> str:
    return name if "." in name else f"{_PUBLIC[name]}.{name}"


def _short(name: str) -> str:
    return name.rpartition(".")[2]
