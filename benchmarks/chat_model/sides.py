"""One side of the throughput benchmark: it answers each case's prompts and measures the time.

Each side runs in a separate process, so that its peak memory is measured separately.

python -m benchmarks.chat_model.sides PLAN.json OUT.json       (started by benchmarks.chat_model.throughput)

Every side answers greedily, with the same chat template and the same weights folder.
The stock libraries' warnings about unused sampling options are not silenced.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.chat_model.peak import Peak
from domainkit.machine import versions

Prompt = dict[str, Any]
"""{"messages": [[role, text], …], "adapter": folder or None}"""
Answers = Callable[[Sequence[Prompt]], list[str]]

INSTALL = "pip install --no-deps -r requirements-bench.txt"


def chat_huggingface(plan: dict[str, Any]) -> Answers:
    """langchain-huggingface as its users have it: `.batch` with its own defaults, one chat model for each adapter."""
    from langchain_huggingface import ChatHuggingFace

    chats: dict[str | None, Any] = {}

    def chat(adapter: str | None) -> Any:
        if adapter not in chats:
            model, tokenizer = stock_model(plan)
            if adapter is not None:
                model.load_adapter(adapter)
            chats[adapter] = ChatHuggingFace(llm=stock_pipeline(model, tokenizer, plan["new_tokens"]))
        return chats[adapter]

    def answer(prompts: Sequence[Prompt]) -> list[str]:
        texts: dict[int, str] = {}
        for adapter in dict.fromkeys(p["adapter"] for p in prompts):
            mine = [i for i, p in enumerate(prompts) if p["adapter"] == adapter]
            found = chat(adapter).batch([langchain_messages(prompts[i]) for i in mine])
            texts |= {i: m.content for i, m in zip(mine, found, strict=True)}
        return [texts[i] for i in range(len(prompts))]

    return answer


def domain_llm(plan: dict[str, Any]) -> Answers:
    """DomainLLM's `batch`. `forget` empties its prefix cache before each timing."""
    from langchain_core.runnables import ConfigurableField

    from domainkit import DomainLLM

    llm = DomainLLM(base=plan["base"], quantization=plan["quantization"], max_tokens=plan["new_tokens"])
    per_prompt = llm.configurable_fields(adapter=ConfigurableField(id="adapter"))

    def answer(prompts: Sequence[Prompt]) -> list[str]:
        inputs: list[Any] = [langchain_messages(p) for p in prompts]
        if not any(p["adapter"] for p in prompts):
            return [m.text for m in llm.batch(inputs)]
        return [
            m.text for m in per_prompt.batch(inputs, [{"configurable": {"adapter": p["adapter"]}} for p in prompts])
        ]

    answer.forget = llm._backend().engine().prefixes.clear  # type: ignore[attr-defined]
    return answer


def one_submission(plan: dict[str, Any]) -> Answers:
    """DomainLLM's backend with all prompts in one call.

    LangChain's threads submit them in waves instead, and the KV cache grows with each wave.
    """
    from domainkit.inference.backend import Request
    from domainkit.inference.local import local_backend
    from domainkit.messages import Message

    backend = local_backend(plan["base"], quantization=plan["quantization"])

    def answer(prompts: Sequence[Prompt]) -> list[str]:
        options = {"max_tokens": plan["new_tokens"], "temperature": 0.0}
        turns = [tuple(Message(role, text) for role, text in p["messages"]) for p in prompts]
        asked = [Request(t, adapter=p["adapter"], **options) for t, p in zip(turns, prompts, strict=True)]
        return [c.text for c in backend.complete(asked)]

    answer.forget = backend.engine().prefixes.clear  # type: ignore[attr-defined]
    return answer


def padded_generate(plan: dict[str, Any]) -> Answers:
    """One `model.generate` over all prompts, padded on the left; adapters by PEFT's `adapter_names`."""
    model, tokenizer = stock_model(plan)
    tokenizer.padding_side = "left"
    hosted = with_adapters(model, plan["adapters"])

    def answer(prompts: Sequence[Prompt]) -> list[str]:
        texts = [template(tokenizer, p) for p in prompts]
        given = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        chosen = [p["adapter"] for p in prompts]
        if not any(chosen):
            return new_texts(model, tokenizer, given, plan)
        host, names = hosted()
        return new_texts(host, tokenizer, given, plan, adapter_names=[names.get(a, "__base__") for a in chosen])

    return answer


def generate_loop(plan: dict[str, Any]) -> Answers:
    """`model.generate` for one prompt after the other."""
    model, tokenizer = stock_model(plan)
    hosted = with_adapters(model, plan["adapters"])

    def one(prompt: Prompt) -> str:
        text = template(tokenizer, prompt)
        given = tokenizer(text, return_tensors="pt", add_special_tokens=False).to(model.device)
        if prompt["adapter"] is None:
            return new_texts(model, tokenizer, given, plan)[0]
        host, names = hosted()
        host.set_adapter(names[prompt["adapter"]])
        return new_texts(host, tokenizer, given, plan)[0]

    return lambda prompts: [one(p) for p in prompts]


SIDES: dict[str, Callable[[dict[str, Any]], Answers]] = {
    "ChatHuggingFace": chat_huggingface,
    "DomainLLM": domain_llm,
    "DomainLLM (one submission)": one_submission,
    "generate (padded batch)": padded_generate,
    "generate (loop)": generate_loop,
}

# ---- what the stock sides share


