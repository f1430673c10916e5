"""Metrics of label tasks: accuracy, macro F1, and how often an answer names no label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from domainkit.evaluation.metrics import CorpusMetric, ItemMetric, Score, metric
from domainkit.evaluation.task import Sample, Task
from domainkit.text.words import fold


def label_parser(labels: Sequence[str]) -> Callable[[str], str | None]:
    """A function from an answer to the label it names, or None.

    The answer as a whole is tried first (exactly, then folded), then its first line, then the one label mentioned in
    it; two different labels mentioned name none. The same leniency for every variant: a model is compared on what it
    says, and how often it says nothing is `parse_failure`.
    """
    exact = set(labels)
    counted = Counter(fold(label) for label in labels)
    folded = {fold(label): label for label in labels if fold(label) and counted[fold(label)] == 1}
    # "A- Paris" names the option A, where A- is not an option itself.
    folded |= {
        f"{letter}-": label for letter, label in folded.items() if len(letter) == 1 and f"{letter}-" not in folded
    }
    longest_first = sorted(folded, key=len, reverse=True)
    mention = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, longest_first))})(?!\S)") if folded else None

    def parse(text: str) -> str | None:
        text = text.strip()
        first_line = text.partition("\n")[0].strip()
        whole = fold(text)
        for candidate, key in ((text, whole), (first_line, fold(first_line))):
            if candidate in exact:
                return candidate
            if key in folded:
                return folded[key]
        mentioned = {folded[key] for key in mention.findall(whole)} if mention else set()
        return mentioned.pop() if len(mentioned) == 1 else None

    return parse


@metric("Accuracy", ("label",), primary=True)
def label_accuracy(task: Task) -> ItemMetric:
    """1 when the label the answer names is the target or another reference; else 0, also when it names none."""
    parse = label_parser(task.labels)
    return lambda sample, text: Score(float(parse(text) in sample.references))


@metric("Unreadable answers", ("label",), lower_is_better=True)
def parse_failure(task: Task) -> ItemMetric:
    """1 when the answer names no label of the task, or several; else 0. Lower is better."""
    parse = label_parser(task.labels)
    return lambda sample, text: Score(float(parse(text) is None))


@metric("Macro F1", ("label",))
def macro_f1(task: Task) -> CorpusMetric:
    """Mean of the labels' F1 = 2·TP / (2·TP + FP + FN), over the labels that are a target or an answer in the set.

    An answer without a label is a false negative of its target, and a false positive of no label.
    """
    parse = label_parser(task.labels)
    index = {label: i for i, label in enumerate(task.labels)}

    def counts(sample: Sample, text: str) -> list[float]:
        """2·TP, then FP + FN, each per label."""
        named = parse(text)
        row = [0.0] * (2 * len(index))
        if named in sample.references:
            row[index[str(named)]] = 2.0
            return row
        for label in (named, sample.target):
            if label in index:
                row[len(index) + index[label]] += 1.0
        return row

    return CorpusMetric(counts, mean_f1)


def mean_f1(sums: np.ndarray) -> np.ndarray:
    """Sums (..., 2 · labels) of 2·TP and then of FP + FN to the mean F1 of the labels that occur, (...)."""
    hit, wrong = np.split(np.asarray(sums, float), 2, axis=-1)
    occurs = hit + wrong > 0
    f1 = np.divide(hit, hit + wrong, out=np.zeros_like(hit), where=occurs)
    return f1.sum(-1) / np.maximum(occurs.sum(-1), 1)
