"""Evidence: the means and paired differences a verdict rests on, and which variants are tied with the best."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domainkit.evaluation.variant import Family
from domainkit.results.schema import Difference, Race, State, VariantResult
from domainkit.statistics.paired import adjust, compare_paired

SIMPLE_TO_COMBINED: tuple[Family, ...] = ("classical", "prompt", "retrieve", "tune", "combine", "custom")
UNTRAINED: tuple[Family, ...] = ("prompt", "retrieve")
TRAINED: tuple[Family, ...] = ("tune", "combine")
LANGUAGE_MODEL: tuple[Family, ...] = (*UNTRAINED, *TRAINED, "custom")
# What a reader asks: the addition, the families that have it, the families that do not.
CONTRASTS: tuple[tuple[str, tuple[Family, ...], tuple[Family, ...]], ...] = (
    ("fine-tuning adds to the best without training", TRAINED, UNTRAINED),
    ("fine-tuning adds to retrieval", TRAINED, ("retrieve",)),
    ("retrieval adds to prompting", ("retrieve",), ("prompt",)),
    ("retrieval adds to fine-tuning", ("combine",), ("tune",)),
    ("a language model adds to a classical one", LANGUAGE_MODEL, ("classical",)),
)
_OPPOSITE: dict[State, State] = {"BETTER": "WORSE", "WORSE": "BETTER"}

Scores = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`variants` are those that could be scored, from simple to combined; `tied` those among them not shown to be worse
    than `best`, itself included. `oracle` names the variant that is given the gold document, if one ran."""

    variants: Mapping[str, VariantResult]
    means: Mapping[str, float]
    differences: Mapping[tuple[str, str], Difference]
    best: str
    tied: tuple[str, ...]
    margin: float
    oracle: str | None = None

    @property
    def choice(self) -> str:
        """The simplest of the tied."""
        return self.tied[0]

    @property
    def settled(self) -> bool:
        """Whether the choice is of the best variant's family, or equivalent to it: no family is left open."""
        gap = self.difference(self.best, self.choice)
        return self.family(self.choice) == self.family(self.best) or (gap is not None and gap.state == "EQUIVALENT")

    def family(self, name: str) -> Family:
        return self.variants[name].family

    def best_of(self, families: Iterable[Family]) -> str | None:
        wanted = set(families)
        return max((n for n in self.variants if self.family(n) in wanted), key=self.means.__getitem__, default=None)

    def difference(self, a: str, b: str) -> Difference | None:
        """a - b, where the two were compared in either direction."""
        if (a, b) in self.differences:
            return self.differences[a, b]
        d = self.differences.get((b, a))
        if d is None:
            return None
        turned = {"value": -d.value, "low": -d.high, "high": -d.low, "wins": d.losses, "losses": d.wins}
        return d.model_copy(update={**turned, "state": _OPPOSITE.get(d.state, d.state)})


def weigh(
    variants: Sequence[VariantResult],
    scores: Scores,
    *,
    margin: float = 0.02,
    clusters: Sequence[Hashable] | None = None,
    race: Race | None = None,
) -> Evidence | None:
    """Compare each variant with the one of the highest mean, and the pairs of CONTRASTS, under one Holm adjustment.

    `scores` hold the primary metric, one per item in one order. After a race that is the order asked, the best is one of those
    that answered to its end, and whoever was raced out is worse. None when no variant has a score.
    """
    means = {v.name: mean for v in variants if (mean := _mean(scores.get(v.name, ()))) is not None}
    # Of equal means max() takes the first, so the simplest counts as best.
    simple_first = sorted(
        (v for v in variants if v.name in means and v.family != "oracle"),
        key=lambda v: SIMPLE_TO_COMBINED.index(v.family),
    )
    if not simple_first:
        return None
    out = race.out if race is not None else {}
    best = max((v.name for v in simple_first if v.name not in out), key=means.__getitem__)
    draft = Evidence({v.name: v for v in simple_first}, means, {}, best, (), margin)
    pairs = [(best, v.name) for v in simple_first if v.name != best]
    pairs += [(a, b) for _, a, b in contrasts(draft) if (a, b) not in pairs and (b, a) not in pairs]
    oracle = next((v.name for v in variants if v.name in means and v.family == "oracle"), None)
    retrieving = draft.best_of(("retrieve",))
    if oracle is not None and retrieving is not None:
        pairs.append((oracle, retrieving))
    raw = {
        str(i): compare_paired(scores[a], scores[b], clusters=clusters, sequential=race is not None)
        for i, (a, b) in enumerate(pairs)
    }
    judged = adjust(raw, margin=margin)
    differences = {pair: d for i, pair in enumerate(pairs) if (d := judged[str(i)]) is not None}
    worse = {b for (a, b), d in differences.items() if a == best and d.state == "BETTER"} | set(out)
    tied = tuple(v.name for v in simple_first if v.name not in worse)
    return Evidence(draft.variants, means, differences, best, tied, margin, oracle)


def contrasts(e: Evidence) -> list[tuple[str, str, str]]:
    """(what is added, the variant with it, the variant without), the best of each side, each pair once."""
    found: dict[tuple[str, str], str] = {}
    for added, having, lacking in CONTRASTS:
        a, b = e.best_of(having), e.best_of(lacking)
        if a is not None and b is not None:
            found.setdefault((a, b), added)
    return [(added, a, b) for (a, b), added in found.items()]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [s for s in scores if s is not None]
    return sum(known) / len(known) if known else None
