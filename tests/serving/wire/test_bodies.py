"""Bodies: hostile, odd and neutral ones."""

from __future__ import annotations

import pytest

from domainkit.serving.wire.bodies import NEUTRAL, WITHOUT_EFFECT, ChatBody, CompletionBody, EmbeddingsBody, read_body
from domainkit.serving.wire.errors import ApiError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not JSON"),
        (b'{"model": "a", "model": "b"}', "appears twice"),
        (b'{"temperature": NaN}', "not a JSON value"),
        (b'{"model": "\\ud800"}', "surrogate"),
        (b"[" * 5000, "nested more than"),
        (b'{"model": "a", "messages": [1], "stop": 3}', "stop"),
        (b'{"model": "a", "messages": [1], "n": true}', "n: "),
        (b'{"model": "a", "messages": [1], "top_k": true}', "top_k would change"),
        (b'{"model": "a", "messages": [1], "best_of": 2}', "best_of would change"),
        (b'{"model": "a", "messages": [1], "audio": {}}', "audio would change the answer, and is not offered here"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(ApiError, match=says) as caught:
        read_body(text, ChatBody)
    assert caught.value.status == 400


def test_null_is_as_if_left_out_and_neutral_values_are_taken() -> None:
    body = read_body(b'{"model": "a", "messages": [1], "temperature": null, "top_k": -1, "min_p": 0.0}', ChatBody)
    assert (body.temperature, body.model_fields_set) == (0.0, {"model", "messages"})


def test_a_field_has_one_meaning() -> None:
    for kind in (ChatBody, CompletionBody, EmbeddingsBody):
        assert not set(kind.model_fields) & set(NEUTRAL)
        assert not set(kind.model_fields) & WITHOUT_EFFECT
    assert not set(NEUTRAL) & WITHOUT_EFFECT
