"""Evidence: the means and paired differences a verdict rests on, and which variants are tied with the best."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Difference, Race, State, VariantResult
from domainkit.statistics.paired import adjust, compare_paired
from domainkit.verdict.sentences import CANNOT_TELL, answer_of

SIMPLE_TO_COMBINED: tuple[Family, ...] = (
    "trivial",
    "classical",
    "encoder",
    "prompt",
    "retrieve",
    "tune",
    "combine",
    "custom",
)
UNTRAINED: tuple[Family, ...] = ("prompt", "retrieve")
TRAINED: tuple[Family, ...] = ("tune", "combine")
LANGUAGE_MODEL: tuple[Family, ...] = (*UNTRAINED, *TRAINED, "custom")
SIMPLE: tuple[Family, ...] = ("trivial", "classical", "encoder")
"""Without a language model that writes."""
# What a reader wants to know: the addition, the families that have it, the families that do not.
CONTRASTS: tuple[tuple[str, tuple[Family, ...], tuple[Family, ...]], ...] = (
    ("fine-tuning adds to the best without training", TRAINED, UNTRAINED),
    ("fine-tuning adds to retrieval", TRAINED, ("retrieve",)),
    ("retrieval adds to prompting", ("retrieve",), ("prompt",)),
    ("retrieval adds to fine-tuning", ("combine",), ("tune",)),
    ("fine-tuning a small encoder adds to a classical model", ("encoder",), ("classical",)),
    ("a language model adds to a classical one", LANGUAGE_MODEL, ("classical",)),
    ("a language model adds to a fine-tuned encoder", LANGUAGE_MODEL, ("encoder",)),
    ("a model adds to the answer that needs none", ("classical", "encoder", *LANGUAGE_MODEL), ("trivial",)),
)
HARDLY = 0.15
"""A score counts as hardly above chance when it is less than this above it."""
_OPPOSITE: dict[State, State] = {"BETTER": "WORSE", "WORSE": "BETTER"}

Scores = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class ScoredVariants:
    """What a comparison measured, as a verdict needs it."""

    variants: Sequence[VariantResult]
    scores: Scores
    """The primary metric by variant, one per item in one order; after a race, the order in which items were asked."""
    margin: float = 0.02
    """The difference that would not matter, as a fraction."""
    clusters: Sequence[Hashable] | None = None
    """The document each item is about, in the order of the scores."""
    race: Race | None = None
    errors: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    """Whether the answer was an error, by variant, in the order of the scores."""

    def subset(self, mask: Sequence[bool]) -> ScoredVariants:
        """The same without the items whose `mask` is False, and without variants that were not asked every item."""
        items = [i for i, is_kept in enumerate(mask) if is_kept]
        scores = {name: [values[i] for i in items] for name, values in self.scores.items() if len(values) == len(mask)}
        clusters = None if self.clusters is None else [self.clusters[i] for i in items]
        return replace(self, scores=scores, clusters=clusters, errors={})


@dataclass(frozen=True, slots=True)
class Evidence:
    """Means, differences, and who may be chosen."""

    variants: Mapping[str, VariantResult]
    """Those that could be scored, from simple to combined; no oracle."""
    means: Mapping[str, float]
    differences: Mapping[tuple[str, str], Difference]
    best: str
    tied: tuple[str, ...]
    """Those not shown to be worse than `best`, itself included."""
    margin: float
    oracle: str | None = None
    """The variant that has the gold document in its prompt, if one ran: of the model that retrieves best."""

    @property
    def choice(self) -> str:
        """The simplest of the tied."""
        return self.tied[0]

    @property
    def one_family_left(self) -> bool:
        """Whether the choice is of the best variant's family and runs on its model, or is equivalent to it: only one
        answer is left."""
        gap = self.difference(self.best, self.choice)
        alike = self.family(self.choice) == self.family(self.best) and self.model(self.choice) == self.model(self.best)
        return alike or (gap is not None and gap.state == "EQUIVALENT")

    @property
    def models(self) -> tuple[str, ...]:
        """The models beside the base that variants run on, in the ladder's order."""
        return tuple(dict.fromkeys(v.runs_on for v in self.variants.values() if v.runs_on))

    def model(self, name: str) -> str:
        """The model that the variant runs on, where it is not the base; else ""."""
        return self.variants[name].runs_on

    @property
    def answer(self) -> str:
        """What to do, as `Verdict.answer` has it."""
        compared = len(self.variants) > 1 and self.one_family_left
        return answer_of(self.variants[self.choice]) if compared else CANNOT_TELL

    def family(self, name: str) -> Family:
        return self.variants[name].family

    def best_of(self, families: Iterable[Family], model: str | None = None) -> str | None:
        """The best variant of these families; with `model`, of those that run on it ("" for the base)."""
        allowed = set(families)
        found = (n for n in self.variants if self.family(n) in allowed and model in (None, self.model(n)))
        return max(found, key=self.means.__getitem__, default=None)

    def difference(self, a: str, b: str) -> Difference | None:
        """a - b, where the two were compared in either direction."""
        if (a, b) in self.differences:
            return self.differences[a, b]
        d = self.differences.get((b, a))
        if d is None:
            return None
        turned = {"value": -d.value, "low": -d.high, "high": -d.low, "wins": d.losses, "losses": d.wins}
        return d.model_copy(update={**turned, "state": _OPPOSITE.get(d.state, d.state)})


