"""Texts that spell the tiny base's control tokens, whole and in parts."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CONTROL = ("<|pad|>", "<|start|>", "<|end|>", "<|unk|>")
START, END = 1, 2
# Whole spellings, halves of them and spellings within spellings, mixed with ordinary text.
hostile = st.lists(
    st.sampled_from(
        [*CONTROL, "<|st", "art|>", "<|", "|>", "<|e<|end|>nd|>", "<|start<|start|>|>", "a", " ", "\n", "é"]
    )
    | st.text(max_size=5),
    max_size=8,
).map("".join)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
