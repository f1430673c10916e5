"""LangChain's standard suite for ChatHuggingFace over the packaged SmolLM2-135M, nothing overridden; run by benchmarks.standard_suite."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from benchmarks.chain_base import folder_of


@cache
def pipeline_llm() -> Any:
    from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

    folder = folder_of("builtin:smollm2-135m")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    options = {"max_new_tokens": 40, "do_sample": False, "return_full_text": False}
    return HuggingFacePipeline(pipeline=pipeline("text-generation", model=model, tokenizer=tokenizer, **options))


class Peer:
    @property
    def chat_model_class(self) -> type[ChatHuggingFace]:
        return ChatHuggingFace

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"llm": pipeline_llm()}


class TestUnit(Peer, ChatModelUnitTests):
    pass


class TestIntegration(Peer, ChatModelIntegrationTests):
    @property
    def model_override_value(self) -> str:
        """Some folder of weights, which is what another model is to it."""
        return str(Path(tempfile.gettempdir()) / "another-model")
