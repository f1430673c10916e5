"""Every key of adapter_config.json is used as PEFT uses it, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.adapters import peft_config
from domainkit.adapters.peft_config import read_peft_config
from domainkit.errors import AdapterError

PLAIN = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}


def write(folder: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "adapter_config.json").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"lora_alpha": 22.6, "use_rslora": True, "rank_pattern": {"q_proj": 8}, "layers_to_transform": [0]},
        {"alora_invocation_tokens": None, "layer_replication": None, "use_bdlora": None},
        {"a_newer_key": None, "another": False, "third": {}},
        {"target_modules": r".*\.(q|v)_proj", "exclude_modules": "lm_head"},
        {"peft_type": "VERA", "lora_alpha": None, "projection_prng_key": 3},
        {"task_type": None},
    ],
)
def test_what_changes_nothing_and_what_peft_computes_is_read(tmp_path: Path, values: dict[str, Any]) -> None:
    wanted = {k: v for k, v in (PLAIN | values).items() if v is not None}
    if values.get("peft_type") == "VERA":
        wanted.pop("lora_alpha", None)
        wanted["target_modules"] = "q_proj"
    config = read_peft_config(write(tmp_path, wanted | {k: v for k, v in values.items() if k not in ("lora_alpha",)}))
    assert config.peft_type == wanted["peft_type"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens=[1] in adapter_config.json is not computed here"),
        ({"layer_replication": [[0, 1], [0, 2]]}, "layer_replication=[[0, 1], [0, 2]]"),
        ({"arrow_config": {"arrow_top_k": 2}}, "arrow_config"),
        ({"use_bdlora": {"nblocks": 2}}, "use_bdlora"),
        ({"megatron_config": {"a": 1}}, "megatron_config"),
        ({"a_newer_key": 0.5}, "a_newer_key=0.5 in adapter_config.json is not computed here"),
        ({"peft_type": "NEWER"}, 'peft_type="NEWER" in adapter_config.json is not a method of this version of PEFT'),
        ({"peft_type": 7}, "peft_type=7"),
        ({"peft_type": None}, "peft_type=null"),
        ({"task_type": "SEQ_CLS"}, 'task_type="SEQ_CLS" in adapter_config.json is not writing text'),
        ({"r": "8"}, 'r="8" in adapter_config.json has the wrong type'),
        ({"r": [4]}, "r=[4]"),
        ({"lora_alpha": "16"}, 'lora_alpha="16"'),
        ({"target_modules": 5}, "target_modules=5 in adapter_config.json has the wrong type"),
        ({"rank_pattern": [1]}, "rank_pattern=[1]"),
        ({"use_dora": "yes"}, 'use_dora="yes"'),
        ({"lora_alpha": 10**200}, "is too large"),
        ({"rank_pattern": {"q_proj": 10**12}}, "is too large"),
        ({"target_modules": "(a+"}, "is not a regular expression"),
        ({"rank_pattern": {"*": 4}}, "is not a regular expression"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(AdapterError) as caught:
        read_peft_config(write(tmp_path, PLAIN | values))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize(
    "content", ["[]", '"text"', "null", "{", "[" * 100_000, '{"peft_type": "LORA", "lora_alpha": NaN}', ""]
)
def test_a_file_of_another_kind_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(AdapterError, match=r"damaged|is not finite"):
        read_peft_config(write(tmp_path, content))


def test_a_pattern_that_takes_years_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peft_config, "MATCH_SECONDS", 0.5)
    with pytest.raises(AdapterError, match="takes too long to match"):
        read_peft_config(write(tmp_path, PLAIN | {"target_modules": "([a-z._0-9]+)+x"}))
