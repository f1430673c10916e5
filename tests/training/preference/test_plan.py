"""A preference run that cannot work is refused before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters.methods import METHODS
from domainkit.errors import AdapterError, ConfigError
from domainkit.training.config import PreferenceConfig, parse_config
from domainkit.training.preference import train_preference as preference_module
from domainkit.training.preference.plan import works_for_preferences
from domainkit.training.preference.train_preference import train_preference
from tests.training.preference.small_preferences import (
    EXAMPLES,
    PAIRS,
    record_of,
    run,
)


def test_beta_zero_is_warned_of_and_its_kl_is_still_measured(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = run(tiny_base, tmp_path / "a", beta=0, epochs=3)
    [warned] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and r.name == "domainkit"]
    assert warned.startswith("beta=0: no reference limits the training")
    assert adapter.card is not None
    assert warned in adapter.card.notes
    assert record_of(adapter)["curve"][-1]["kl"] > 0
    with pytest.raises(ConfigError, match="beta=0 leaves dpo nothing to learn"):
        run(tiny_base, tmp_path / "b", "dpo", beta=0)


def test_a_start_brings_its_own_base_and_method(tiny_base: str, tmp_path: Path) -> None:
    first = run(tiny_base, tmp_path / "first", "dpo")
    with pytest.raises(ConfigError, match=r"method_options=.*and the adapter to start from has"):
        run(tiny_base, tmp_path / "b", "dpo", start=first.folder, **{"method.rank": 8})
    config = parse_config({"objective": "dpo", "learning_rate": 1e-2, "probe": 0}, PreferenceConfig)
    made = train_preference(PAIRS, config, tmp_path / "c", start=first.folder, on_progress=lambda _: None)
    assert made.card is not None
    assert (made.card.base, made.card.config["method_options"]["rank"]) == (tiny_base, 4)
    with pytest.raises(AdapterError, match="no such adapter folder"):
        train_preference(PAIRS, config, tmp_path / "d", start=tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change,said",
    [
        ({"objective": "dop"}, "unknown objective 'dop'\n  next: did you mean 'dpo'?"),
        ({"objective": "kto"}, "kto learns from marked answers"),
        ({"objective": "grpo", "rows": EXAMPLES, "reward": None}, "grpo needs a reward"),
        ({"method": "prefix_tuning", "method_options": {}}, "prefix_tuning cannot be trained with a reference"),
        ({"method_options": {"init": "pissa"}}, "leaves no reference"),
        ({"rows": []}, "nothing to train on"),
        ({"reward": "tokenf1"}, "did you mean 'token_f1'?"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_loaded(
    change: dict[str, Any], said: str, tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preference_module, "load_base", lambda *a, **kw: pytest.fail("loaded"))
    rows, reward = change.pop("rows", PAIRS), change.pop("reward", None)
    with pytest.raises(ConfigError) as caught:
        train_preference(rows, PreferenceConfig(**{"base": tiny_base, **change}), tmp_path / "a", reward=reward)
    assert said in str(caught.value)


def test_every_method_is_allowed_or_refused_on_purpose() -> None:
    assert set(works_for_preferences()) < set(METHODS)
