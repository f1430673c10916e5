"""The columns of the tables of docs/statistics.md: key in the results to title, and which are shares."""

from __future__ import annotations

Columns = dict[str, str]
TABLES: dict[str, tuple[Columns, set[str]]] = {
    "intervals": (
        {
            "questions": "questions",
            "tango": "Tango covers, %",
            "normal": "mean ± 1.96 SE covers, %",
            "mcnemar": "mid-p calls equals different, %",
        },
        {"tango", "normal", "mcnemar"},
    ),
    "peeking": (
        {
            "discordant": "questions they differ on, %",
            "fixed": "mid-p at every 20th, %",
            "e_at_looks": "E at every 20th, %",
            "e_at_every": "E at every question, %",
        },
        {"discordant", "fixed", "e_at_looks", "e_at_every"},
    ),
    "savings": (
        {
            "difference": "true difference, points",
            "discordant": "questions they differ on, %",
            "median": "questions until clear, median",
            "ninth": "nine of ten by",
            "settled": "clear by 1,200, %",
            "fixed": "a fixed plan needs",
        },
        {"difference", "discordant", "settled"},
    ),
    "races": (
        {
            "ladder": "variants",
            "wrong": "an equal or better one dropped, %",
            "saved": "answers saved, %",
            "questions": "questions asked, median",
        },
        {"wrong", "saved"},
    ),
    "sequences": (
        {
            "scores": "scores",
            "missed": "missed the truth at any of 12 looks, %",
            "width": "width, times a fixed interval’s",
        },
        {"missed"},
    ),
    "winners": (
        {
            "questions": "questions",
            "best_of_3": "best of 3, points too high",
            "told_3": "the report says",
            "best_of_12": "best of 12, points too high",
            "told_12": "the report says",
        },
        {"best_of_3", "told_3", "best_of_12", "told_12"},
    ),
    "curves": (
        {
            "curve": "true curve",
            "twice": "band holds at 2 ×, %",
            "width_twice": "its width, points",
            "four": "band holds at 4 ×, %",
            "width_four": "its width, points ",
        },
        {"twice", "width_twice", "four", "width_four"},
    ),
    "seeds": (
        {
            "between": "spread between seeds, points",
            "seeds": "seeds",
            "crossed": "questions and seeds cover, %",
            "items": "questions alone cover, %",
            "width": "width, points",
        },
        {"between", "crossed", "items", "width"},
    ),
    "gates": (
        {
            "questions": "questions",
            "documents": "documents",
            "equal_worse": "equal: called worse, %",
            "equal_passed": "equal: passed, %",
            "margin_passed": "2 points worse: passed, %",
            "six_worse": "6 points worse: called worse, %",
        },
        {f"{truth}_{o}" for truth in ("equal", "margin", "six") for o in ("passed", "worse", "cannot")},
    ),
    "alarms": (
        {
            "rate": "reference share, %",
            "reference": "of so many",
            "false": "false alarm, %",
            "five": "+5 points: noticed after",
            "five_told": "in time, %",
            "ten": "+10 points: noticed after",
            "ten_told": "in time, % ",
            "twenty": "+20 points: noticed after",
        },
        {"rate", "false", "five_told", "ten_told"},
    ),
    "watches": (
        {
            "change": "what changes",
            "false": "false alarm, %",
            "told": "noticed in time, %",
            "median": "after so many, median",
        },
        {"false", "told"},
    ),
    "leakage": (
        {
            "data": "data set",
            "questions": "test questions",
            "exact": "exact, %",
            "ngram": "ngram, %",
            "near": "near, %",
            "answer": "answer, %",
            "embedding": "embedding, %",
            "same_near": "near: same target, %",
            "same_embedding": "embedding: same target, %",
        },
        {"exact", "ngram", "near", "answer", "embedding", "same_near", "same_embedding"},
    ),
}
"""Of simulations.py."""

JUDGED: dict[str, tuple[Columns, set[str]]] = {
    "judged": (
        {
            "judge": "judge",
            "reviews": "reviews",
            "alone": "Tango without judge covers, %",
            "published": "PPI++ as published, %",
            "effective": "Tango on effective labels, %",
            "winners": "equal: called different, %",
            "worth": "worth so many reviews",
        },
        {"alone", "published", "effective", "winners"},
    ),
    "judged_clusters": (
        {
            "reviewed": "reviewed",
            "reviews": "reviews",
            "ignored": "documents ignored, covers, %",
            "clustered": "documents as clusters, %",
            "winners": "equal: called different, %",
        },
        {"ignored", "clustered", "winners"},
    ),
    "judged_identical": (
        {
            "share": "identical answers, %",
            "reviews": "reviews",
            "covers": "covers, %",
            "winners": "equal: called different, %",
            "width": "width, times that of any questions without judge",
        },
        {"share", "covers", "winners"},
    ),
    "review_queue": (
        {
            "order": "order",
            "width_good": "width: good judge",
            "width_weak": "weak",
            "width_useless": "useless",
            "width_hostile": "hostile",
            "covers": "covers, %",
            "winners": "equal: called different, %",
            "plain": "plain mean of the same covers, %",
            "mean": "its mean where 20 is true",
        },
        {"covers", "winners", "plain", "mean"},
    ),
    "judged_graded": (
        {
            "verdicts": "verdicts",
            "judge": "judge",
            "reviews": "reviews",
            "alone": "without judge covers, %",
            "effective": "with judge, %",
            "winners": "equal: called different, %",
        },
        {"alone", "effective", "winners"},
    ),
    "extraction": (
        {
            "alike": "documents answered alike, %",
            "difference": "true difference of F1, points",
            "documents": "documents",
            "covers": "covers, %",
            "bca": "BCa alone, %",
            "fields": "fields as independent, unpaired, %",
            "winners": "equal: called different, %",
        },
        {"alike", "difference", "covers", "bca", "fields", "winners"},
    ),
    "agreement": (
        {
            "right": "right answers, %",
            "answers": "answers",
            "kappa_is": "true kappa",
            "ac1_is": "true AC1",
            "raw": "agreement covers, %",
            "kappa": "kappa, %",
            "ac1": "AC1, %",
        },
        {"right", "raw", "kappa", "ac1"},
    ),
}
"""Of judged_simulations.py."""
