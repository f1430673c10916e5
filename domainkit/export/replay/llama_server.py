"""llama.cpp's own server, already running with the base and the adapter: an Engine over HTTP.

An answer is forced by a grammar of token ids (llama.cpp, grammars/README.md), under which the server still tells the
raw probabilities; the token that ends an answer cannot stand in a grammar, so it is looked up among all tokens.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import cast

from domainkit.errors import ConfigError, MachineError
from domainkit.export.replay.engine import ExportedModel
from domainkit.export.replay.forced import Forced
from domainkit.messages import JsonObject
from domainkit.training.examples_to_ids import TokenizedExample

SECONDS = 600.0
ALL_TOKENS = 1 << 20
"""More than any vocabulary."""
PLAIN: JsonObject = {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1, "return_tokens": True}


class LlamaServer:
    """An Engine at a URL. Each request names the adapter's scale and keeps no cache: llama-server may give the keys and
    values of one adapter to another."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        props = cast("JsonObject", self._send("/props"))
        self.build = f"llama-server {props.get('build_info', '')}".strip()

    def force(self, model: ExportedModel, rows: Sequence[TokenizedExample]) -> Forced:
        """The engine on given answers."""
        scales = self._scales(model)
        found = [self._force_one(row, scales) for row in rows]
        return Forced(tuple(logprobs for logprobs, _ in found), tuple(choices for _, choices in found))

    def answer(
        self, model: ExportedModel, prompts: Sequence[Sequence[int]], max_tokens: int, stops: Sequence[int]
    ) -> list[list[int]]:
        """Greedy answers."""
        scales, answers = self._scales(model), []
        for prompt in prompts:
            ids = self._complete(list(prompt), scales, n_predict=max_tokens)["tokens"]
            end = next((i for i, token in enumerate(ids) if token in stops), len(ids))
            answers.append([int(i) for i in ids[:end]])
        return answers

    def _force_one(self, row: TokenizedExample, scales: list[JsonObject]) -> tuple[tuple[float, ...], tuple[int, ...]]:
        prompt, words, end = list(row.ids[: row.start]), list(row.ids[row.start : -1]), row.ids[-1]
        logprobs, choices = [], []
        if words:
            grammar = "root ::= " + " ".join(f"<[{i}]>" for i in words)
            reply = self._complete(prompt, scales, n_predict=len(words), n_probs=1, grammar=grammar)
            if reply["tokens"] != words:
                raise MachineError(
                    "did not write the tokens that it was held to", where=self.url, next_step="use a newer llama.cpp"
                )
            for one in reply["completion_probabilities"]:
                logprobs.append(float(one["logprob"]))
                choices.append(int(one["top_logprobs"][0]["id"]))
        last = self._complete([*prompt, *words], scales, n_predict=1, n_probs=ALL_TOKENS)
        every = last["completion_probabilities"][0]["top_logprobs"]
        logprobs.append(next(float(one["logprob"]) for one in every if one["id"] == end))
        choices.append(int(every[0]["id"]))
        return tuple(logprobs), tuple(choices)

    def _scales(self, model: ExportedModel) -> list[JsonObject]:
        """The scale of each of the server's adapters. Raises ConfigError where it has not the one asked for."""
        served = cast("list[JsonObject]", self._send("/lora-adapters"))
        if model.adapter is None:
            return [{"id": one["id"], "scale": 0.0} for one in served]
        wanted = model.adapter.name
        if not any(_name(one["path"]) == wanted for one in served):
            names = ", ".join(_name(one["path"]) for one in served) or "none"
            raise ConfigError(
                f"serves no adapter {wanted} (it has {names})",
                where=f"--engine {self.url}",
                next_step=f"llama-server -m {model.gguf} --lora {model.adapter}",
            )
        return [{"id": one["id"], "scale": float(_name(one["path"]) == wanted)} for one in served]

    def _complete(self, prompt: list[int], scales: list[JsonObject], **options: object) -> JsonObject:
        body = {"prompt": prompt, "lora": scales, "cache_prompt": False, **PLAIN, **options}
        return cast("JsonObject", self._send("/completion", body))

    def _send(self, path: str, body: JsonObject | None = None) -> object:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as reply:
                return json.load(reply)
        except (urllib.error.URLError, OSError, ValueError) as e:
            raise MachineError(
                f"llama-server does not answer {path}: {getattr(e, 'reason', None) or e}",
                where=self.url,
                next_step="start it: llama-server -m BASE.gguf --lora ADAPTER.gguf",
            ) from e


def _name(path: str) -> str:
    """The file's name in a path of the server's machine."""
    return PureWindowsPath(PurePosixPath(path).name).name
