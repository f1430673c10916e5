"""vLLM's engine (`AsyncLLM`) on an asyncio loop in a thread of its own; vLLM is imported when the engine is started.

Names and traps are those of vLLM 0.33: vllm/v1/engine/async_llm.py, vllm/sampling_params.py, vllm/lora/request.py.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from importlib import import_module, metadata
from typing import Any, TypeVar
from uuid import uuid4

from domainkit.errors import ConfigError, DomainkitError, MachineError, RequestError, first_line

T = TypeVar("T")
INVARIANT = "VLLM_BATCH_INVARIANT"
ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "VLLM_CONFIGURE_LOGGING": "0"}
"""No report of use leaves the machine, and log records stay this program's."""


class Engine:
    """The running engine. Safe to call from many threads."""

    def __init__(self, settings: Mapping[str, object], *, batch_invariant: bool) -> None:
        """`settings` are fields of vLLM's AsyncEngineArgs. Raises MachineError where vLLM is missing or cannot
        start."""
        vllm = import_vllm(batch_invariant=batch_invariant)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="domainkit-vllm", daemon=True)
        self._thread.start()
        try:
            self._engine = self.submit(_start(vllm, settings)).result()
        except Exception as e:
            self._stop_loop()
            raise MachineError(
                f"vLLM cannot start: {type(e).__name__}: {first_line(e)}",
                where=str(settings.get("model")),
                next_step="vLLM's own log says more; a script must start below `if __name__ == '__main__':`, since "
                "the engine's process imports it again; backend='local' runs everywhere",
            ) from e

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """The result of a coroutine on the engine's loop. Cancelling it ends its request in the engine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    # Any: an adapter is vLLM's LoRARequest, sampling its SamplingParams, and an output its RequestOutput.
    async def outputs(
        self, prompt: list[int], sampling: Any, adapter: Any, timeout: float | None
    ) -> AsyncGenerator[Any, None]:
        """What the engine gives for the prompt's token ids. Leaving the iterator aborts the request."""
        inputs = import_module("vllm.inputs").TokensPrompt(prompt_token_ids=prompt)
        stream = self._engine.generate(inputs, sampling, f"domainkit-{uuid4().hex}", lora_request=adapter)
        try:
            async with asyncio.timeout(timeout), aclosing(stream):
                async for output in stream:
                    yield output
        except TimeoutError as e:
            what = f"no answer within the timeout of {timeout:g} s"
            raise RequestError(what, next_step="raise timeout, lower max_tokens, or send fewer at once") from e
        except DomainkitError:
            raise
        except Exception as e:  # whatever vLLM raises for one request
            what = f"vLLM refuses the request: {type(e).__name__}: {first_line(e)}"
            raise RequestError(what, next_step="ask it otherwise, or use backend='local'") from e

    def close(self) -> None:
        """Free the GPU."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            self._engine.shutdown()

        self.submit(end()).result()
        self._stop_loop()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def import_vllm(*, batch_invariant: bool) -> Any:
    """The module. Its modules read the environment when they are imported."""
    if batch_invariant and os.environ.get(INVARIANT) != "1":
        if "vllm.v1" in sys.modules:
            what = f"vLLM was imported before, without {INVARIANT}=1: answers could depend on what is computed beside"
            raise ConfigError(
                what, next_step=f"set {INVARIANT}=1 before, or backend_options={{'batch_invariant': False}}"
            )
        os.environ[INVARIANT] = "1"
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return import_module("vllm")
    except ImportError as e:
        next_step = "pip install 'domainkit[vllm]' (Linux, a GPU); backend='local' runs everywhere"
        raise MachineError(
            f"vLLM cannot be imported: {first_line(e)}", where="backend=vllm", next_step=next_step
        ) from e


def vllm_version() -> str:
    """ "" where vLLM is not installed; it is not imported for this."""
    try:
        return metadata.version("vllm")
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get("vllm"), "__version__", ""))


async def _start(vllm: Any, settings: Mapping[str, object]) -> Any:
    make: Callable[..., Any] = import_module("vllm.v1.engine.async_llm").AsyncLLM.from_engine_args
    return make(vllm.AsyncEngineArgs(**settings))
