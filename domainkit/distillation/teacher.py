"""The teacher: a chat model with a prompt, a variant of a finished comparison, or a Runnable of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import RunnableBinding

from domainkit.comparison.ladder import CHAINS, find_variant
from domainkit.distillation.config import DistilConfig
from domainkit.distillation.learnt_task import LearntTask
from domainkit.errors import ConfigError
from domainkit.evaluation.kinds import kind_of
from domainkit.evaluation.variant import Answerer, Variant
from domainkit.llm.held_answers import held_by, hold
from domainkit.llm.named_model import NamedModel, find_model
from domainkit.messages import written
from domainkit.retrieval import nearest_examples
from domainkit.storage import sha256_json
from domainkit.winner.load import load_variant, load_winner
from domainkit.winner.loaded_variant import LoadedVariant
from domainkit.winner.source import RESULTS

TeacherGiven = str | Path | Answerer
SAMPLED = 0.7
"""Temperature of domainkit's own models where several answers are compared: greedy ones would all be the same."""
ROOM = 1.5
"""An answer may be half as long again as the longest solved example."""


@dataclass(frozen=True)
class Teacher:
    """Whoever answers."""

    model: NamedModel
    """Its name, and the key of its answers on disk; the chain that is asked is made by `chain`."""
    chain: Callable[[int], Answerer]
    """From the number of a sample to what answers a question."""
    how: str
    """In words: few-shot, the bare question, the variant tuned-knn of its run."""
    is_local: bool
    """Whether it runs in this process, so that nobody is paid for tokens."""
    output_tokens: int
    """Expected in an answer."""
    spec: str = ""
    """By which a command names it; "" for an object of a program."""
    can_be_compared: bool = False
    """Whether `compare --model` takes the spec."""
    held: str = "parsed"
    """What holds its answers to the form: structured output, a grammar, or nothing: each is read strictly."""


@dataclass(frozen=True)
class GivenTeacher:
    """The teacher as it is named, before the task is known."""

    spec: str
    loaded: LoadedVariant | None = None
    model: NamedModel | None = None
    runnable: Answerer | None = None
    held: bool = True
    """Whether a chat model's answers are held to the form of the task."""


def open_teacher(given: TeacherGiven) -> GivenTeacher:
    """Find what `given` names. No weights are loaded yet. Raises ConfigError for what cannot answer."""
    if isinstance(given, LoadedVariant):
        return GivenTeacher("", loaded=given)
    if isinstance(given, str | Path):
        spec = str(given)
        if (run := split_run(spec)) is not None:
            folder, name = run
            return GivenTeacher(spec, loaded=load_variant(folder, name) if name else load_winner(folder))
        model = find_model(spec, "teacher")
        return GivenTeacher(spec, model=model) if _is_chat_model(model.llm) else GivenTeacher(spec, runnable=model.llm)
    if _is_chat_model(given):
        return GivenTeacher("", model=find_model(cast("BaseChatModel", given), "teacher"))
    if not isinstance(given, Answerer):
        what = f"{given!r} is neither a chat model nor a Runnable"
        raise ConfigError(what, where="teacher", next_step="give a LangChain chat model, its name, or a run's variant")
    return GivenTeacher("", runnable=given)


def split_run(spec: str) -> tuple[Path, str] | None:
    """(folder, variant or "") where `spec` names the folder of a finished comparison, or one of its variants as
    RUN:VARIANT; None for anything else."""
    for folder, name in ((spec, ""), (spec.rpartition(":")[0], spec.rpartition(":")[2])):
        if folder and (Path(folder) / RESULTS).is_file():
            return Path(folder), name
    return None


def make_teacher(given: GivenTeacher, learnt: LearntTask, config: DistilConfig) -> Teacher:
    """The teacher with its prompt for the task. Raises ConfigError for options that it would not use."""
    if given.model is not None:
        return _asked_by_prompt(given, given.model, learnt, config)
    unused = next((n for n in ("variant", "temperature", "max_tokens") if getattr(config, n) is not None), None)
    if unused and not (given.loaded is not None and unused == "temperature"):
        what = f"{unused} is given, and the teacher is a chain that has its own"
        raise ConfigError(what, where=unused, next_step="leave it out, or name a chat model as the teacher")
    room = kind_of(learnt.task.kind).answer_tokens
    if given.loaded is not None:
        return _of_a_run(given.spec, given.loaded, learnt, config, room)
    assert given.runnable is not None
    named = find_model(cast("BaseChatModel", given.runnable), "teacher")  # its name and settings alone are read
    model = replace(named, name=given.spec or named.name, key=sha256_json([named.key, "runnable"]))
    return Teacher(model, lambda number: model.llm, "a Runnable of your own", False, room, given.spec)


def _of_a_run(spec: str, loaded: LoadedVariant, learnt: LearntTask, config: DistilConfig, room: int) -> Teacher:
    record, variant = loaded.record, loaded.variant
    if record.kind != learnt.task.kind:
        what = f"the run is about a task of the kind '{record.kind}', and the questions are of '{learnt.task.kind}'"
        raise ConfigError(what, where=f"teacher {spec or loaded.name}", next_step="name a teacher of the same kind")
    samples = variant.uses_llm and not variant.agent
    if config.samples > 1 and not samples:
        what = f"'{variant.name}' gives the same answer each time, and samples={config.samples}"
        raise ConfigError(what, where="samples", next_step="leave samples out: there is nothing to agree")
    temperature = config.temperature if config.temperature is not None else SAMPLED if config.samples > 1 else None
    measured = record.variants[variant.name].key
    name = spec or f"{record.task}:{variant.name}"
    llm: Any = loaded  # asked through `chain` alone
    model = NamedModel(name, llm, sha256_json([measured, temperature, config.seed if temperature else 0]))

    def chain(number: int) -> Answerer:
        return _Sampled(loaded, temperature, config.seed + number) if temperature is not None else loaded

    return Teacher(model, chain, f"the variant {variant.name} of its run", True, room, spec)


