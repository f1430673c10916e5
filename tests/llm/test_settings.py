"""A model's settings: what an adapter was trained with is read from it, and a secret is shown nowhere."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.load import dumps

from domainkit import DomainLLM
from domainkit.errors import ConfigError
from domainkit.llm.settings import adapter_template_options, revealed

KEY = "sk-secret-0123456789"


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": KEY},
        {"backend_options": {"api_key": KEY}},
        {"backend_options": {"url": f"http://user:{KEY}@127.0.0.1:9"}},
        {"backend_options": {"url": f"http://127.0.0.1:9/v1?code={KEY}"}},
        {"backend_options": {"headers": {"Authorization": f"Bearer {KEY}"}, "auth_token": KEY}},
    ],
)
def test_a_secret_is_shown_nowhere(fields: dict[str, Any]) -> None:
    llm = DomainLLM(backend="server", base="m", **fields)
    bound = llm.bind(max_tokens=3)
    shown = [
        *(f(m) for f in (repr, str) for m in (llm, bound, llm.with_retry(), llm.with_fallbacks([llm]))),
        *(str(m.model_dump()) + m.model_dump_json() for m in (llm, copy.deepcopy(llm), llm.model_copy())),
        *(dumps(m) for m in (llm, bound)),
        str(bound.get_graph().to_json()),
        str(llm._get_ls_params()),
    ]
    assert not [s for s in shown if KEY in s]
    assert KEY.encode() not in pickle.dumps(llm)
    assert KEY.encode() not in pickle.dumps(bound)


def test_a_secret_reaches_the_backend_and_survives_a_copy() -> None:
    for fields in ({"api_key": KEY}, {"backend_options": {"api_key": KEY}}):
        llm = DomainLLM(backend="server", base="m", **fields)  # type: ignore[arg-type]
        for model in (llm, copy.deepcopy(llm), llm.model_copy()):
            assert model.api_key is not None
            assert model.api_key.get_secret_value() == KEY
    options = DomainLLM(backend="server", backend_options={"url": f"http://u:{KEY}@x", "timeout": 3}).backend_options
    assert revealed(options) == {"url": f"http://u:{KEY}@x", "timeout": 3}
    assert DomainLLM(backend="server", backend_options={"url": "http://x"}).backend_options == {"url": "http://x"}
    loaded = pickle.loads(pickle.dumps(DomainLLM(backend="server", base="m", api_key=KEY)))
    assert (loaded.base, loaded.api_key) == ("m", None)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="api_key is given twice"):
        DomainLLM(backend="server", api_key="a", backend_options={"api_key": "b"})


def test_template_options_are_the_card_s(tmp_path: Path) -> None:
    assert adapter_template_options(None) == adapter_template_options(str(tmp_path)) == {}
    (tmp_path / "card.json").write_text(json.dumps({"base": "b", "config": {"template_options": {"x": 1}}}))
    assert adapter_template_options(str(tmp_path)) == {"x": 1}
