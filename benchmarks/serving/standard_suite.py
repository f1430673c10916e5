"""LangChain's standard suite on langchain-openai's ChatOpenAI against `domainkit serve`: how many tests pass.

python -m benchmarks.serving.standard_suite

The server holds the packaged 135M base with two adapters: one trained on 32 rows of tool calls, as in
tests/llm/test_standard_suite.py, and an untrained one. The suite itself skips what does not apply (images, PDFs).
"""

from __future__ import annotations

import importlib.metadata
import os
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.chat_model.standard_suite import outcomes
from benchmarks.runs import save
from benchmarks.serving.chat_openai_suite import ADDRESS
from benchmarks.serving.server import serving
from domainkit import TrainConfig, read_examples, train
from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import load_base

BASE = "builtin:smollm2-135m"
ROWS = Path(__file__).parents[2] / "examples" / "tallowmere" / "tools_train.jsonl"
ONE_LOOP = ("-o", "asyncio_default_test_loop_scope=session")
"""ChatOpenAI keeps one async client for the process, whose connections belong to the loop they were opened in."""
PACKAGES = ("langchain-openai", "langchain-tests", "langchain-core", "openai", "starlette", "uvicorn")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        adapters = [tool_adapter(Path(folder) / "tools"), fresh_adapter(Path(folder) / "fresh")]
        with serving(*adapters, "--base", BASE) as (address, _):
            os.environ[ADDRESS] = address
            tests = outcomes("benchmarks/serving/chat_openai_suite.py", *ONE_LOOP)
    found = dict(Counter(test.outcome for test in tests))
    print("ChatOpenAI", found)
    told = [{"test": t.name, "outcome": t.outcome, "reason": t.reason} for t in tests if t.outcome != "passed"]
    facts = {"command": "python -m benchmarks.serving.standard_suite", "ChatOpenAI": found, "not_passed": told}
    save("served_suite", {**facts, "versions": {p: importlib.metadata.version(p) for p in PACKAGES}})


def tool_adapter(folder: Path) -> Path:
    """One pass over 32 rows: four steps."""
    config = TrainConfig(base=BASE, quantization="none", epochs=1.0, batch_size=8, learning_rate=1e-3)
    train(read_examples(ROWS)[:32], config, folder)
    return folder


def fresh_adapter(folder: Path) -> Path:
    """Untrained: it answers as the base does."""
    base = load_base(BASE, quantization="none")
    attach(parse_method("lora", {"rank": 4, "target": ["q_proj"]}), base.model).save_pretrained(str(folder))
    return folder


if __name__ == "__main__":
    main()