@dataclass(frozen=True)
class _Sampled:
    """A variant of a run at a temperature."""

    loaded: LoadedVariant
    temperature: float
    seed: int

    def invoke(self, input: Any, config: Any = None) -> Any:
        return self.loaded.invoke(input, config, temperature=self.temperature, seed=self.seed)

    def batch(self, inputs: list[Any], config: Any = None, *, return_exceptions: bool = False) -> list[Any]:
        options = {"temperature": self.temperature, "seed": self.seed}
        return self.loaded.batch(inputs, config, return_exceptions=return_exceptions, **options)


# ---- a chat model with a prompt --------------------------------------------------------------------------------------


def _asked_by_prompt(given: GivenTeacher, model: NamedModel, learnt: LearntTask, config: DistilConfig) -> Teacher:
    variant = _variant(model, learnt, config)
    room = config.max_tokens or _room(model, learnt)
    about = kind_of(learnt.task.kind)
    constraint = about.constraint if model.is_own else about.provider_constraint or about.constraint
    held = constraint(learnt.task) if given.held else {}
    own: dict[str, int | float] = (
        {"max_tokens": room} if model.is_own and "max_tokens" not in model.llm.model_fields_set else {}
    )
    temperature = _temperature(model, config)
    if temperature is not None:
        own["temperature"] = temperature
    if config.max_tokens and not model.is_own:
        what = "max_tokens is for domainkit's own models; another keeps its own settings"
        raise ConfigError(what, where="max_tokens", next_step="leave it out, or set it where the model is made")

    def chain(number: int) -> Answerer:
        seeded = {**own, "seed": config.seed + number} if model.is_own else own
        llm = model.llm.model_copy(update=seeded) if seeded else model.llm
        return _chain(hold(llm, held), variant, learnt, config)

    facts = [
        variant.name,
        learnt.task.kind,
        learnt.task.labels,
        learnt.task.json_schema,
        CHAINS.load("parts")(base=None).prompt(learnt.task.kind),
        [e.training_content for e in learnt.examples] if variant.shots != "none" else [],
        [config.shots, config.seed] if variant.shots != "none" else config.seed if own.get("temperature") else 0,
        own,
        held,
    ]
    how = "the bare question" if variant.tuned else variant.name
    asked = replace(model, key=sha256_json([model.key, facts]))
    by = held_by(model.llm, held)
    return Teacher(asked, chain, how, model.is_local, room, given.spec, bool(given.spec), by)


def _variant(model: NamedModel, learnt: LearntTask, config: DistilConfig) -> Variant:
    name = config.variant
    if name is None:
        adapter = model.is_own and getattr(model.llm, "adapter", None)
        name = "tuned" if adapter else "few-shot" if learnt.examples else "zero-shot"
    variant = find_variant(name)
    if variant.shots != "none" and not learnt.examples:
        what = f"{name} shows solved examples, and none are given"
        raise ConfigError(what, where="variant", next_step="give --like train.jsonl, or variant=zero-shot")
    return variant


def _temperature(model: NamedModel, config: DistilConfig) -> float | None:
    """What is set on a copy of the model; None: it keeps its own."""
    fields = type(model.llm).model_fields
    if config.temperature is not None:
        if "temperature" not in fields:
            what = f"{type(model.llm).__name__} has no temperature that can be set"
            raise ConfigError(what, where="temperature", next_step="set it where the model is made, and leave it out")
        return config.temperature
    if not model.is_own or "temperature" in model.llm.model_fields_set:
        return None
    return SAMPLED if config.samples > 1 else 0.0


def _room(model: NamedModel, learnt: LearntTask) -> int:
    """Tokens for an answer."""
    targets = sorted({written(e.turns[-1]) for e in learnt.examples}, key=len)[-20:]
    if not targets:
        return kind_of(learnt.task.kind).answer_tokens
    count = model.llm.get_token_ids if model.is_local else None
    longest = max(len(count(text)) if count else len(text.encode()) // 3 + 1 for text in targets)
    return max(8, round(ROOM * longest) + 2)


def _chain(llm: Any, variant: Variant, learnt: LearntTask, config: DistilConfig) -> Answerer:
    """The ladder's own chain, so that the teacher is asked as a comparison asks."""
    task = learnt.task
    parts = CHAINS.load("parts")(
        base=llm,
        tuned=llm,
        kind=task.kind,
        labels=task.labels,
        values=kind_of(task.kind).prompt_values(task),
        examples=learnt.examples,
        nearest=_nearest_last(learnt, config.shots) if variant.shots == "nearest" else None,
        shots=config.shots,
        seed=config.seed,
    )
    chain: Answerer = CHAINS.load("build_chain")(variant, parts)
    return chain


def _nearest_last(learnt: LearntTask, shots: int) -> Callable[[list[str]], list[Any]]:
    """The nearest example stands last, as in a comparison."""
    nearest = nearest_examples(learnt.examples, k=shots)
    return lambda questions: [found[::-1] for found in nearest.nearest_many(questions)]


def _is_chat_model(llm: object) -> bool:
    if isinstance(llm, RunnableBinding):
        return False  # what is bound to it is asked as it is
    return isinstance(llm, BaseChatModel)
