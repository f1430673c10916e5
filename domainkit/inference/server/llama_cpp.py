"""llama.cpp's own server: what its chat endpoint needs beside OpenAI's form.

It loads its adapters when it starts, numbers them, and applies all of them to a request that names none; so every
request names the scale of each (llama.cpp, tools/server/README.md). Its list and its template are read anew for each
call: a server that was started again may have other adapters under the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import cast

from domainkit.adapters.folder import Adapter
from domainkit.errors import AdapterError, MachineError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server.transport import Transport
from domainkit.messages import JsonObject, chosen_tools, tool_name
from domainkit.registry import suggestion
from domainkit.storage import sha256_json

ADAPTERS = "/lora-adapters"
"""No other server knows this path."""
PLAIN: JsonObject = {"top_k": 0, "min_p": 0, "repeat_penalty": 1}
"""Its own defaults cut the distribution, and a GGUF may bring others."""
CACHED = {"cache_prompt": True}
"""Keys and values of an earlier prompt are used again. It finds them by their tokens, whatever adapter made them."""
ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class LlamaCpp:
    """The dialect of the llama-server at a transport's address. `timeout`: seconds for each of its questions."""

    def __init__(self, transport: Transport, timeout: float | None = None) -> None:
        self._transport = transport
        self._timeout = timeout
        self._root = transport.root

    def adapters(self) -> list[str]:
        """Names of its adapters: what the export wrote into the file, else the file's name."""
        return [_names(one)[0] for one in self._served()]

    def facts(self) -> JsonObject:
        """What it says of itself."""
        props = self._send("GET", "/props")
        return {
            "engine": f"llama-server {props.get('build_info', '')}".strip(),
            "model": props.get("model_path"),
            "template_sha256": sha256_json(str(props.get("chat_template") or "")),
        }

    def context(self) -> int | None:
        """Tokens that a prompt and its answer may have; None where it does not say."""
        settings = self._send("GET", "/props").get("default_generation_settings")
        found = settings.get("n_ctx") if isinstance(settings, dict) else None
        return found if isinstance(found, int) and found > 0 else None

    def fields(self, name: str | None, folder: Path | None) -> JsonObject:
        """Fields for requests to the adapter `name`, or to the base. `folder` is the adapter's here, if it is known.

        Raises RequestError for an adapter that is not served, AdapterError where the prompt would not be that of the
        adapter's training.
        """
        served = self._served()
        number = None if name is None else self._number(name, folder, served)
        if folder is not None:
            self._check_template(folder)
        scales = [{"id": one["id"], "scale": float(one["id"] == number)} for one in served]
        return {**PLAIN, "lora": scales, "cache_prompt": False} if served else {**PLAIN, **CACHED}

    def body(self, request: Request, body: JsonObject, fields: JsonObject) -> JsonObject:
        """The body of a chat request, with what it takes in a form of its own."""
        if request.messages and request.messages[-1].role == "assistant":
            raise RequestError(
                "llama-server goes on with the last turn, which is the assistant's, where others answer it",
                where=self._root,
                next_step="end the conversation with a user's turn",
            )
        if request.regex is not None:
            raise RequestError(
                "llama-server holds no answer to a regular expression",
                where=self._root,
                next_step="give choices or a JSON schema, or use backend='local'",
            )
        if request.tools and not self._shows_tools():
            raise RequestError(
                "llama-server leaves tools out here: the base's chat template does not write them",
                where=self._root,
                next_step="use backend='local', which writes them as text, or a base whose template knows tools",
            )
        own = {name: value for name, value in body.items() if name != "structured_outputs"} | fields
        if request.choices:
            own["grammar"] = choice_grammar(request.choices)
        if request.tools and request.tool_choice not in ("auto", "any"):  # it reads no name there
            chosen = {tool_name(t) for t in chosen_tools(request.tools, request.tool_choice)}
            own |= {"tools": [t for t in body["tools"] if tool_name(t) in chosen], "tool_choice": "required"}
        return own

    def count_tokens(self, messages: Sequence[JsonObject]) -> int:
        """Prompt length in tokens, template included."""
        return len(self.prompt_ids(messages, {}))

    def prompt_ids(self, messages: Sequence[JsonObject], options: JsonObject) -> list[int]:
        """The ids of a conversation, as its chat endpoint reads it."""
        prompt = self._prompt(messages, options)
        return self._ids({"content": prompt, "add_special": True, "parse_special": True})

    def token_ids(self, text: str) -> list[int]:
        """Ids of plain text."""
        return self._ids({"content": text, "add_special": False, "parse_special": False})

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _served(self) -> list[JsonObject]:
        found = self._transport.read("GET", ADAPTERS, timeout=self._timeout)
        if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
            raise MachineError(
                f"its list of adapters cannot be read: {str(found)[:200]}",
                where=self._root + ADAPTERS,
                next_step="use a newer llama.cpp",
            )
        return cast("list[JsonObject]", found)

    def _number(self, name: str, folder: Path | None, served: Sequence[JsonObject]) -> int:
        """The adapter's number. A folder's name holds its weights' hash, so that another training is not taken for
        it."""
        found = [one for one in served if name in _names(one)]
        if len(found) > 1 and len({str(one.get("path")) for one in found}) > 1:
            paths = ", ".join(str(one.get("path")) for one in found)
            what = f"several adapters are named '{name}': {paths}"
            raise RequestError(what, where=self._root, next_step="rename one of the files")
        if found:
            return int(found[0]["id"])
        known = [_names(one)[0] for one in served]
        listed = f" (it has {', '.join(known)})" if known else ""
        raise RequestError(
            f"llama-server has no adapter '{name}'{listed}",
            where=self._root,
            next_step=_way_to(name, folder, known),
        )

    def _check_template(self, folder: Path) -> None:
        """Raises AdapterError where the server writes another prompt than the card's."""
        card = Adapter.load(folder, verify=False, need_card=False).card
        if card is None or not card.prompt_format:
            return
        question = [{"role": "user", "content": "{question}"}]
        theirs = self._prompt(question, card.config.get("template_options") or {})
        start = str(self._send("GET", "/props").get("bos_token") or "")  # left out there, and added as an id
        if card.prompt_format not in (theirs, start + theirs):
            raise AdapterError(
                f"llama-server writes another prompt than the adapter was trained with: {theirs[:200]!r} there, "
                f"{card.prompt_format[:200]!r} in its card",
                where=str(folder),
                next_step="start llama-server with the base of the training, or with its template: "
                "--chat-template-file FILE",
            )

    def _shows_tools(self) -> bool:
        """A template that does not know tools leaves them out, without a word of the server."""
        caps = self._send("GET", "/props").get("chat_template_caps") or {}
        return bool(caps.get("supports_tools", True))

    def _prompt(self, messages: Sequence[JsonObject], options: JsonObject) -> str:
        body = {"messages": list(messages), **({"chat_template_kwargs": options} if options else {})}
        return str(self._send("POST", "/apply-template", body)["prompt"])

    def _ids(self, body: JsonObject) -> list[int]:
        return [int(i) for i in self._send("POST", "/tokenize", body)["tokens"]]

    def _send(self, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        return self._transport.send(method, path, body, timeout=self._timeout)


def choice_grammar(choices: Sequence[str]) -> str:
    """Exactly one of `choices`, as a grammar of llama.cpp (grammars/README.md)."""
    return "root ::= " + " | ".join(f'"{"".join(map(_escaped, choice))}"' for choice in choices)


def _escaped(character: str) -> str:
    if character < " " or character == "\x7f":
        return ESCAPED.get(character, f"\\x{ord(character):02X}")
    return ESCAPED.get(character, character)


def _way_to(name: str, folder: Path | None, known: Sequence[str]) -> str:
    if folder is not None:
        command = f"domainkit export {folder} --to gguf --out {folder.absolute().name}.gguf"
        return f"export this very training, and start the server with it: {command}"
    return suggestion(name, known) if known else "start it with --lora FILE.gguf"


def _names(served: JsonObject) -> list[str]:
    """What an adapter may be called, the surest first."""
    file = PureWindowsPath(PurePosixPath(str(served.get("path", ""))).name).name
    task = str(served.get("task_name") or "")
    return [*([task] if task else []), file, file.removesuffix(".gguf")]
