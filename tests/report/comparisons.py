"""Comparisons as `compare` would leave them: built from seeded answers, so scores, differences and items agree."""

from __future__ import annotations

import math
import random
import statistics

from domainkit.evaluation.variant import Family
from domainkit.results.schema import (
    Action,
    AnswerRow,
    BreakEven,
    Cost,
    CurvePoint,
    Difference,
    Estimate,
    Forgetting,
    GeneralText,
    Hardware,
    Item,
    Latency,
    Leak,
    LeakPair,
    LearningCurve,
    LostQuestion,
    Passage,
    Prices,
    Race,
    RacedOut,
    Recipe,
    Results,
    SetUse,
    TaskFacts,
    TrainingReceipt,
    Usage,
    VariantCost,
    VariantResult,
    Verdict,
    WithoutLeaks,
)

# name, family, description, share right, prompt tokens, seconds per question (None: the variant reports none)
LADDER: list[tuple[str, Family, str, float, int | None, float | None]] = [
    (
        "classical",
        "classical",
        "TF-IDF and logistic regression on the training rows; no language model.",
        0.78,
        None,
        0.0021,
    ),
    ("zero-shot", "prompt", "The question and the list of answers, nothing else.", 0.44, 212, 0.61),
    ("few-shot", "prompt", "The same four solved examples before every question.", 0.52, 468, 0.74),
    ("knn-few-shot", "prompt", "The four solved examples nearest to the question.", 0.71, 481, 0.78),
    ("rag", "retrieve", "Three passages found in the corpus.", 0.47, 905, 1.12),
    ("tuned", "tune", "The adapter, no examples and no passages.", 0.88, 212, 0.63),
    ("tuned-knn", "combine", "The adapter with the four nearest solved examples.", 0.865, 481, 0.81),
    ("tuned-rag", "combine", "The adapter with three passages found in the corpus.", 0.80, 905, 1.17),
]
GROUPS = ("cards", "transfers", "accounts", "security")
QUESTIONS = (
    "I was charged twice for the same coffee this morning, can you give one back?",
    "My transfer to Lisbon has been pending since Tuesday. Is it lost?",
    "Someone tried to log in from a city I have never been to.",
    "How do I add my daughter to the joint account before she turns eighteen?",
    "The card machine said declined although there is money on the account.",
    "Can I change the PIN without going to a branch?",
)
LABELS = (
    "card_charged_twice",
    "transfer_pending",
    "login_from_abroad",
    "add_account_holder",
    "card_declined",
    "change_pin",
)


def wilson(values: list[float], reason: str = "no items") -> Estimate:
    if not values:
        return Estimate(value=None, reason=reason)
    n, p, z = len(values), statistics.fmean(values), 1.96
    centre, spread = (p + z * z / 2 / n), z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    scale = 1 + z * z / n
    return Estimate(value=p, low=(centre - spread) / scale, high=(centre + spread) / scale, n=n, method="Wilson")


def paired(after: list[float], before: list[float], margin: float = 0.02) -> Difference:
    d = [a - b for a, b in zip(after, before, strict=True)]
    mean, half = statistics.fmean(d), 1.96 * statistics.pstdev(d) / math.sqrt(len(d))
    low, high = mean - half, mean + half
    state = "CANNOT TELL YET"
    if low > 0:
        state = "BETTER"
    elif high < 0:
        state = "WORSE"
    elif -margin < low and high < margin:
        state = "EQUIVALENT"
    return Difference(
        value=mean,
        low=low,
        high=high,
        n=len(d),
        wins=sum(v > 0 for v in d),
        ties=sum(v == 0 for v in d),
        losses=sum(v < 0 for v in d),
        p=0.0004 if low > 0 else 0.31,
        p_adjusted=0.0028 if low > 0 else 0.62,
        state=state,
        margin=margin,
        needed=1840 if state == "CANNOT TELL YET" else None,
        method="Bonett–Price",
    )


