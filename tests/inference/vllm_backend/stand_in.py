"""A stand-in for vLLM: its few names that domainkit uses, and an engine whose tokens follow from the ids before them.

It keeps to what vLLM's source says of these names, and is no proof of how the real one behaves.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from llguidance import LLMatcher
from transformers import AutoTokenizer

from domainkit.inference.constrained.compiled_grammar import mask_bits
from domainkit.inference.constrained.token_spelling import Spelling

ENDS_AFTER = 12


class RequestOutputKind(enum.Enum):
    DELTA = 1
    FINAL_ONLY = 2


@dataclass
class StructuredOutputsParams:
    grammar: str | None = None


@dataclass
class SamplingParams:
    """The fields that vLLM's has under these names; an unknown one is a TypeError there, too."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int = 16
    stop_token_ids: list[int] = field(default_factory=list)
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    structured_outputs: StructuredOutputsParams | None = None
    output_kind: RequestOutputKind = RequestOutputKind.DELTA


@dataclass(frozen=True)
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str


class AsyncLLM:
    """Started with AsyncEngineArgs, asked with ids."""

    started: ClassVar[list[dict[str, Any]]] = []
    asked: ClassVar[list[tuple[list[int], SamplingParams, LoRARequest | None]]] = []
    left: ClassVar[list[str]] = []
    """Requests whose generator was closed before its end."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(settings["model"])
        self.spelling = Spelling(self.tokenizer)
        AsyncLLM.started.append(settings)

    @classmethod
    def from_engine_args(cls, args: SimpleNamespace) -> AsyncLLM:
        if args.dtype == "float8":
            raise ValueError("no such dtype\nmore")
        return cls(vars(args))

    def shutdown(self) -> None:
        AsyncLLM.started.append({"model": None})

    async def generate(
        self, prompt: dict[str, Any], params: SamplingParams, request_id: str, *, lora_request: LoRARequest | None
    ) -> AsyncIterator[Any]:
        ids = list(prompt["prompt_token_ids"])
        AsyncLLM.asked.append((ids, params, lora_request))
        if len(ids) > 4000:
            raise ValueError("the prompt is longer than the context")
        if params.prompt_logprobs is not None:
            steps = [None, *({i: SimpleNamespace(logprob=-(i % 7) / 7)} for i in ids[1:])]
            yield SimpleNamespace(prompt_logprobs=steps, outputs=[self._part([], params, "length")])
            return
        matcher = self._matcher(params)
        new: list[int] = []
        reason = None
        try:
            while reason is None:
                await asyncio.sleep(0)
                token = self._next(ids + new, params, lora_request, matcher, len(new))
                new.append(token)
                if token in params.stop_token_ids:
                    reason = "stop"
                elif len(new) >= params.max_tokens:
                    reason = "length"
                yield SimpleNamespace(prompt_logprobs=None, outputs=[self._part([token], params, reason)])
        finally:
            if reason is None:
                AsyncLLM.left.append(request_id)

    def _matcher(self, params: SamplingParams) -> Any:
        held = params.structured_outputs
        return LLMatcher(self.spelling.parser, held.grammar, log_level=0) if held and held.grammar else None

    def _next(self, ids: list[int], params: SamplingParams, lora: LoRARequest | None, matcher: Any, n_new: int) -> int:
        end = params.stop_token_ids[0]
        name = lora.lora_name if lora else ""
        number = int(hashlib.sha256(repr((ids, name, params.seed)).encode()).hexdigest()[:8], 16)
        if matcher is None:
            return end if n_new == ENDS_AFTER else number % self.spelling.size
        allowed = np.flatnonzero(mask_bits(matcher, self.spelling.size)) if not matcher.is_stopped() else []
        if len(allowed) == 0 or (matcher.is_accepting() and n_new >= ENDS_AFTER):
            return end
        token = int(allowed[number % len(allowed)])
        if token != end:
            matcher.consume_token(token)
        return token

    def _part(self, tokens: list[int], params: SamplingParams, reason: str | None) -> Any:
        steps = None
        if params.logprobs is not None:
            others = {i: SimpleNamespace(logprob=-2.0 - i) for i in range(params.logprobs)}
            steps = [{**others, t: SimpleNamespace(logprob=-0.5)} for t in tokens]
        return SimpleNamespace(token_ids=tokens, logprobs=steps, finish_reason=reason)


def install(monkeypatch: pytest.MonkeyPatch) -> type[AsyncLLM]:
    """Put the stand-in's modules where `import vllm` finds them."""
    contents: dict[str, dict[str, Any]] = {
        "vllm": {"AsyncEngineArgs": SimpleNamespace, "__version__": "0.33.0-stand-in"},
        "vllm.inputs": {"TokensPrompt": dict},
        "vllm.sampling_params": {
            "SamplingParams": SamplingParams,
            "StructuredOutputsParams": StructuredOutputsParams,
            "RequestOutputKind": RequestOutputKind,
        },
        "vllm.lora": {},
        "vllm.lora.request": {"LoRARequest": LoRARequest},
        "vllm.v1.engine.async_llm": {"AsyncLLM": AsyncLLM},
    }
    for name, names in contents.items():
        module = ModuleType(name)
        vars(module).update(names)
        monkeypatch.setitem(__import__("sys").modules, name, module)
    for variable in ("VLLM_BATCH_INVARIANT", "VLLM_NO_USAGE_STATS", "VLLM_CONFIGURE_LOGGING"):
        monkeypatch.setenv(variable, "1")
    AsyncLLM.asked.clear()
    AsyncLLM.started.clear()
    AsyncLLM.left.clear()
    return AsyncLLM
