"""LangChain's standard suite for ChatHuggingFace over the packaged SmolLM2-135M, with nothing overridden.

benchmarks.chat_model.standard_suite runs it.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from langchain_huggingface import ChatHuggingFace
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from benchmarks.chat_model.base import PACKAGED, folder_of
from benchmarks.chat_model.sides import stock_model, stock_pipeline


@cache
def pipeline_llm() -> Any:
    model, tokenizer = stock_model({"folder": folder_of(PACKAGED), "quantization": "none"})
    return stock_pipeline(model, tokenizer, new_tokens=40)


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
        """A folder of weights: ChatHuggingFace names another model by its folder."""
        return str(Path(tempfile.gettempdir()) / "another-model")