def build(n: int = 240, *, kind: str = "label", copies: int = 1, hostile: tuple[str, ...] = ()) -> Results:
    """A finished comparison over `n` items; `copies` repeats the ladder's tuned line up to eleven variants and more."""
    dice = random.Random(7)
    ladder = LADDER + [
        (f"recipe {k}", "tune", "Another recipe.", 0.8 + 0.01 * k, 212, 0.6 + 0.02 * k) for k in range(1, copies)
    ]
    metric = "label_accuracy" if kind == "label" else "token_f1"
    other = "macro_f1" if kind == "label" else "exact_match"
    hardness = [dice.random() for _ in range(n)]
    scores = {name: [_score(dice, share, h, kind) for h in hardness] for name, _, _, share, *_ in ladder}
    items = tuple(
        _item(dice, i, kind, [(row, scores[row[0]][i]) for row in ladder], metric, other, hostile) for i in range(n)
    )
    variants = tuple(_variant(row, scores, items, metric, other) for row in ladder)
    tuned = next(v for v in variants if v.name == "tuned")
    return Results(
        task=TaskFacts(
            name="Bank support routing" if kind == "label" else "Pump manual questions",
            kind=kind,
            n=n,
            labels=len(LABELS) if kind == "label" else 0,
            primary_metric=metric,
            fingerprint="9f2c" * 16,
            source="examples/support/test.jsonl",
            train_rows=1200,
            corpus_documents=38,
            why_kind="every target is one of six texts" if kind == "label" else "targets are short and mostly distinct",
        ),
        baseline="zero-shot",
        variants=variants,
        left_out={"agent": "the corpus has no index the agent could search; give --corpus"},
        verdict=verdict(tuned),
        items=items,
        passages={
            f"p{k}": Passage(title=f"Handbook §{k}", text=f"Section {k}. " + "What the desk does, step by step. " * 6)
            for k in range(9)
        },
        training=TrainingReceipt(
            method="qlora",
            examples=1200,
            tokens=412_800,
            seconds=1834.0,
            trainable_parameters=4_884_480,
            adapter_bytes=19_563_008,
            final_loss=0.218,
            hardware=Hardware(cores=8, gpus=("NVIDIA L4",)),
        ),
        leaks=(
            Leak(
                level="exact",
                count=2,
                pairs=(
                    LeakPair(test="q0003", source="train.jsonl:88"),
                    LeakPair(test="q0011", source="train.jsonl:412"),
                ),
            ),
            Leak(level="near", count=1, pairs=(LeakPair(test="q0021", source="train.jsonl:7"),)),
        ),
        model={
            "base": {"name": "HuggingFaceTB/SmolLM2-1.7B-Instruct", "revision": "31b70e2e", "quantisation": "nf4"},
            "adapter": {"sha256": "77ab" * 16, "method": "qlora"},
        },
        environment={
            "domainkit": "0.1.0",
            "torch": "2.10.0",
            "transformers": "5.10.1",
            "python": "3.12.4",
            "hardware": {"cores": 8, "gpus": ["NVIDIA L4"]},
            "command": "domainkit compare --test test.jsonl --train train.jsonl --adapter runs/support --out run",
        },
        created="2026-03-02T14:05:00Z",
        seconds=1312.4,
    )


def _score(dice: random.Random, share: float, hardness: float, kind: str) -> float:
    right = 0.7 * hardness + 0.3 * dice.random() < 0.15 + 0.7 * share
    if kind == "label":
        return float(right)
    return round(min(1.0, max(0.0, dice.gauss(0.9 if right else 0.35, 0.2))), 3)


def _item(dice, i, kind, scored, metric, other, hostile) -> Item:  # type: ignore[no-untyped-def]
    place = i % len(LABELS)
    target = LABELS[place] if kind == "label" else f"Close valve {place + 1}, wait two minutes, then restart the pump."
    answers = {}
    for (name, *_, tokens, seconds), score in scored:
        text = (
            target
            if score == 1
            else LABELS[(place + 1 + dice.randrange(4)) % 6]
            if kind == "label"
            else f"Restart pump {i}."
        )
        if hostile:
            text = hostile[i % len(hostile)]
        passages = tuple(f"p{dice.randrange(9)}" for _ in range(3)) if "rag" in name else ()
        failed = name == "rag" and i % 60 == 5
        answers[name] = AnswerRow(
            text="" if failed else text,
            scores={metric: score, other: None if kind == "label" else float(score == 1)},
            passages=passages,
            prompt_tokens=tokens,
            completion_tokens=None if tokens is None else 6,
            seconds=seconds,
            error="RequestError: the prompt has 4,211 tokens, the model reads 4,096" if failed else None,
        )
    text = hostile[(i + 1) % len(hostile)] if hostile else f"{QUESTIONS[place]} ({i})"
    return Item(id=f"q{i:04d}", input=text, target=target, references=(target,), group=GROUPS[i % 4], answers=answers)


