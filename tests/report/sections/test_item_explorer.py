"""The explorer's data: safe inside a script, every answer once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.report.sections.item_explorer import embed, explorer_data
from domainkit.results.schema import Results


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_embedded_json_cannot_leave_its_element(value: object) -> None:
    text = embed(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_embedded_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        embed(float("nan"))


def test_the_explorer_holds_every_answer_once(label_results: Results) -> None:
    data = explorer_data(label_results)
    strings, items = data["strings"], data["items"]
    assert len(items) == len(label_results.items)
    assert len(strings) == len(set(strings))
    for packed, item in zip(items, label_results.items, strict=True):
        assert strings[packed[0]] == item.id
        for name, answer in zip(data["variants"], packed[5], strict=True):
            assert strings[answer[0]] == item.answers[name].text
    failed = next(p for p, item in zip(items, label_results.items, strict=True) if item.answers["rag"].error)
    assert strings[failed[5][4][3]].startswith("RequestError")
    assert [p[6] for p in items if p[6]] == ["train (exact)", "train (exact)", "train (near)"]


def test_an_answer_without_score_is_null_and_a_failed_one_scores_zero(label_results: Results) -> None:
    item = label_results.items[0]
    answers = dict(item.answers)
    answers["tuned"] = answers["tuned"].model_copy(update={"scores": {"label_accuracy": None}})
    answers["rag"] = answers["rag"].model_copy(
        update={"scores": {}, "error": "out of memory", "passages": ("unknown",)}
    )
    del answers["few-shot"]
    data = explorer_data(label_results.model_copy(update={"items": (item.model_copy(update={"answers": answers}),)}))
    packed = dict(zip(data["variants"], data["items"][0][5], strict=True))
    assert packed["tuned"][1][0] is None
    assert packed["rag"][1][0] == 0
    assert packed["few-shot"] is None
    (given,) = packed["rag"][2]
    title, text = data["passages"][given]
    assert (data["strings"][title], text) == ("unknown", -1)
