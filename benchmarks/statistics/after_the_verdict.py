"""Simulations of what is decided after the verdict: the gate and the drift alarm. `simulations.py` draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.statistics.page import Cell, Rows
from domainkit.statistics.drift import HORIZON, Bets, Bounds, alarm_at
from domainkit.statistics.paired import compare_paired
from domainkit.verdict.gate import decide_pair

MARGIN = 0.02
LOOK, SHIFT = 25, 1_000
"""Conversations between two looks, and before a change."""
Draw = Callable[[int], np.ndarray]
"""Conversations so far to the marks among the next LOOK, (runs, series)."""


def gates(runs: int, seed: int = 9) -> Rows:
    """Two runs that differ on a tenth of the questions by luck alone, by the margin of 2 points, and by 6 points."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for questions, per_document in ((100, 1), (300, 1), (300, 5), (1000, 1), (1000, 5)):
        row: dict[str, Cell] = {"questions": questions, "documents": questions // per_document}
        for name, loss in (("equal", 0.0), ("margin", MARGIN), ("six", 0.06)):
            outcomes = [_outcome(rng, questions, per_document, loss) for _ in range(runs)]
            row |= {f"{name}_{o.split()[0]}": outcomes.count(o) / runs for o in ("passed", "worse", "cannot tell")}
        rows.append(row)
    return rows


def _outcome(rng: np.random.Generator, questions: int, per_document: int, loss: float) -> str:
    """One gate. Questions of a document are won or lost together half of the time."""
    own = _signs(rng, questions, loss)
    shared = np.repeat(_signs(rng, questions // per_document, loss), per_document)
    d = np.where((rng.random(questions) < 0.5) & (per_document > 1), shared, own)
    documents = np.repeat(np.arange(questions // per_document), per_document).tolist()
    pair = compare_paired(d.tolist(), [0.0] * questions, clusters=documents if per_document > 1 else None)
    return decide_pair(pair, MARGIN)[0]


def _signs(rng: np.random.Generator, n: int, loss: float, discordant: float = 0.1) -> np.ndarray:
    u = rng.random(n)
    return (u < (discordant - loss) / 2).astype(float) - (u > 1 - (discordant + loss) / 2)


def first_alarms(bounds: Bounds, runs: int, draw: Draw, conversations: int = HORIZON) -> np.ndarray:
    """Conversations until the alarm of each run; infinite where there is none. Looked at every LOOK."""
    bets = Bets.none_yet(runs, bounds.shares.shape[-2])
    when = np.full(runs, np.inf)
    for start in range(0, conversations, LOOK):
        bets.add(bounds, np.array(LOOK), draw(start), LOOK)
        when = np.where((bets.value(bounds) >= alarm_at()) & np.isinf(when), start + LOOK, when)
    return when


def delays(when: np.ndarray) -> tuple[float | None, float]:
    """(median conversations from the change to the alarm, the share noticed in time); None where most were not."""
    after = np.sort(np.where(when > SHIFT, when - SHIFT, np.inf))
    middle = after[len(after) // 2]
    return (None if np.isinf(middle) else float(middle)), float(np.isfinite(after).mean())


def _one_series(rng: np.random.Generator, runs: int, rate: float, rise: float) -> Draw:
    return lambda start: rng.binomial(LOOK, rate + (rise if start >= SHIFT else 0.0), (runs, 1))


def alarms(runs: int, seed: int = 10) -> Rows:
    """One series over 5,000 conversations: false alarms, and delays after a rise at the 1,000th."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for rate, n in ((0.05, 150), (0.05, 300), (0.1, 300), (0.1, 1000), (0.1, 5000), (0.2, 1000)):
        bounds = Bounds.of(rng.binomial(n, rate, (runs, 1)), np.array([n]))
        quiet = first_alarms(bounds, runs, _one_series(rng, runs, rate, 0.0))
        row: dict[str, Cell] = {"rate": rate, "reference": n, "false": float(np.isfinite(quiet).mean())}
        for name, rise in (("five", 0.05), ("ten", 0.1), ("twenty", 0.2)):
            row[name], row[f"{name}_told"] = delays(first_alarms(bounds, runs, _one_series(rng, runs, rate, rise)))
        rows.append(row)
    return rows


TOPICS, LABELS = 8, 10
WEIGHTS = np.array([1 / 4] + [1 / 4 / 8] * 8 + [1 / 4 / 11] * 11 + [1 / 4])
"""As a watch of a label task has them: unlike; topics; labels and refusals; a confidence that is never given."""


def _marks(rng: np.random.Generator, shape: tuple[int, ...], unlike: float, topics: np.ndarray) -> np.ndarray:
    """Marks of conversations, (*shape, series): a topic, a label that mostly follows it, rarely unlike or refused."""
    topic = rng.choice(TOPICS, p=topics, size=shape)
    label = np.where(rng.random(shape) < 0.8, topic, rng.integers(0, LABELS, shape))
    strange = rng.random(shape) < unlike
    refusal = rng.random(shape) < 0.02
    columns = [strange, *(topic == c for c in range(TOPICS)), *(label == c for c in range(LABELS)), refusal]
    return np.stack([*columns, np.zeros(shape, bool)], -1)


EVEN = np.full(TOPICS, 1 / TOPICS)


def _share(first: float) -> np.ndarray:
    """Topics of which the first has this share."""
    return np.array([first, *[(1 - first) / (TOPICS - 1)] * (TOPICS - 1)])


@dataclass(frozen=True, slots=True)
class Traffic:
    """What changes at the 1,000th question, and how a conversation's turns are counted."""

    unlike: float = 0.05
    topics: np.ndarray = field(default_factory=lambda: EVEN)
    turns_counted: int = 1
    """All turns of a conversation are marked as its first."""

    def draw(self, rng: np.random.Generator, runs: int) -> Draw:
        def marks(start: int) -> np.ndarray:
            unlike, topics = (self.unlike, self.topics) if start >= SHIFT else (0.05, EVEN)
            drawn = _marks(rng, (runs, LOOK // self.turns_counted), unlike, topics)
            return drawn.sum(1) * self.turns_counted

        return marks


TRAFFIC = {
    "nothing": Traffic(),
    "nothing; all 5 turns counted": Traffic(turns_counted=5),
    "one topic of eight doubles": Traffic(topics=_share(0.25)),
    "one topic becomes 60 %": Traffic(topics=_share(0.6)),
    "10 points more are unlike": Traffic(unlike=0.15),
    "30 points more are unlike": Traffic(unlike=0.35),
}


def watches(runs: int, seed: int = 11) -> Rows:
    """A whole watch of 20 series, with a reference of 300 questions: what it tells of, and when."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for name, traffic in TRAFFIC.items():
        reference = _marks(rng, (runs, 300), 0.05, EVEN).sum(1)
        sizes = np.array([150] * 9 + [300] * 11 + [0])  # topics are counted on half of the questions
        bounds = Bounds.of(reference / 300 * sizes, sizes, WEIGHTS)
        when = first_alarms(bounds, runs, traffic.draw(rng, runs))
        quiet = name.startswith("nothing")
        median, told = delays(when)
        rows.append(
            {
                "change": name,
                "false": float((np.isfinite(when) if quiet else when <= SHIFT).mean()),
                "told": None if quiet else told,
                "median": None if quiet else median,
            }
        )
    return rows
