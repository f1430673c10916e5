"""What each family of base models can do here: a tiny random model of the family is trained, asked and merged.

python -m benchmarks.training.architectures [--only llama gemma2 ...]

The numbers of a random model say nothing of quality. They show what a real base of the family would meet: whether an
adapter trains, whether its answers are PEFT's (checked as it is loaded), whether answers share passes and keep their
text in a batch, and whether the adapter merges. The page docs/architectures.md is written from the results.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.runs import RESULTS, save
from benchmarks.training.families import FAMILIES, SMALL
from domainkit import DomainLLM, TrainConfig, train
from domainkit.corpus.example import Example
from domainkit.errors import DomainkitError
from domainkit.export.merge import merge
from domainkit.inference.local import local_backend
from domainkit.messages import Message
from tests.conftest import TEMPLATE, build_tokenizer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"
WORDS = ("red", "blue", "green", "black")
LONG = " and a long question" * 5
"""Longer than the windows and the original context of the tiny configurations."""


@dataclass(frozen=True)
class Outcome:
    """What one family did. A text that is not "yes" says what happened instead."""

    family: str
    model_type: str
    trains: str
    rows: str = ""
    """How training lays out its examples."""
    answers: str = ""
    """Whether an answer is the same alone and in a batch."""
    passes: str = ""
    """Whether requests share passes."""
    merges: str = ""


def examine(family: str, folder: Path) -> Outcome:
    """Train, ask and merge on a tiny model of the family. `folder` is new."""
    model_type, changes = FAMILIES[family]
    try:
        base = build_base(model_type, changes, folder / "base")
        adapter = train_adapter(base, folder / "adapter")
    except DomainkitError as e:
        return Outcome(family, model_type, f"refused: {e.what}")
    card = adapter.card
    assert card is not None
    losses = [loss for _, loss in card.losses]
    rows = next((n for n in card.notes if n.startswith("rows are ")), "").removeprefix("rows are ")
    trains = "yes" if losses[-1] < losses[0] / 2 else f"loss {losses[0]:.2f} to {losses[-1]:.2f}"
    answers, passes = ask(base, adapter.folder)
    return Outcome(family, model_type, trains, rows, answers, passes, merges(adapter.folder, folder / "merged"))


def build_base(model_type: str, changes: dict[str, Any], folder: Path) -> str:
    """A random model of the type with the tokenizer and the template of the tests."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = build_tokenizer()
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    ids = {"vocab_size": len(tokenizer), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(model_type, **{**SMALL, **ids, **changes})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def example(question: str) -> Example:
    turns = (Message(role="user", content=question), Message(role="assistant", content=question.split()[0]))
    return Example(turns=turns, source="rows.jsonl:1")


def train_adapter(base: str, out: Path) -> Any:
    config = TrainConfig(
        base=base, quantization="none", epochs=6, batch_size=4, learning_rate=1e-2, method_options={"rank": 4}
    )
    questions = [f"{word} q{i}" + LONG * (i % 2) for i in range(4) for word in WORDS]
    return train([example(q) for q in questions], config, out, on_progress=lambda _: None)


def ask(base: str, adapter: Path) -> tuple[str, str]:
    """(are answers the same alone and in a batch, do requests share passes), of base and adapter together."""
    questions = [f"{word} q{i}" + LONG * (i % 2) for i in (1, 2) for word in WORDS[:3]]
    try:
        plain = DomainLLM(base=base, quantization="none", max_tokens=10)
        tuned = DomainLLM(base=base, adapter=str(adapter), quantization="none", max_tokens=10)
        alone = [llm.invoke(q).text for llm in (plain, tuned) for q in questions]
        together = [a.text for llm in (plain, tuned) for a in llm.batch(questions)]
        same = sum(a == b for a, b in zip(alone, together, strict=True))
        backend = local_backend(base, quantization="none")
        shared = "one by one" if backend.engine().runner.one_by_one else "shared"
        backend.close()
    except DomainkitError as e:
        return f"refused: {e.what}", ""
    return "yes" if same == len(alone) else f"{same} of {len(alone)}", shared


def merges(adapter: Path, out: Path) -> str:
    held_out = [example(f"{word} q{i}") for i in (5, 6) for word in WORDS]
    try:
        return "yes" if merge(adapter, out, held_out).card.proof.kept >= 0.99 else "in part"
    except DomainkitError as e:
        return f"refused: {e.what}"


# ---- the page --------------------------------------------------------------------------------------------------------

HEAD = """# Base models by family

What each family of base models can do, as `python -m benchmarks.training.architectures` measured it on a tiny random
model of the family, in float32 on a CPU. A random model shows faults of placement, shape and order. It says nothing of
quality.

- **trains**: the loss of a LoRA adapter on all linear layers falls below half in 24 steps.
- **rows**: how examples lie in a batch. *Packed*: several in one row, none sees another. *Padded*: one a row, and why.
- **answers**: of base and adapter, short and long questions: the same text alone and in a batch. As an adapter is
  loaded, its logits are compared with those of PEFT's own pass, and an adapter that differs is refused.
- **passes**: requests share the model's passes, or are computed one by one where sharing would change the numbers.
- **merge**: the merged model keeps the adapter's gain on held-out examples.

Encoder-decoder bases of the T5 type are tested by `tests/laws/test_method_laws.py`. What is not in the table is
untried: it is loaded as transformers loads it, and the same checks run as it is loaded.

"""


def page(outcomes: list[Outcome]) -> str:
    lines = ["| family | `model_type` | trains | rows | answers | passes | merge |", "| --- " * 7 + "|"]
    for o in outcomes:
        cells = (o.family, f"`{o.model_type}`", o.trains, o.rows, o.answers, o.passes, o.merges)
        lines.append("| " + " | ".join(c.replace("|", "\\|") or "–" for c in cells) + " |")
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(FAMILIES), help="families; left out, all, and the page")
    only = parser.parse_args().only
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    outcomes = []
    for family in only or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(examine(family, Path(folder)))
        print(*asdict(outcomes[-1]).values(), sep=" | ", flush=True)
    if not only:
        save("architectures", {"outcomes": [asdict(o) for o in outcomes]})
        PAGE.write_text(page(outcomes), encoding="utf-8")
        print(f"wrote {PAGE.name}, from {RESULTS.name}/architectures.json")


if __name__ == "__main__":
    main()