def evidence_of(scored: ScoredVariants) -> Evidence | None:
    """Compare each variant with the one of the highest mean, and the pairs of CONTRASTS, under one Holm adjustment.

    After a race, the best is one of those that answered to its end, and a variant that was dropped is worse. None when
    no variant has a score.
    """
    variants, scores = scored.variants, scored.scores
    means = {v.name: mean for v in variants if (mean := _mean(scores.get(v.name, ()))) is not None}
    # Of equal means max() takes the first, so the simplest counts as best; of one kind that on the base alone.
    simple_first = sorted(
        (v for v in variants if v.name in means and v.family != "oracle"),
        key=lambda v: (SIMPLE_TO_COMBINED.index(v.family), v.runs_on != ""),
    )
    if not simple_first:
        return None
    dropped = scored.race.out if scored.race is not None else {}
    best = max((v.name for v in simple_first if v.name not in dropped), key=means.__getitem__)
    draft = Evidence({v.name: v for v in simple_first}, means, {}, best, (), scored.margin)
    draft = replace(draft, oracle=_oracle(draft, [v for v in variants if v.name in means and v.family == "oracle"]))
    differences = _differences(scored, _pairs(draft))
    worse = {b for (a, b), d in differences.items() if a == best and d.state == "BETTER"} | set(dropped)
    return replace(draft, differences=differences, tied=tuple(name for name in draft.variants if name not in worse))


def _oracle(e: Evidence, oracles: Sequence[VariantResult]) -> str | None:
    """What a right document brings is told by the model that the best retrieving variant runs on."""
    retrieving = e.best_of(("retrieve",))
    model = e.model(retrieving) if retrieving is not None else ""
    return next((v.name for v in oracles if v.runs_on == model), None)


def _pairs(e: Evidence) -> list[tuple[str, str]]:
    """What is compared: the best with each other variant, the contrasts, the oracle with the best that retrieves."""
    pairs = [(e.best, name) for name in e.variants if name != e.best]
    pairs += [(a, b) for _, a, b in contrasts(e) if (a, b) not in pairs and (b, a) not in pairs]
    retrieving = e.best_of(("retrieve",))
    if e.oracle is not None and retrieving is not None:
        pairs.append((e.oracle, retrieving))
    return pairs


def _differences(scored: ScoredVariants, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Difference]:
    raw = {
        str(i): compare_paired(
            scored.scores[a], scored.scores[b], clusters=scored.clusters, sequential=scored.race is not None
        )
        for i, (a, b) in enumerate(pairs)
    }
    adjusted = adjust(raw, margin=scored.margin)
    return {pair: d for i, pair in enumerate(pairs) if (d := adjusted[str(i)]) is not None}


def contrasts(e: Evidence) -> list[tuple[str, str, str]]:
    """(what is added, the variant with it, the variant without), the best of each side, each pair once."""
    added_by_pair: dict[tuple[str, str], str] = {}
    for added, having, lacking in CONTRASTS:
        a = e.best_of(having)
        # What an addition brings is seen on one model: across two, it would be mixed with what the model brings.
        within = e.model(a) if a is not None and e.models and set(lacking) <= {*UNTRAINED, *TRAINED} else None
        b = e.best_of(lacking, within)
        if a is not None and b is not None:
            added_by_pair.setdefault((a, b), added)
    for model in e.models:
        between = (
            (f"{model} adds to the base", UNTRAINED, UNTRAINED),
            (f"{model} adds to the tuned base", UNTRAINED, TRAINED),
            (f"tuned {model} adds to the tuned base", TRAINED, TRAINED),
        )
        for added, having, lacking in between:
            a, b = e.best_of(having, model), e.best_of(lacking, "")
            if a is not None and b is not None:
                added_by_pair.setdefault((a, b), added)
    return [(added, a, b) for (a, b), added in added_by_pair.items()]


def _mean(scores: Sequence[float | None]) -> float | None:
    values = [s for s in scores if s is not None]
    return sum(values) / len(values) if values else None
