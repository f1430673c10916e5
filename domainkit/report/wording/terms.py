"""The table of terms: what each word of a report means, for a reader who meets it for the first time.

The page explains them where they stand, and docs/glossary.md is made from this table:
`python -m domainkit.report.wording.terms` prints its two tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domainkit.evaluation.metrics import METRICS, declared, metric_title

OWN = {
    "variant": "one way to answer a task: a prompt form, a model, an adapter or none, a retriever or none",
    "ladder": "the built-in variants, ordered from the simplest to the most complex (`chains/ladder.py`)",
    "family": 'the kind of answer to "prompt, retrieve or fine-tune?" that a variant stands for; it follows from the '
    "variant's flags",
    "baseline": "the variant that all others are compared with; it is declared before the first question",
    "oracle": "retrieval that is given the right document: an upper bound, never recommended",
    "context adapter": "an adapter that was trained with passages in its prompts (RAFT)",
    "verdict": "the decision that a comparison supports, with the evidence for it",
    "race": "a comparison that stops asking a variant as soon as it is clearly worse",
    "gate": "a limit that a result must not cross: how much general knowledge an adapter may forget, or how much worse "
    "a run may be than another",
    "ledger": "the record of how often a test set was used for a comparison",
    "card": "`card.json` in an adapter folder: how the adapter was made, on what, with which result",
    "receipt": "the part of a report that says what training took: time, tokens, hardware, price",
    "replica": "an adapter trained as another one was, but from another seed",
    "cascade": "attention to a shared prefix, computed once for all sequences of a batch",
    "pack": "a folder with one measured variant and all it needs but the base, for another machine",
    "replay": "the same prompts through another engine, to show that an exported adapter acts there as here",
    "watch": "counts of what a variant is asked and answers, and the alarm when they are no longer those of its run",
}
"""Words that domainkit uses in a sense of its own."""

STANDARD = {
    "interval": "the range in which the true value is expected: of 100 such ranges, about 95 hold it; more questions "
    "make it narrower",
    "points": "percentage points: from 40 % to 45 % is +5 points",
    "paired difference": "both variants answer the same questions, and the scores are subtracted question by question: "
    "so hard and easy questions weigh alike on both sides",
    "BETTER": "the whole interval of the paired difference lies above 0: more than luck, at 95 % over all comparisons "
    "of the run together; WORSE is its mirror",
    "EQUIVALENT": "the whole interval of the difference lies inside the margin: no difference that would matter",
    "CANNOT TELL YET": "the interval holds 0 and is wider than the margin: the questions asked do not settle it",
    "margin": "the difference that would not matter: 2 points unless the comparison has another",
    "p": "how often luck alone would bring a difference as large as this, if there were none",
    "Holm": "a correction of p for the number of comparisons: with many of them, one looks good by luck",
    "base model": "the language model as it was before any training here",
    "adapter": "a small set of trained weights beside an unchanged base model: what fine-tuning made",
    "few-shot": "solved examples stand in the prompt, before the question",
    "retrieval": "passages are looked up in documents and put into the prompt",
    "classical": "a small model that only chooses an answer seen in training, as logistic regression does; it writes "
    "nothing",
    "tokens": "pieces of words, which a language model reads and writes; prices count them",
    "latency": "how long one question takes alone; time per question is that of many asked together",
    "leakage": "test questions that also stand in the training rows or the documents: they make a variant look better "
    "than it is",
    "learning curve": "the score by number of training examples, and what more of them would bring",
    "break-even": "the number of questions from which on the training has paid for itself",
    "hit@k": "the share of questions whose right document is among the k passages in the prompt",
}
"""Terms of the field."""

MEASURES = {
    "label_accuracy": "the share of questions answered with the right label",
    "macro_f1": "F1 of each label, averaged so that a rare label weighs as much as a common one; F1 is the harmonic "
    "mean of precision and recall",
    "token_f1": "how many words the answer shares with the right one: 100 % is the same words, 0 % none of them",
    "exact_match": "the share of answers with exactly the right words",
    "chrf": "how many runs of letters the text shares with a right one: for long texts, where no two are alike",
    "rouge_l": "the longest sequence of words that the text shares with a right one, in order",
    "labels_f1": "how many of the right labels the answer has, and how few wrong ones",
    "field_f1": "how many fields of the right object the answer has, with the right value, and how few wrong ones",
    "call_score": "how many of the right tool calls and values the answer has, and how few wrong ones",
    "judge": "the grade that another language model gave by a rubric, as a share of the best grade",
}
"""Metrics, in a reader's words. The others are explained by their docstrings."""


NOT_KNOWN = "A metric of another package, or of your own: its code says what it measures."


def meaning(term: str) -> str:
    """What a term or metric means, as a sentence; "" for one that is not known."""
    text = OWN.get(term) or STANDARD.get(term) or MEASURES.get(term)
    if text is None and term in METRICS:
        text = " ".join((declared(term).make.__doc__ or "").partition("\n\n")[0].split()).rstrip(".")
    text = (text or "").replace("`", "")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a page."""

    id: str
    """Of the element that explains it."""
    word: str
    text: str


class Terms:
    """The terms that a page uses, in the order of first use."""

    def __init__(self) -> None:
        self._used: dict[str, Term] = {}

    def use(self, key: str) -> str:
        """The id of the element that explains the term or metric. One that is not known is explained as its name."""
        if key not in self._used:
            word = metric_title(key) if key in MEASURES or key in METRICS else key
            place = f"term-{len(self._used) + 1}"
            self._used[key] = Term(place, f"{word[:1].upper()}{word[1:]}", meaning(key) or NOT_KNOWN)
        return self._used[key].id

    @property
    def used(self) -> list[Term]:
        return list(self._used.values())


def as_markdown(words: Mapping[str, str]) -> str:
    """A table of docs/glossary.md."""
    return "\n".join(["| word | meaning |", "| --- | --- |", *(f"| {word} | {text} |" for word, text in words.items())])


if __name__ == "__main__":
    print(as_markdown(OWN), as_markdown(STANDARD), sep="\n\n")