def stock_pipeline(model: Any, tokenizer: Any, new_tokens: int) -> Any:
    """ChatHuggingFace's generation settings: greedy, with a limit of new tokens."""
    from langchain_huggingface import HuggingFacePipeline
    from transformers import pipeline

    options = {"max_new_tokens": new_tokens, "do_sample": False, "return_full_text": False}
    return HuggingFacePipeline(pipeline=pipeline("text-generation", model=model, tokenizer=tokenizer, **options))


def stock_model(plan: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if gpu else torch.float32
    options: dict[str, Any] = {"dtype": dtype}
    if plan["quantization"] == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
        options["device_map"] = {"": "cuda" if gpu else "cpu"}
    tokenizer = AutoTokenizer.from_pretrained(plan["folder"])
    model: Any = AutoModelForCausalLM.from_pretrained(plan["folder"], **options)
    if gpu and plan["quantization"] != "nf4":
        model = model.to("cuda")
    return model.eval(), tokenizer


def with_adapters(model: Any, folders: Sequence[str]) -> Callable[[], tuple[Any, dict[str, str]]]:
    """(PEFT model with all adapters, their names by folder). Wrapped at first use: base runs use the plain model."""
    from peft import PeftModel

    made: list[tuple[Any, dict[str, str]]] = []

    def host() -> tuple[Any, dict[str, str]]:
        if not made:
            names = {folder: f"a{i}" for i, folder in enumerate(folders)}
            first, *others = folders
            wrapped = PeftModel.from_pretrained(model, first, adapter_name=names[first])
            for folder in others:
                wrapped.load_adapter(folder, adapter_name=names[folder])
            made.append((wrapped.eval(), names))
        return made[0]

    return host


def template(tokenizer: Any, prompt: Prompt) -> str:
    turns = [{"role": role, "content": text} for role, text in prompt["messages"]]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def langchain_messages(prompt: Prompt) -> list[Any]:
    from langchain_core.messages import convert_to_messages

    return convert_to_messages([tuple(m) for m in prompt["messages"]])


def new_texts(model: Any, tokenizer: Any, given: Any, plan: dict[str, Any], **options: Any) -> list[str]:
    with torch.inference_mode():
        out = model.generate(**given, max_new_tokens=plan["new_tokens"], do_sample=False, **options)
    return tokenizer.batch_decode(out[:, given["input_ids"].shape[1] :], skip_special_tokens=True)


# ---- timing


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each repeat, texts and peak memory for every case of the plan."""
    import peft  # noqa: F401  (every side holds the same libraries, so that memory compares)

    peak = Peak()
    before = peak.now()
    answer = SIDES[plan["side"]](plan)
    loaded = peak.now()
    # Cases with adapters run last, because PEFT's wrapper stays on a stock model.
    # All cases run in each round, so that a temporary slowdown of the machine reaches every case.
    plain = [c for c, prompts in plan["cases"].items() if not any(p["adapter"] for p in prompts)]
    cases: dict[str, dict[str, Any]] = {}
    for half in (plain, [c for c in plan["cases"] if c not in plain]):
        for case in half:
            answer(plan["warm_up"][case])
        rounds = [{c: timed(answer, plan["cases"][c], peak) for c in half} for _ in range(plan["repeats"])]
        cases |= {case: medians([r[case] for r in rounds]) for case in half}
    for case, facts in cases.items():
        print(f"{plan['side']}, {plan['quantization']}, {case}: {facts['seconds']:.2f} s", flush=True)
    for case, prompts in plan.get("kept", {}).items():
        answer(plan["cases"][case])
        begin = time.perf_counter()
        answer(prompts)
        cases[case]["seconds_with_prefix_kept"] = time.perf_counter() - begin
    return {
        "cases": cases,
        "memory": {"how": peak.how, "libraries": before, "loaded": loaded},
        "threads": torch.get_num_threads(),
        "versions": versions(("langchain-huggingface", "transformers", "torch")),
    }


def timed(answer: Answers, prompts: list[Prompt], peak: Peak) -> dict[str, Any]:
    """One timing. `stolen` are the processor seconds that the host gave to other machines in that time (steal time)."""
    getattr(answer, "forget", lambda: None)()
    peak.reset()
    stolen = getattr(psutil.cpu_times(), "steal", 0.0)
    begin, used = time.perf_counter(), time.process_time()
    texts = answer(prompts)
    return {
        "seconds": time.perf_counter() - begin,
        "processor_seconds": time.process_time() - used,
        "stolen_seconds": getattr(psutil.cpu_times(), "steal", 0.0) - stolen,
        "texts": texts,
        "peak_bytes": peak.most(),
    }


def medians(timings: list[dict[str, Any]]) -> dict[str, Any]:
    """A case's figures over its timings: medians of the seconds, the highest peak."""
    return {
        "seconds": statistics.median(t["seconds"] for t in timings),
        "each": [t["seconds"] for t in timings],
        "processor_seconds": statistics.median(t["processor_seconds"] for t in timings),
        "stolen_seconds": statistics.median(t["stolen_seconds"] for t in timings),
        "texts": timings[-1]["texts"],
        "peak_bytes": max(t["peak_bytes"] for t in timings),
        "peaks": [t["peak_bytes"] for t in timings],
    }


if __name__ == "__main__":
    plan_path, out_path = map(Path, sys.argv[1:])
    facts = measure(json.loads(plan_path.read_text(encoding="utf-8")))
    out_path.write_text(json.dumps(facts), encoding="utf-8")
