"""ROUGE-L: the longest common subsequence of an answer's words and a reference's (Lin 2004, "ROUGE", section 3).

The words are those of `domainkit.text`, which reads all scripts: a letter of a script without spaces is a word. The
usual scorer keeps the letters a to z alone, and gives every answer in Thai or Arabic the score 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.evaluation.metrics import ItemMetric, Score, metric, references_of
from domainkit.evaluation.task import Sample, Task
from domainkit.text.words import words


def longest_common_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """F1 of precision LCS/|answer| and recall LCS/|reference|; two texts without words agree."""
    from rapidfuzz.distance import LCSseq

    if not answer or not reference:
        return float(answer == reference)
    return 2 * LCSseq.similarity(answer, reference) / (len(answer) + len(reference))


@metric("ROUGE-L", ("text",))
def rouge_l(task: Task) -> ItemMetric:
    """The best F1 over the references, 0 to 1; none where the question has no reference."""

    def score(sample: Sample, text: str) -> Score:
        references = references_of(sample)
        if not references:
            return Score(None, "the question has no reference")
        answer = words(text)
        return Score(max(longest_common_f1(answer, words(r)) for r in references))

    return score
