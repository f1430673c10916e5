"""LangChain's standard suite on ChatOpenAI, with nothing overridden, against a server whose address is in the
environment."""

from __future__ import annotations

import os
from typing import Any

from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

ADDRESS, TOOLS, FRESH = "DOMAINKIT_SUITE_ADDRESS", "tools", "fresh"


class TestIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[ChatOpenAI]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        # OpenAI's client refuses structured answers that reach their limit, so there is room to end.
        return {
            "model": TOOLS,
            "base_url": f"{os.environ[ADDRESS]}/v1",
            "api_key": "none",
            "max_tokens": 160,
            "stream_usage": True,
            "use_responses_api": False,
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return FRESH
