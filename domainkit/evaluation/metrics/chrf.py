"""chrF: the overlap of an answer's runs of characters with a reference's (Popović 2015, WMT), by sacrebleu.

It needs no words, so it reads every script. It is the usual chrF2: runs of one to six characters, spaces left out,
recall counted twice. Case counts, as it does there; the forms of Unicode do not (NFKC).
"""

from __future__ import annotations

import unicodedata

from domainkit.evaluation.metrics import ItemMetric, Score, metric, references_of
from domainkit.evaluation.task import Sample, Task
from domainkit.text.characters import IGNORABLE

_IGNORED = dict.fromkeys(map(ord, IGNORABLE))


@metric("chrF", ("text",), primary=True)
def chrf(task: Task) -> ItemMetric:
    """The best chrF2 over the references, 0 to 1; none where the question has no reference."""
    from sacrebleu.metrics import CHRF

    measure = CHRF()

    def score(sample: Sample, text: str) -> Score:
        references = references_of(sample)
        if not references:
            return Score(None, "the question has no reference")
        found = measure.sentence_score(_one_form(text), [_one_form(r) for r in references]).score
        return Score(min(found / 100, 1.0))

    return score


def _one_form(text: str) -> str:
    """Composed or not, in full width or half: one form; joiners, direction marks and tatweel are left out."""
    return unicodedata.normalize("NFKC", text).translate(_IGNORED)
