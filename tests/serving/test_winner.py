"""A measured variant behind the port: the answers are those on disk, and what was not measured is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage
from openai import OpenAI

from domainkit import compare
from domainkit.errors import ConfigError
from domainkit.serving.sources import make_models, read_sources
from domainkit.serving.state import State
from tests.serving.running_server import running
from tests.winner.conftest import material


class Noted:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, AIMessage, int]] = []
        self.closed = False

    def observe(
        self, question: str, answer: AIMessage, seconds: float, *, conversation: str | None = None, turn: int = 1
    ) -> None:
        assert seconds > 0
        self.told.append((question, answer, turn))

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_base: str) -> Path:
    folder = tmp_path_factory.mktemp("served run")
    files = material(folder)
    variants = ["trivial", "rag"]
    compare(
        files.pop("task"),
        variants,
        folder / "run",
        **files,
        base=tiny_base,
        max_tokens=8,
        latency_items=0,
        retriever="lexical",
    )
    return folder / "run"


@pytest.fixture(scope="module")
def served(run: Path) -> Iterator[tuple[OpenAI, Noted, State]]:
    sources = [Path(f"{run}#{name}") for name in ("rag", "trivial")]
    observer = Noted()
    state = State(make_models(read_sources(sources)), observer=observer)
    with running(state) as address, OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client, observer, state
    assert observer.closed


def rows_of(run: Path, variant: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "rows.jsonl").read_text("utf-8").splitlines()]
    return [row for row in rows if row["variant"] == variant]


def question_of(run: Path, row: dict[str, Any]) -> list[Any]:
    items = {i["id"]: i for i in json.loads((run / "results.json").read_text("utf-8"))["items"]}
    system = "Be brief." if row["id"] == "t1" else None
    turns = [{"role": "user", "content": items[row["id"]]["input"]}]
    return [{"role": "system", "content": system}, *turns] if system else turns


def test_answers_are_those_on_disk_with_their_passages(served: tuple[OpenAI, Noted, State], run: Path) -> None:
    client, observer, state = served
    for row in rows_of(run, "rag")[:3]:
        asked = question_of(run, row)
        answer = client.chat.completions.create(model="run:rag", messages=asked, temperature=0, max_tokens=8)
        assert answer.choices[0].message.content == row["text"]
        assert answer.model_extra is not None
        assert {field for p in answer.model_extra["passages"] for field in p} == {"id", "title", "text"}
        chunks = list(client.chat.completions.create(model="run:rag", messages=asked, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == row["text"]
        assert chunks[0].model_extra == {"passages": answer.model_extra["passages"]}
        assert chunks[-1].choices[0].finish_reason == answer.choices[0].finish_reason
        question, told, turn = observer.told[-1]
        assert (question, told.text, turn) == (asked[-1]["content"], row["text"], 1)
        assert told.response_metadata["passages"] == answer.model_extra["passages"]
    base = state.models.base
    assert base is not None
    told = len(observer.told)
    client.chat.completions.create(model=base.id, messages=[{"role": "user", "content": "a"}], max_tokens=1)
    assert len(observer.told) == told  # the base's answers are not the winner's


def test_a_model_without_tokens_answers_too(served: tuple[OpenAI, Noted, State], run: Path) -> None:
    client = served[0]
    row = rows_of(run, "trivial")[0]
    answer = client.chat.completions.create(model="run:trivial", messages=question_of(run, row))
    assert answer.choices[0].message.content == row["text"]
    system: Any = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    with pytest.raises(openai.BadRequestError, match="without a system turn"):
        client.chat.completions.create(model="run:trivial", messages=system)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 0.5}, "temperature"),
        ({"max_tokens": 9}, "max_tokens"),
        ({"stop": ["a"]}, "stop"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"seed": 1}, "seed"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0]"),
    ],
)
def test_what_was_not_measured_is_refused_by_name(
    served: tuple[OpenAI, Noted, State], fields: dict[str, Any], param: str
) -> None:
    body = {"model": "run:rag", "messages": [{"role": "user", "content": "a"}], **fields}
    with pytest.raises(openai.BadRequestError) as caught:
        served[0].post("/chat/completions", body=body, cast_to=httpx.Response)
    assert caught.value.param == param


def test_a_winner_shares_the_engine_of_its_base(served: tuple[OpenAI, Noted, State], tiny_base: str) -> None:
    models = served[2].models
    assert [m.id for m in models.all()] == ["tiny", "run:rag", "run:trivial"]
    from domainkit.inference.local import _backends

    engines = [b for b in _backends.values() if b.base == tiny_base and b._engine is not None]
    assert models.base is not None
    assert models.base.backend in engines


def test_what_is_no_source_is_named(tmp_path: Path, run: Path) -> None:
    for source, says in ((tmp_path / "no", "no such folder"), (tmp_path, "is neither an adapter")):
        with pytest.raises(ConfigError, match=says):
            read_sources([source])
    with pytest.raises(ConfigError, match="nothing to serve"):
        read_sources([])
    with pytest.raises(ConfigError, match="did you mean 'rag'"):
        make_models(read_sources([Path(f"{run}#rags")]))
    with pytest.raises(ConfigError, match="two models are named 'run:rag'"):
        make_models(read_sources([Path(f"{run}#rag"), Path(f"{run}#rag")]))


def test_watching_takes_the_served_variant_of_the_run(run: Path, tmp_path: Path) -> None:
    from domainkit.cli.serve import _observer
    from domainkit.serving.sources import Sources

    with pytest.raises(ConfigError, match="'rag' has 5 answers"):  # too few for a reference
        _observer(Sources(winners=[Path(f"{run}#rag")]), tmp_path / "watched")
