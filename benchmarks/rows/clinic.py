"""The data clinic on real rows: planted wrong labels, rows to label next, personal data, and near-duplicates.

python -m benchmarks.rows.clinic --data FOLDER [--parts labels,next,personal,duplicates]

FOLDER holds banking77 as JSON Lines. cleanlab, where it is installed, is given the same out-of-fold probabilities.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows.personal_texts import WORDS, clean_texts, texts_with_values
from benchmarks.runs import RESULTS, save
from domainkit.clinic.confident_learning import out_of_fold, suspects
from domainkit.clinic.near_duplicates import alike
from domainkit.clinic.next_to_label import choose_rows
from domainkit.clinic.personal_data.find import find_personal_data
from domainkit.corpus.example import Example
from domainkit.corpus.read_files import read_examples
from domainkit.evaluation.classical import EMBEDDED, Vectors, fit_probabilities
from domainkit.retrieval import MiniLMEmbeddings
from domainkit.retrieval.dense import sentence_vectors
from domainkit.splitting.clusters import near_duplicates
from domainkit.statistics.intervals import graded_interval

NOISE, SEEDS = 0.05, (0, 1, 2)
DRAWS, CHOSEN = 10, 50
PARTS = ("labels", "next", "personal", "duplicates")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    args = parser.parse_args()
    folder = args.data / "banking77"
    if not folder.is_dir():
        sys.exit(f"skipped: no banking77 under {args.data}")
    kept = RESULTS / "clinic.json"
    facts = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    facts = {k: v for k, v in facts.items() if k in PARTS}
    for part in args.parts.split(","):
        facts[part] = globals()[f"measure_{part}"](folder)
        save("clinic", facts)


def _vectors(texts: list[str]) -> Vectors:
    rows = dict(zip(texts, sentence_vectors(texts, MiniLMEmbeddings()), strict=True))

    def embed(some: Any) -> np.ndarray:
        return np.stack([rows[text] for text in some])

    return Vectors(embed, embed)


# ---- wrong labels ----------------------------------------------------------------------------------------------------


def measure_labels(folder: Path) -> list[dict[str, Any]]:
    """Five per cent of the labels replaced by chance, in a small and in the whole training set."""
    found = []
    print(f"{'rows':>6} {'seed':>4} {'method':46} {'listed':>6} {'p@50':>6} {'precision':>9} {'recall':>7}")
    for name, seeds in (("train_small.jsonl", SEEDS), ("train.jsonl", SEEDS[:1])):
        examples = read_examples(folder / name)
        vectors = _vectors([e.question for e in examples])
        for seed in seeds:
            found += _planted(examples, vectors, seed)
    return found


def _planted(examples: list[Example], vectors: Vectors, seed: int) -> list[dict[str, Any]]:
    asked = [e.question for e in examples]
    labels, names = [e.target for e in examples], sorted({e.target for e in examples})
    chance = random.Random(seed)
    planted = set(chance.sample(range(len(labels)), round(NOISE * len(labels))))
    for i in planted:
        labels[i] = chance.choice([name for name in names if name != labels[i]])
    started = time.perf_counter()
    clusters = alike(asked)
    together = [clusters.find(i) for i in range(len(asked))]
    names, p = out_of_fold(asked, labels, together, vectors, EMBEDDED, lambda done, total: None)
    lists = {"domainkit": [s.row for s in suspects(labels, names, p)]}
    seconds = time.perf_counter() - started
    lists |= _cleanlab(labels, names, p)
    facts = []
    for method, rows in lists.items():
        right = [i in planted for i in rows]
        result = {
            "rows": len(labels),
            "seed": seed,
            "planted": len(planted),
            "method": method,
            "listed": len(rows),
            "precision_at_50": sum(right[:50]) / len(right[:50]),
            "precision": sum(right) / len(right),
            "recall": sum(right) / len(planted),
            "recall_at_planted": sum(right[: len(planted)]) / len(planted),
            "seconds": round(seconds, 1) if method == "domainkit" else None,
        }
        print(
            f"{len(labels):6} {seed:4} {method:46} {len(rows):6} {result['precision_at_50']:6.2f} "
            f"{result['precision']:9.2f} {result['recall']:7.2f}"
        )
        facts.append(result)
    return facts


def _cleanlab(labels: list[str], names: list[str], p: np.ndarray) -> dict[str, list[int]]:
    if importlib.util.find_spec("cleanlab") is None:
        print("cleanlab is not installed: skipped (pip install cleanlab)")
        return {}
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    given = np.array([names.index(label) for label in labels])
    worst = np.argsort(get_label_quality_scores(given, p), kind="stable")
    listed = len(suspects(labels, names, p))
    return {"cleanlab, label quality, as many rows": worst[:listed].tolist()} | {
        f"cleanlab, {by}": find_label_issues(
            given, p, filter_by=by, return_indices_ranked_by="self_confidence", n_jobs=1
        ).tolist()
        for by in ("prune_by_noise_rate", "confident_learning")
    }


# ---- which rows to label next ----------------------------------------------------------------------------------------


def measure_next(folder: Path) -> list[dict[str, Any]]:
    """Accuracy on the test rows after fifty more labels, chosen and by chance, ten times each from another start."""
    train, test = read_examples(folder / "train.jsonl"), read_examples(folder / "test.jsonl")
    vectors = _vectors([e.question for e in (*train, *test)])
    found = []
    print(f"{'labelled':>8} {'before':>7} {'chosen':>7} {'random':>7} {'gain':>7}  95 % interval of the gain")
    for start in (100, 300, 770):
        draws = [_draw(train, test, vectors, start, seed) for seed in range(DRAWS)]
        gains = np.array([d["chosen"] - d["random"] for d in draws])
        low, high = graded_interval(gains, 0.95)
        means = {name: float(np.mean([d[name] for d in draws])) for name in ("before", "chosen", "random")}
        print(
            f"{start:8} {means['before']:7.3f} {means['chosen']:7.3f} {means['random']:7.3f} {gains.mean():+7.3f}  "
            f"{low:+.3f} to {high:+.3f}",
            flush=True,
        )
        found.append(
            {"labelled": start, **means, "gain": float(gains.mean()), "low": low, "high": high, "draws": draws}
        )
    return found


def _draw(train: list[Example], test: list[Example], vectors: Vectors, start: int, seed: int) -> dict[str, float]:
    rows = random.Random(seed).sample(train, len(train))
    labelled, pool = rows[:start], rows[start:]
    chosen = choose_rows(
        [e.question for e in labelled], [e.target for e in labelled], [e.question for e in pool], vectors, CHOSEN
    )
    by_chance = random.Random(seed + 1000).sample(range(len(pool)), CHOSEN)
    return {
        "before": _accuracy(labelled, test, vectors),
        "chosen": _accuracy([*labelled, *(pool[c.row] for c in chosen)], test, vectors),
        "random": _accuracy([*labelled, *(pool[i] for i in by_chance)], test, vectors),
    }


def _accuracy(rows: list[Example], test: list[Example], vectors: Vectors) -> float:
    """Of the model that `compare` calls classical: logistic regression on sentence embeddings."""
    names, predict = fit_probabilities([e.question for e in rows], [e.target for e in rows], vectors, EMBEDDED, 30)
    best = predict([e.question for e in test]).argmax(axis=1)
    return float(np.mean([names[k] == e.target for k, e in zip(best, test, strict=True)]))


# ---- personal data ---------------------------------------------------------------------------------------------------


def measure_personal(folder: Path) -> dict[str, Any]:
    """Values written into sentences, and texts with numbers that belong to nobody."""
    by_kind: dict[str, dict[str, int]] = {}
    bare = {"texts": 0, "found": 0}
    for kind, value, text in texts_with_values(random.Random(0), each=200):
        values = [
            f for f in find_personal_data(text) if value in text[f.start : f.end] or text[f.start : f.end] in value
        ]
        counts = by_kind.setdefault(kind, {"texts": 0, "found": 0, "as_this_kind": 0})
        counts["texts"] += 1
        counts["found"] += bool(values)
        if WORDS[kind] not in text:
            bare["texts"] += 1
            bare["found"] += bool(values)
        counts["as_this_kind"] += any(f.kind == kind for f in values)
    print(f"{'kind':16} {'texts':>6} {'found':>6} {'as this kind':>12}")
    for kind, counts in by_kind.items():
        found, named = (counts[name] / counts["texts"] for name in ("found", "as_this_kind"))
        print(f"{kind:16} {counts['texts']:6} {found:6.3f} {named:12.3f}")
    print(f"without a word that names them: {bare['found']} of {bare['texts']} found")
    clean = clean_texts(random.Random(1), 2000)
    alarms = [text for text in clean if find_personal_data(text)]
    real = [e.question for e in read_examples(folder / "train.jsonl")]
    real_alarms = sum(bool(find_personal_data(text)) for text in real)
    print(f"false alarms: {len(alarms)} of {len(clean)} texts with other numbers")
    print(f"found in real questions: {real_alarms} of {len(real)}")
    return {
        "by_kind": by_kind,
        "without_a_word": bare,
        "texts_without": len(clean),
        "false_alarms": len(alarms),
        "real_questions": len(real),
        "alarms_in_real_questions": real_alarms,
    }


# ---- near-duplicates -------------------------------------------------------------------------------------------------


def measure_duplicates(folder: Path) -> dict[str, Any]:
    """100,000 short rows, halves of real questions put together: time and peak memory of the whole process."""
    real = [e.question for name in ("train", "test") for e in read_examples(folder / f"{name}.jsonl")]
    chance, texts = random.Random(0), []
    while len(texts) < 100_000:
        a, b = chance.choice(real).split(), chance.choice(real).split()
        texts.append(" ".join(a[: len(a) // 2 + 1] + b[len(b) // 2 :]))
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    clusters = [m for m in near_duplicates(texts).members() if len(m) > 1]
    after = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "rows": len(texts),
        "wall_seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "peak_mib": round(after.ru_maxrss / 1024),
        "clusters": len(clusters),
        "rows_in_clusters": sum(map(len, clusters)),
    }
    print(facts)
    return facts


if __name__ == "__main__":
    main()
