"""The fine-tuned encoder of a comparison: whether there is one, and its training on the training rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from domainkit.comparison.inputs import Inputs
from domainkit.errors import MachineError
from domainkit.evaluation.answers_on_disk import Progress
from domainkit.retrieval import MiniLMEmbeddings
from domainkit.retrieval.dense import sentence_vectors
from domainkit.storage import sha256_json, staged_folder

LEAST_ROWS = 12
"""With fewer training rows, a few steps are all there is."""
MOST_ROWS = 20_000
"""Training rows that are embedded before the training: some minutes on two cores."""


def with_tuned_encoder(inputs: Inputs, folder: Path, on_progress: Progress | None, *, wanted: bool) -> Inputs:
    """The inputs with the encoder, which lies in `folder` under a name made from its rows and settings: a changed row
    trains again, an unchanged one does not. Where there is none, the inputs say why."""
    if why_not := _why_not(inputs) or ("" if wanted else "nothing is trained without --fit; name it, or add --fit"):
        return replace(inputs, why_no_encoder=why_not)
    from domainkit.training.encoders.tune_encoder import RECIPE, tune_encoder

    model = MiniLMEmbeddings()
    texts, targets = [e.query for e in inputs.examples], [e.target for e in inputs.examples]
    seed = inputs.config.seed
    key = sha256_json({"recipe": RECIPE, "model": model.identity(), "seed": seed, "rows": [texts, targets]})
    out = folder / f"encoder-{key[:12]}"
    if not (out / "encoder.json").is_file():

        def on_step(done: int, steps: int) -> None:
            if on_progress:
                on_progress("training the encoder", done, steps)

        vectors = sentence_vectors(texts, model)
        tuned = tune_encoder(model.resolve(), texts, targets, vectors, seed, on_step)
        with staged_folder(out) as staged:
            tuned.save(staged, model.model)
    return replace(inputs, encoder=out)


def _why_not(inputs: Inputs) -> str:
    """Why no encoder can be fine-tuned for these inputs; "" where one can."""
    rows, labels = len(inputs.examples), len({e.target for e in inputs.examples})
    if inputs.task.kind != "label":
        return "its linear layer names a label, and this task's answers are free"
    if not rows:
        return "no training rows were given (--train)"
    if rows < LEAST_ROWS or labels < 2:
        plural = "s" if labels > 1 else ""
        return f"{rows} training rows with {labels} label{plural} are too few to fine-tune an encoder"
    if rows > MOST_ROWS:
        return f"{rows:,} training rows are more than the {MOST_ROWS:,} that are embedded before its training"
    try:
        MiniLMEmbeddings().resolve()
    except MachineError as e:
        return f"{e.what} ({e.next_step})"
    return ""