def _variant(row, scores, items, metric, other) -> VariantResult:  # type: ignore[no-untyped-def]
    name, family, description, _, tokens, seconds = row
    own = scores[name]
    groups = {g: wilson([s for s, item in zip(own, items, strict=True) if item.group == g]) for g in GROUPS}
    timed = Latency(
        median=None if seconds is None else seconds * 1.4, worst=None if seconds is None else seconds * 2.2, n=20
    )
    return VariantResult(
        name=name,
        family=family,
        description=description,
        settings={"temperature": 0},
        metrics={
            metric: wilson(own),
            other: Estimate(value=max(0.0, statistics.fmean(own) - 0.03), n=len(own)),
            "parse_failure": Estimate(value=None, reason="a classical model cannot answer outside the labels")
            if family == "classical"
            else Estimate(value=0.012, low=0.004, high=0.035, n=len(own)),
        },
        groups=groups,
        difference=None if name == "zero-shot" else paired(own, scores["zero-shot"]),
        usage=Usage(prompt_tokens=tokens, completion_tokens=None if tokens is None else 6.4, seconds_per_item=seconds),
        latency=timed if name != "classical" else Latency(reason="a classical model is not timed alone"),
        failures=sum(item.answers[name].error is not None for item in items),
        retrieval={"hit@1": wilson([1.0] * 6 + [0.0] * 4), "hit@3": wilson([1.0] * 9 + [0.0])} if "rag" in name else {},
    )


def verdict(tuned: VariantResult) -> Verdict:
    assert tuned.difference is not None
    gain = 100 * tuned.difference.value
    return Verdict(
        answer="fine-tune",
        choice="tuned",
        headline=f"Fine-tune: the adapter answers {gain:.1f} points more questions right than zero-shot.",
        reasons=(
            f"tuned is {gain:.1f} points better than zero-shot on the same {tuned.difference.n} questions.",
            "It also beats the classical model, so the language model earns its cost.",
            "Retrieval adds nothing here: the passages do not hold the answer to a routing question.",
        ),
        cautions=("3 test questions also stand in the training rows; the verdict holds without them.",),
        next_steps=(
            "Load the adapter with DomainLLM(adapter='runs/support').",
            "Label 60 more questions of the group security.",
        ),
        tied=("tuned-knn",),
    )


def curve(variant: str, *values: float, start: int = 90) -> LearningCurve:
    seen = [CurvePoint(n=start * 2**k, value=v, low=v - 0.05, high=v + 0.05) for k, v in enumerate(values)]
    ahead = [
        CurvePoint(
            n=seen[-1].n * k, value=values[-1] + 0.02 * k, low=values[-1] - 0.02, high=min(1.0, values[-1] + 0.05 * k)
        )
        for k in (2, 4)
    ]
    return LearningCurve(variant=variant, points=tuple(seen), forecast=tuple(ahead))


