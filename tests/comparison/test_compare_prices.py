"""A hosted model with a price, a served base and a base of our own with its adapter: one ladder, one break-even."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, TrainConfig, compare, read_examples, train
from domainkit.errors import MachineError
from domainkit.retrieval import MiniLMEmbeddings
from tests.inference.server.scripted_server import answer, models, scripted
from tests.synthesis.scripted import Scripted

ROWS = [{"id": f"r{i}", "input": f"box {i} of {('red', 'blue')[i % 2]}", "target": ("a", "b")[i % 2]} for i in range(8)]
TASK = [
    {"id": f"q{i}", "input": f"crate {i} of {('red', 'blue')[i % 2]}", "target": ("a", "b")[i % 2]} for i in range(24)
]
PRICES = """
[machine]
cpu_hour = 0.36
[models.gpt]
input = 100
output = 200
[models.served]
paid_by = "tokens"
input = 1
output = 1
"""


@pytest.fixture
def made(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    def missing(self: MiniLMEmbeddings) -> str:
        raise MachineError("not here", next_step="none")

    monkeypatch.setattr(MiniLMEmbeddings, "resolve", missing)  # leakage by meaning is another test's
    data, prices = tmp_path / "train.jsonl", tmp_path / "prices.toml"
    data.write_text("\n".join(map(json.dumps, ROWS)))
    prices.write_text(PRICES)
    config = TrainConfig(base=tiny_base, quantization="none", epochs=1, method_options={"rank": 2})
    adapter = train(read_examples(data), config, tmp_path / "adapter").folder
    gpt = Scripted(lambda text: "a" if "red" in text else "b")
    routes: dict[str, Any] = {"/v1/models": models("big"), "/v1/chat/completions": answer("a")}
    with scripted(routes) as server:
        return compare(
            TASK,
            ["zero-shot", "tuned"],
            tmp_path / "run",
            train=ROWS,
            adapter=adapter,
            models={"gpt": gpt, "served": f"server:{server.url}#big"},
            prices=str(prices),
            kind="label",
            max_tokens=4,
            latency_items=0,
        )


def test_all_stand_in_one_ladder_with_their_prices(made: Results, tmp_path: Path) -> None:
    assert made.cost is not None
    costs = {c.name: c for c in made.cost.variants}
    paid = {name: costs[name].paid_by for name in ("zero-shot@gpt", "zero-shot@served", "zero-shot", "tuned")}
    assert list(paid.values()) == ["tokens", "tokens", "machine time", "machine time"]
    # A thousand answers of 100 tokens read and 50 written, and of 5 and 1.
    assert costs["zero-shot@gpt"].per_thousand.value == pytest.approx(1000 * (100 * 100 + 50 * 200) / 1e6)
    assert costs["zero-shot@served"].per_thousand.value == pytest.approx(1000 * 6 / 1e6)
    [beside_gpt] = [b for b in made.cost.break_even if b.rival == "zero-shot@gpt"]
    assert (beside_gpt.variant, beside_gpt.state) == ("tuned", "from")
    training, each = costs["tuned"].training, (costs["tuned"].per_thousand.value or 0.0) / 1000
    assert training is not None
    assert beside_gpt.questions == pytest.approx(training / (0.02 - each))
    facts = {m.name: m for m in made.models}
    assert (facts["gpt"].local, facts["served"].local, facts["base"].local) == (False, False, True)
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert all(name in page for name in ("zero-shot@gpt", "zero-shot@served", "tuned"))
