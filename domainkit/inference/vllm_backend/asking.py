"""A request in vLLM's words: sampling, the grammar that holds the answer, and the adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from domainkit.adapters.folder import Adapter, split_task
from domainkit.adapters.methods.low_rank.lora import Lora
from domainkit.errors import AdapterError, RequestError
from domainkit.export.served_forms import check_form
from domainkit.inference.adapters.pool import read_adapter
from domainkit.inference.backend import Request
from domainkit.inference.constrained.compiled_grammar import compile_grammar, relaxed_request, request_grammar
from domainkit.inference.constrained.constraint import is_constrained
from domainkit.inference.constrained.grammar import choice_grammar
from domainkit.inference.constrained.token_spelling import Spelling

NO_SEED, ANOTHER_SEED = -1, 2**31 - 1
"""-1 is no seed to vLLM: an answer that is to be the same again gets another number."""
COLDEST, HOTTEST = 0.01, 2.0
"""Of vLLM's temperatures above 0: it raises what is below, and refuses what is above."""


# Any: vLLM's SamplingParams. The module is imported late, and is not there to check types by.
def sampling(request: Request, stop_ids: tuple[int, ...], grammar: str | None) -> Any:
    """vLLM's SamplingParams. Neutral where a base's own generation_config would say otherwise; the text is made here,
    from the ids, so stop strings and text are not vLLM's."""
    if 0 < request.temperature < COLDEST or request.temperature > HOTTEST:
        what = f"temperature={request.temperature:g}, and vLLM samples between {COLDEST:g} and {HOTTEST:g}"
        raise RequestError(what, next_step="use 0 for the most probable tokens, or a temperature between")
    module = import_module("vllm.sampling_params")
    held = module.StructuredOutputsParams(grammar=grammar) if grammar is not None else None
    return module.SamplingParams(
        temperature=request.temperature,
        top_p=request.top_p if request.temperature > 0 else 1.0,
        top_k=0,
        min_p=0.0,
        repetition_penalty=1.0,
        seed=ANOTHER_SEED if request.seed == NO_SEED else request.seed,
        max_tokens=request.max_tokens,
        stop_token_ids=list(stop_ids),
        logprobs=request.top_logprobs if request.logprobs else None,
        detokenize=False,
        structured_outputs=held,
        output_kind=module.RequestOutputKind.DELTA,
    )


def scoring() -> Any:
    """SamplingParams that give the probabilities of the prompt's own tokens."""
    module = import_module("vllm.sampling_params")
    kind = module.RequestOutputKind.FINAL_ONLY
    return module.SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False, output_kind=kind)


def grammar_of(request: Request, spelling: Callable[[], Spelling]) -> tuple[str | None, bool]:
    """(the grammar of the answer, for llguidance; None for a free answer, and whether it is looser than the request's
    schema). Raises RequestError for what cannot be enforced."""
    if not is_constrained(request):
        return None, False
    if request.choices:
        return choice_grammar(request.choices), False
    grammar = request_grammar(request)
    compiled = spelling().compiled((grammar, request.strict), lambda: compile_grammar(spelling(), grammar, request))
    return (request_grammar(relaxed_request(request)), True) if compiled.relaxed else (grammar, False)


class Loras:
    """The adapters as vLLM knows them: a number and a name for each hash of weights, neither ever used again."""

    def __init__(self, fingerprint: str, base: str, most_rank: int) -> None:
        self._fingerprint, self._base, self._most_rank = fingerprint, base, most_rank
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}

    # Any: vLLM's LoRARequest.
    def request(self, folder: str) -> Any:
        """vLLM reads the folder when the first request names it. Raises AdapterError for what vLLM would refuse, or
        compute otherwise than it was trained."""
        if split_task(folder)[1] is not None:
            raise AdapterError("has tasks, and vLLM serves LoRA only", where=folder, next_step="use backend='local'")
        adapter, name = read_adapter(folder)
        with self._lock:
            if name not in self._known:
                self._check(adapter)
                number = len(self._known) + 1
                make = import_module("vllm.lora.request").LoRARequest
                self._known[name] = make(name, number, str(Path(folder).resolve()))
            return self._known[name]

    def _check(self, adapter: Adapter) -> None:
        adapter.check_base(self._fingerprint, self._base)
        rank = Lora.lora_rank(check_form(adapter))
        if rank > self._most_rank:
            raise AdapterError(
                f"has rank {rank}, and the engine was started for {self._most_rank}",
                where=str(adapter.folder),
                next_step=f"backend_options={{'max_rank': {rank}}}, in every model of this base",
            )