def enrich(results: Results) -> Results:
    """The same comparison with everything the newer elements need."""
    items = [
        item.model_copy(update={"doc_ids": (item.answers["rag"].passages or ("p0",))[:1]}) for item in results.items
    ]
    items = [
        item.model_copy(update={"answers": {k: a for k, a in item.answers.items() if k != "zero-shot" or i < 60}})
        for i, item in enumerate(items)
    ]
    leaks = (
        Leak(
            level="exact",
            count=2,
            pairs=(
                LeakPair(
                    test="q0003", source="train.jsonl:88", text="<b>How do I</b> add my daughter?\n→ add_account_holder"
                ),
                LeakPair(test="q0011", source="train.jsonl:412", text="Can I change the PIN?\n→ change_pin"),
            ),
        ),
        Leak(
            level="near",
            count=1,
            threshold=0.9,
            pairs=(LeakPair(test="q0021", source="train.jsonl:7", text="My transfer", similarity=0.934),),
        ),
        Leak(level="embedding", count=0, counted=False, unchecked="the MiniLM package is not installed"),
        Leak(level="exact", against="index", count=0),
    )
    verdict = results.verdict.model_copy(
        update={
            "action": Action(
                kind="label-train",
                sentence="Label about 360 more training examples: the learning curve forecasts 92.0 % (88.1 to 95.0).",
                evidence=("180 examples: 74.0 %", "360 examples: 82.0 %", "720 examples: 88.0 %"),
                gain=0.04,
            ),
            "next_steps": (
                "Label about 360 more training examples.",
                "Test tuned once on questions that were not used here.",
            ),
            "without_leaks": WithoutLeaks(answer="fine-tune", choice="tuned", changed=False),
        }
    )
    race = Race(
        alpha=0.05,
        block=20,
        seed=0,
        questions=len(items),
        of=300,
        answers=1700,
        of_answers=2400,
        out={"zero-shot": RacedOut(answered=60, better="tuned")},
    )
    return results.model_copy(
        update={
            "items": tuple(items),
            "leaks": leaks,
            "verdict": verdict,
            "race": race,
            "curves": (curve("classical", 0.55, 0.64, 0.71, 0.78), curve("tuned", 0.6, 0.74, 0.82, 0.88)),
            "recipes": (
                Recipe(
                    variant="tuned",
                    baseline="zero-shot",
                    seeds=(0, 1, 2),
                    by_seed=(0.88, 0.86, 0.9),
                    score=Estimate(value=0.88, low=0.82, high=0.94, n=240),
                    difference=Estimate(value=0.3, low=0.22, high=0.38, n=240),
                    state="BETTER",
                ),
            ),
            "variants": tuple(
                v.model_copy(
                    update={
                        "usage": v.usage.model_copy(
                            update={
                                "prefill_seconds_per_item": 0.4,
                                "decode_seconds_per_item": 0.2,
                                "memory_bytes": 1_200 * 2**20,
                            }
                        )
                    }
                )
                if v.usage.prompt_tokens
                else v
                for v in results.variants
            ),
            "test_use": SetUse(comparisons=7, for_choosing=1, first="2026-02-01T10:00:00+00:00"),
        }
    )


HOSTILE = "<script>alert(1)</script>\u202e"


def cost(*, known: bool = True, rival: str = "knn-few-shot") -> Cost:
    def priced(name: str, each: float, training: float | None = 0.0) -> VariantCost:
        return VariantCost(
            name=name,
            paid_by="machine time",
            per_thousand=Estimate(value=1000 * each, low=900 * each, high=1100 * each, n=240),
            per_correct=Estimate(value=2 * each, low=1.5 * each, n=240),
            tokens_per_thousand=0.03,
            training=training,
            reason="" if training is not None else "the adapter has no training receipt",
        )

    point = BreakEven(variant="tuned", rival=rival, state="from", questions=2_424, low=2_100, high=2_735)
    return Cost(
        prices=Prices(
            machine_hour=0.1,
            training_hour=1.2,
            input_per_million=0.15,
            output_per_million=0.6,
            defaults=("machine.cpu_hour",),
            source="my.toml",
        ),
        variants=(
            priced("zero-shot", 2e-5),
            priced(rival, 3e-5),
            priced("tuned", 1e-5, 0.05 if known else None),
            priced("classical", 0.0),
        ),
        break_even=(
            point,
            BreakEven(
                variant="tuned",
                rival="classical",
                state="never",
                reason="a question costs more with tuned",
                rival_worse=True,
            ),
        ),
    )


def forgetting(question: str = "What melts ice?") -> Forgetting:
    d = Difference(
        value=-0.03,
        low=-0.055,
        high=-0.005,
        n=350,
        wins=4,
        ties=332,
        losses=14,
        p=0.03,
        p_adjusted=0.03,
        state="WORSE",
        margin=0.02,
    )
    base, tuned = Estimate(value=0.6, low=0.55, high=0.65, n=350), Estimate(value=0.57, low=0.52, high=0.62, n=350)
    return Forgetting(
        base=base,
        tuned=tuned,
        difference=d,
        gate="cannot tell yet",
        margin=0.02,
        groups={"ARC-Easy": (base, tuned), "OpenBookQA": (base, tuned)},
        lost=(LostQuestion(id="arc-1", question=question, right="heat", now=HOSTILE),),
        gained=4,
        text=GeneralText(base=1.1, tuned=1.15, difference=0.05, low=0.02, high=0.08, n=12, bytes=9_000),
        source="general.jsonl",
        seconds=42.0,
    )
