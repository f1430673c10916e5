"""A comparison with both judges: what its results and report say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from domainkit import Results, Variant, compare, judge, judge_pairs
from domainkit.verdict.costs.cost import reprice

USAGE = {"input_tokens": 100, "output_tokens": 1, "total_tokens": 101}
ANSWERS = {"base": lambda i: "no", "long": lambda i: "no" if i == 3 else "odd one" if i == 4 else "yes, yes"}


def reply(messages: list[tuple[str, str]]) -> AIMessage:
    """Longer is better; "odd one" gets no grade, and wins whenever it is shown first."""
    text = messages[1][1]
    if "ANSWER 1" not in text:
        return AIMessage("none" if "odd" in text else "9" if "yes" in text else "4", usage_metadata=USAGE)
    first, second = (text.split(f"ANSWER {k}\n")[1].splitlines()[0] for k in (1, 2))
    better = "1" if "odd" in first + second or len(first) > len(second) else "2"
    return AIMessage(better, usage_metadata=USAGE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("judged")
    rows = [{"input": str(i), "target": f"t{i}"} for i in range(20)]
    (out / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    variants = [
        Variant(name=name, description="A test's own.", runnable=RunnableLambda(lambda q, f=f: f(int(q))))
        for name, f in ANSWERS.items()
    ]
    llm: Any = RunnableLambda(reply)
    metrics = [judge(llm, "Be long."), "exact_match", judge_pairs(llm, "Be long.")]
    options: dict[str, Any] = {"metrics": metrics, "kind": "answer", "latency_items": 0, "baseline": "base"}
    compare(out / "task.jsonl", variants, out / "run", **options)
    compare(out / "task.jsonl", variants, out / "run", **options)  # nothing is asked twice
    return out / "run"


def test_the_results_say_what_judged_and_what_it_took(run: Path) -> None:
    one, pairs = Results.load(run).judges
    # "no" is one answer to each question, "yes, yes" to 18, and "odd one" to one; the trivial answer copies the input.
    assert (one.metric, one.requests, one.asked, one.unreadable, one.failed) == ("judge", 59, 0, 1, 0)
    assert (one.prompt_tokens, one.completion_tokens, one.rubric, one.local) == (5900, 59, "Be long.", False)
    assert (pairs.metric, pairs.requests, pairs.prompt_tokens, one.own_answers) == ("judge_pairs", 38, 3800, ())


def test_the_pairs_are_paired_and_their_biases_counted(run: Path) -> None:
    found = Results.load(run).judged_pairs
    assert found is not None
    assert found.difference is not None
    d = found.difference
    assert (found.variant, found.baseline, d.wins, d.ties, d.losses, d.state) == ("long", "base", 18, 2, 0, "BETTER")
    assert (found.identical, found.inconsistent, found.first, found.last, found.unreadable) == (1, 1, 1, 0, 0)
    assert (found.decided, found.longer, found.asked) == (18, 18, 19)


def test_a_judge_alone_gets_a_caution_and_its_agreement_stands_beside_its_figures(run: Path) -> None:
    results = Results.load(run)
    assert results.verdict.cautions[0].startswith("A judge alone decides here: RunnableLambda, by its rubric.")
    assert "50" not in results.verdict.headline or "judge's grade" in results.verdict.headline
    page, text = (run / "report.html").read_text("utf-8"), (run / "report.md").read_text("utf-8")
    for report in (page, text):
        assert "Judge (agreement with people: not measured)" in report
        assert "Agreement with people: not measured." in report
        assert "on 1 of 19 pairs asked (5.3 %) the verdict changed with the order" in report
        assert "of 18 decided pairs, the longer answer won 18 (100.0 %)" in report
        assert "59 requests, 59 of them in earlier runs on this folder: 1 reply was no grade (1.7 %)." in report


def test_its_money_is_counted_where_the_price_is_known(run: Path, tmp_path: Path) -> None:
    results = Results.load(run)
    assert results.cost is not None
    assert [c.money for c in results.cost.judges] == [None, None]
    assert "write" not in results.cost.judges[0].reason
    assert "[models.RunnableLambda]" in results.cost.judges[0].reason
    prices = tmp_path / "prices.toml"
    prices.write_text('[variants."RunnableLambda"]\ninput = 2.0\noutput = 10.0\n')
    priced: Any = reprice(results, prices)
    assert [c.money for c in priced.cost.judges] == pytest.approx([(5900 * 2 + 59 * 10) / 1e6, (3800 * 2 + 380) / 1e6])


def test_a_comparison_without_a_judge_says_nothing_of_one(run: Path) -> None:
    plain = Results.load(run).model_copy(update={"judges": (), "judged_pairs": None, "cost": None})
    assert not {"judges", "judged_pairs"} & json.loads(plain.model_dump_json()).keys()
