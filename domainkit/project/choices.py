"""From what is in a folder to the settings of its run.toml, with at most five questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from domainkit.corpus.rows.columns import as_map, parse_columns
from domainkit.errors import ConfigError
from domainkit.evaluation.read_task import read_task
from domainkit.evaluation.task import Task
from domainkit.models import DEFAULT_BASE
from domainkit.project.look import Found, RowsFile, look_at_rows
from domainkit.project.nothing_to_compare import counted, nothing_to_compare
from domainkit.project.questions import Ask, Question
from domainkit.project.run_toml import Setting
from domainkit.project.tasks import FolderTask, corpus_of, tasks_of
from domainkit.training.config import TrainConfig

FIRST_LOOK = {"train": 200, "test": 100}
"""Rows of a first look."""
EPOCHS = 3
FEW_STEPS = 50
"""On Banking77 the packaged base reached 30 % after 30 steps of eight rows, and 75 % after 289."""
MEANINGS = {
    "label": "one of a closed list of labels",
    "answer": "short free answers, right or wrong",
    "text": "long texts, which are compared as wholes",
    "labels": "several labels each",
    "fields": "JSON objects with the same fields",
    "calls": "calls of tools",
}
OUT = "run"
"""The folder of all that a run writes."""


@dataclass(frozen=True)
class Chosen:
    """The settings, and what of the folder they do not use."""

    settings: tuple[Setting, ...]
    not_used: tuple[tuple[str, str], ...]
    """(file, why)."""


def choose(found: Found, ask: Ask) -> Chosen:
    """Raises ConfigError where there are no questions with answers, with the command that makes or finds some."""
    tasks, left_out = tasks_of(found)
    if not tasks or tasks[0].state == "open":
        raise nothing_to_compare(found, tasks, left_out)
    tasks = [t for t in tasks if t.state != "open"] + [t for t in tasks if t.state == "open"]
    task = _which(tasks, ask)
    task, columns = _with_columns(found.folder, task, ask)
    others = [t for t in tasks if {f.path for f in t.files}.isdisjoint(f.path for f in task.files)]
    read = _read(found.folder, task, columns)
    corpus = corpus_of(found)
    settings = [
        *_of_rows(task, columns, others),
        _of_kind(found.folder, read, ask),
        *_of_corpus(found, corpus),
        *_of_tools(found, read),
        *_of_base(ask, trains=_trains(task)),
        *(size := _of_size(task, ask, has_corpus=bool(corpus))),
        *_of_training(task, next((s.value for s in size if s.key == "train"), None)),
        *_of_prices(found),
        _models(),
        Setting("out", OUT, ("Everything that a run writes goes there; your own files are only read.",)),
    ]
    not_used = [*found.left_out, *left_out]
    alike = _same_columns(task, others)
    if files := [p for p in dict.fromkeys(f.path for t in others for f in t.files) if p not in alike]:
        not_used.append((", ".join(files), "belong to other tasks, or ask without an answer"))
    if alike:
        rows = ", ".join(f'"{path}"' for path in [*(f.path for f in task.files), *alike])
        not_used.append((", ".join(alike), f"have the same columns: rows = [{rows}] reads all of them"))
    return Chosen(tuple(settings), tuple(sorted(set(not_used))))


def _same_columns(task: FolderTask, others: Sequence[FolderTask]) -> list[str]:
    """Files that are not used, and could be read together with those that are."""
    if task.whole is None or not task.whole.columns:
        return []
    columns = frozenset(task.whole.columns)
    return [t.whole.path for t in others if t.whole and not t.more and frozenset(t.whole.columns) == columns]


# ---- rows ------------------------------------------------------------------------------------------------------------


def _which(tasks: Sequence[FolderTask], ask: Ask) -> FolderTask:
    usable = [t for t in tasks if t.state != "open"]
    if len(usable) == 1:
        return usable[0]
    options = tuple((str(t), _called(t)) for t in usable)
    chosen = ask(Question("rows", "Which rows is this about? One run answers one task.", options))
    return next(t for t in usable if str(t) == chosen)


def _called(task: FolderTask) -> str:
    if task.more:
        return "read together: the same columns, and names that differ in numbers alone"
    return f"task '{task.name}'" if task.name else "the files named after their part alone"


def _with_columns(folder: Path, task: FolderTask, ask: Ask) -> tuple[FolderTask, dict[str, str] | None]:
    """The task with its unclear files read, and the columns that make them clear."""
    unclear = [f for f in task.files if f.state == "unclear"]
    if not unclear:
        return task, None
    first = unclear[0]

    def read(text: str) -> tuple[FolderTask, dict[str, str] | None]:
        columns = parse_columns(text)
        parts = {part: getattr(task, part) for part in ("whole", "train", "dev", "test")}
        again = {p: look_at_rows(folder / f.path, f.path, columns) for p, f in parts.items() if f and f in unclear}
        more = tuple(look_at_rows(folder / f.path, f.path, columns) for f in task.more)
        if wrong := [f for f in (*again.values(), *more) if f.state != "solved"]:
            raise ConfigError(wrong[0].why, where=wrong[0].path, next_step=f"its columns: {', '.join(first.columns)}")
        whole, train, dev, test = (again.get(p) or parts[p] for p in ("whole", "train", "dev", "test"))
        return replace(task, whole=whole, more=more, train=train, dev=dev, test=test), columns

    likely = as_map({k: first.likely[k] for k in ("input", "target")})
    text = f"Which columns of {first.path} are the question (input) and the answer (target)?"
    question = Question(
        "columns", text, ((likely, f"of {', '.join(first.columns)}"),), other="input=COLUMN,target=COLUMN", check=read
    )
    return read(ask(question))


def _trains(task: FolderTask) -> bool:
    return task.whole is not None or task.train is not None


def _read(folder: Path, task: FolderTask, columns: Mapping[str, str] | None) -> Task:
    asked = task.whole or task.test or task.dev or task.train
    assert asked is not None
    train = folder / task.train.path if task.train and asked is not task.train else None
    return read_task(folder / asked.path, train=train, columns=columns)


def _of_rows(task: FolderTask, columns: Mapping[str, str] | None, others: Sequence[FolderTask]) -> list[Setting]:
    other = [f"It could also be: {'; '.join(map(str, others))}." if others else ""]
    if task.whole is not None:
        paths = [f.path for f in task.files]
        found = [*map(_found, task.files), "They have the same columns and are read together." if task.more else ""]
        settings = [Setting("rows", paths if task.more else paths[0], _told(*found, *other))]
    else:
        settings = _of_parts(task, other)
    if columns:
        file = next(f for f in task.files if f.columns)
        why = f"Its columns are {', '.join(file.columns)}: their names do not say which is which."
        settings.append(Setting("map", dict(columns), (why, "Change the names where these are the wrong ones.")))
    return settings


def _of_parts(task: FolderTask, other: Sequence[str]) -> list[Setting]:
    """Files that somebody has divided stay as they are."""
    settings = []
    test = task.test or task.dev
    if task.train is not None:
        why = "Its name says that it is for training; rows that are divided already stay so."
        settings.append(Setting("train", task.train.path, _told(_found(task.train), why, *other)))
        other = ()
    assert test is not None
    why = "Its name says that it is for testing."
    if task.test is None:
        why = 'No file is named test. Where settings were chosen on this one, write purpose = "dev" below it.'
    if task.train is None:
        why += " There are no rows to train on: prompting is compared with retrieval, as far as there are documents."
    settings.append(Setting("task", test.path, _told(_found(test), why, *other)))
    if task.test is not None and task.dev is not None:
        why = "Only to name test questions that stand in it, too: settings may have been chosen on it."
        settings.append(Setting("dev", task.dev.path, _told(_found(task.dev), why)))
    return settings


def _found(file: RowsFile) -> str:
    return f"Found: {file.path}, {file.rows:,} rows ({file.why})."


def _told(*paragraphs: str) -> tuple[str, ...]:
    return tuple(p for p in paragraphs if p)


def _of_kind(folder: Path, task: Task, ask: Ask) -> Setting:
    why = task.why_kind.replace(" test rows", " rows").replace("half of the test", "half of the")
    why = why.replace(f"{folder}/", "")
    others = [k for k in ("label", "answer", "text") if k != task.kind]
    options = ((task.kind, f"{MEANINGS[task.kind]} ({why})"), *((k, MEANINGS[k]) for k in others))
    kind = ask(Question("kind", "What are the answers?", options))
    comments = (
        f"What the answers are. Read from the rows: {task.kind} ({why})." + (" Chosen by hand." * (kind != task.kind)),
        "It could also be: " + "; ".join(f"{k}, {m}" for k, m in MEANINGS.items() if k != kind) + ".",
    )
    return Setting("kind", kind, comments)


# ---- what stands beside the rows -------------------------------------------------------------------------------------


def _of_corpus(found: Found, corpus: Sequence[str]) -> list[Setting]:
    if not corpus:
        comment = "No documents were found. With some, retrieval is compared, too: a folder, a file, or a list of them."
        return [Setting("corpus", None, (comment,), example='"manuals"')]
    why = f"Found: {counted(found.documents)}. Variants that retrieve search them; they are read once and kept."
    return [
        Setting(
            "corpus",
            corpus[0] if len(corpus) == 1 else list(corpus),
            (why, "Leave the line out to compare without retrieval."),
        )
    ]


def _of_tools(found: Found, task: Task) -> list[Setting]:
    if not found.tools or any(s.tools for s in task.samples):
        return []
    why = f"Found: {found.tools[0]}, a list of tools, and rows that bring none."
    return [Setting("tools", found.tools[0], (why, "Leave the line out where the answers are no calls."))]


def _of_base(ask: Ask, *, trains: bool) -> list[Setting]:
    text = "Which base model is trained and asked?" if trains else "Which base model is asked?"
    options = ((DEFAULT_BASE, "it comes with domainkit: 135 million parameters, for a first look on a laptop"),)
    base = ask(Question("base", text, options, other="a model of the hub (Qwen/Qwen3-0.6B), or its folder"))
    comments = (
        "The open model that is trained and asked." if trains else "The open model that is asked.",
        f"{DEFAULT_BASE} comes with domainkit and runs anywhere; a larger one answers better and takes longer: a model "
        "of the hub (Qwen/Qwen3-0.6B), a folder, or a GGUF file. domainkit doctor says what this machine can hold.",
    )
    return [Setting("base", base, comments)]


def _of_size(task: FolderTask, ask: Ask, *, has_corpus: bool) -> list[Setting]:
    train, test = _sizes(task)
    if train <= FIRST_LOOK["train"] and test <= FIRST_LOOK["test"]:
        comment = "All rows are used. With many, a random part of them gives a quicker first look."
        return [Setting("train", None, (comment,), "sample", str(FIRST_LOOK["train"]))]
    options = (
        ("first look", f"at most {FIRST_LOOK['train']} training rows and {FIRST_LOOK['test']} questions"),
        ("all", f"all rows: about {train:,} to train on and {test:,} questions"),
    )
    first = ask(Question("size", "How much of the rows is used?", options)) == "first look"
    why = f"There are about {train:,} rows to train on and {test:,} questions. "
    why += (
        "A random part of them gives a first look; delete both lines to use all, which takes longer and settles more."
    )
    keys = [k for k in ("train", "test") if k == "test" or _trains(task)]
    made = [
        Setting(key, FIRST_LOOK[key] if first else None, (why,) * (i == 0), "sample", str(FIRST_LOOK[key]))
        for i, key in enumerate(keys)
    ]
    if first and has_corpus:
        why = "Passages before a question: few and short ones are trained and read faster. The defaults are 3 and 160."
        made += [Setting("passages", 2, (why,)), Setting("passage_words", 80, ())]
    return made


def _sizes(task: FolderTask) -> tuple[int, int]:
    """About how many rows there are to train on and to ask."""
    if task.whole is not None:
        return round(0.8 * task.rows), round(0.2 * task.rows)
    asked = task.test or task.dev
    return (task.train.rows if task.train else 0), (asked.rows if asked else 0)


def _of_training(task: FolderTask, most: object) -> list[Setting]:
    """`most` is the number of rows of a first look; None where all are trained on."""
    settings = []
    if task.whole is not None:
        shares = "Shares of the rows. Near-duplicates stay on one side, so that the test measures skill, not memory."
        dev = "Rows to choose settings on, which a comparison neither learns nor asks: with 0 they are trained on."
        by = "document, group, time, label or random; left out, what the rows show, which is said."
        settings += [
            Setting("test", 0.2, (shares,), "split"),
            Setting("dev", 0.0, (dev,), "split"),
            Setting("by", None, (by,), "split", '"time"'),
        ]
    if _trains(task):
        rows, batch = _sizes(task)[0], TrainConfig.model_fields["batch_size"].default
        steps = EPOCHS * -(-min(rows, most if isinstance(most, int) else rows) // batch)
        few = " That is few for a model to learn from." if steps < FEW_STEPS else ""
        epochs = (
            f"Passes over the training rows: {EPOCHS} are about {steps:,} steps of {batch} rows.{few} More for a model "
            "that does not learn, fewer for one that only repeats."
        )
        save = "Optimizer steps between checkpoints: a run that was killed goes on from the last one."
        settings += [
            Setting("epochs", EPOCHS, (epochs,), "fit"),
            Setting("save_every", 10, (save,), "fit"),
            Setting("learning_rate", None, ("Left out, that of the method.",), "fit", "2e-4"),
        ]
    return settings


def _of_prices(found: Found) -> list[Setting]:
    if found.prices:
        why = f"Found: {', '.join(found.prices)}. The cost of an answer is computed with it."
        return [Setting("prices", found.prices[0], (why,))]
    return [Setting("prices", None, ("Your own prices, for the cost of an answer.",), example='"prices.toml"')]


def _models() -> Setting:
    comment = "NAME = SPEC. Its questions and your rows then leave this machine, and cost money."
    return Setting("gpt", None, (comment,), "models", '"openai:gpt-5-mini"')
