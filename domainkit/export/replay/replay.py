"""replay(): an exported model in another engine beside the model as it was trained, on the same held-out answers."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from domainkit.adapters.tuned_model import load_adapted
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.evaluation.metrics import ItemMetric, metric_set
from domainkit.evaluation.task import Sample, Task, clusters_of
from domainkit.export.replay.engine import Engine, ExportedModel
from domainkit.export.replay.forced import force
from domainkit.export.replay.proof import Replay, TaskReplay, make_replay
from domainkit.messages import Message
from domainkit.models import Quantization
from domainkit.models.load import LoadedBase, load_base
from domainkit.models.precision import precision
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.tokenizer import adapter_chat_template, load_chat_template
from domainkit.statistics.intervals import estimate
from domainkit.statistics.paired import adjust, compare_paired
from domainkit.storage import sha256_file
from domainkit.training.examples_to_ids import TokenizedExample, tokenize_examples, with_thinking

ANSWERS = 32
"""Most held-out answers that are forced: the error of a mean over some hundred tokens is small already."""
MARGIN = 0.02
MOST_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Trained:
    """The model as it was trained, to be loaded here."""

    base: str
    revision: str | None
    quantization: Quantization
    adapter: Path | None = None
    """Its adapter's folder; None where `merged` holds the tuned model."""
    merged: Path | None = None


def replay(
    engine: Engine,
    trained: Trained,
    base_file: Path,
    exported: ExportedModel,
    held_out: Sequence[Example],
    *,
    task: Task | None = None,
    notes: tuple[str, ...] = (),
) -> Replay:
    """Force `held_out` answers through both engines, with and without the tune; answer `task` on both sides.

    Raises ConfigError without held-out examples, and what the engine raises.
    """
    if not held_out:
        raise ConfigError(
            "nothing to replay", where="--data", next_step="give held-out examples: --data held_out.jsonl"
        )
    here = _Here(trained, held_out, task)
    base_there = engine.force(ExportedModel(base_file), here.rows)
    tuned_there = engine.force(exported, here.rows)
    scored = _replay_task(engine, exported, here, task) if task is not None else None
    return make_replay(
        engine.build,
        sha256_file(exported.gguf),
        sha256_file(exported.adapter) if exported.adapter else None,
        (here.base, here.tuned, base_there, tuned_there),
        notes,
        scored,
    )


class _Here:
    """What our own side computes: once, and then the model is gone from memory."""

    def __init__(self, trained: Trained, held_out: Sequence[Example], task: Task | None) -> None:
        loaded = load_base(trained.base, revision=trained.revision, quantization=trained.quantization, purpose="infer")
        self.template = _template(loaded, trained)
        self.rows = _rows(held_out, self.template, loaded.context_length)
        pad_id = loaded.tokenizer.pad_token_id
        self.base = force(loaded.model, self.rows, pad_id)
        if trained.adapter is not None:
            model: Any = load_adapted(loaded.model, trained.adapter).eval()
        else:
            del loaded
            gc.collect()
            merged = load_base(str(trained.merged), quantization="none", purpose="infer")
            model = merged.model
        self.tuned = force(model, self.rows, pad_id)
        self.prompts: list[list[int]] = []
        self.texts: list[str] = []
        self.max_tokens = 0
        if task is not None:
            self._answer(model, task)
        del model
        gc.collect()

    def _answer(self, model: Any, task: Task) -> None:
        """Greedy answers to the task's questions."""
        import torch

        encode, ends = self.template.encode_text, self.template.stop_token_ids
        longest = max(len(encode(sample.target)) for sample in task.samples)
        self.max_tokens = min(2 * longest + 8, MOST_TOKENS)
        self.prompts = [self.template.encode_prompt(_messages(sample)) for sample in task.samples]
        with torch.no_grad(), precision(model):
            for prompt in self.prompts:
                ids = torch.tensor([prompt], device=model.device)
                out = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=False,
                    max_new_tokens=self.max_tokens,
                    eos_token_id=list(ends),
                )
                self.texts.append(self.text([int(i) for i in out[0, len(prompt) :]]))

    def text(self, ids: Sequence[int]) -> str:
        """The words of generated ids, without the token that ended them."""
        end = next((i for i, token in enumerate(ids) if token in self.template.stop_token_ids), len(ids))
        return str(self.template.tokenizer.decode(list(ids[:end]))).strip()


def _template(loaded: LoadedBase, trained: Trained) -> ChatTemplate:
    if trained.adapter is None:
        return load_chat_template(Path(str(trained.merged)))[0]
    return adapter_chat_template(trained.adapter, loaded.chat_template)


def _rows(held_out: Sequence[Example], template: ChatTemplate, limit: int) -> list[TokenizedExample]:
    """At most ANSWERS of the examples as ids, spread evenly."""
    examples = held_out
    if len(held_out) > ANSWERS:
        examples = [held_out[i * len(held_out) // ANSWERS] for i in range(ANSWERS)]
    return tokenize_examples(examples, with_thinking(template, {}, examples), limit)


def _messages(sample: Sample) -> list[Message]:
    system = [Message("system", sample.system)] if sample.system else []
    return [*system, *sample.turns, Message("user", sample.input)]


def _replay_task(engine: Engine, exported: ExportedModel, here: _Here, task: Task) -> TaskReplay:
    """Both sides' greedy answers under the task's own metric, paired by question."""
    found = engine.answer(exported, here.prompts, here.max_tokens, here.template.stop_token_ids)
    theirs = [here.text(ids) for ids in found]
    metrics = metric_set(task)
    score = cast(ItemMetric, metrics.item[metrics.primary])  # only a judge, which has to be asked for, is no function
    ours_scores, their_scores = (
        [score(sample, text).value for sample, text in zip(task.samples, texts, strict=True)]
        for texts in (here.texts, theirs)
    )
    clusters = clusters_of(task.samples)
    difference = adjust({"engine": compare_paired(their_scores, ours_scores, clusters=clusters)}, margin=MARGIN)
    if difference["engine"] is None:
        raise ConfigError(
            f"no answer has a score of the metric {metrics.primary}", where="--task", next_step="give another task"
        )
    same = [a == b for a, b in zip(here.texts, theirs, strict=True)]
    return TaskReplay(
        task=task.name,
        metric=metrics.primary,
        ours=estimate(ours_scores, clusters=clusters),
        theirs=estimate(their_scores, clusters=clusters),
        difference=difference["engine"],
        same_text=sum(same) / len(same),
    )
