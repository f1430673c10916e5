"""A model's own settings: its fields, and the base and the adapter folder that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from domainkit.adapters.folder import PEFT_CONFIG, read_json_object, split_task
from domainkit.errors import AdapterError, ConfigError
from domainkit.inference.server_url import ServerURL
from domainkit.messages import JsonObject
from domainkit.models import Quantization
from domainkit.models.thinking import ThinkingChoice, refuse_two_switches
from domainkit.registry import suggestion

Folder = Annotated[str, BeforeValidator(lambda v: fspath(v) if isinstance(v, PathLike) else v)]
MaxTokens = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(ge=0, allow_inf_nan=False)]
TopP = Annotated[float, Field(gt=0, le=1)]
Timeout = Annotated[float, Field(gt=0)]
SECRET_NAME = re.compile(r"key|token|secret|password|authorization|credential", re.IGNORECASE)
BASE_ALONE = "base"
"""As `model=`, the base without an adapter."""


class Settings(BaseModel):
    """The fields of DomainLLM."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    adapter: Folder | None = None
    """Adapter folder; None is the base alone."""
    base: Folder | None = None
    """Base model; by default the adapter's base, else builtin:smollm2-135m."""
    revision: str | None = None
    """Revision of a hub base."""
    quantization: Quantization = "auto"
    """nf4, int8 or none. auto: the adapter's quantization in training, else what fits the memory."""
    adapters: dict[str, Folder] = Field(default_factory=dict)
    """Names for further adapter folders, for `model=` in a call."""
    backend: str = "local"
    """What computes the answers: a name in domainkit.inference.BACKENDS."""
    backend_options: JsonObject = Field(default_factory=dict)
    """Options of that backend, e.g. a server's url."""
    server: ServerURL | None = None
    """Address of an OpenAI-compatible server that answers for the base and its adapters, which lie here too: it is
    checked to read what they read here, and has adapters loaded."""
    template_options: JsonObject = Field(default_factory=dict)
    """Options of the base's chat template, e.g. enable_thinking; left out, what the adapter was trained with. A base
    thinks only with enable_thinking=True or a reasoning_effort; an answer held to a form then comes after."""
    thinking: ThinkingChoice | None = None
    """Of a base that thinks: off, on, or a number: the most tokens of reasoning, after which the answer follows. Left
    out, as the adapter was trained, else off."""
    temperature: Temperature = 0.0
    """0 is greedy."""
    max_tokens: MaxTokens = 256
    """Most new tokens in an answer."""
    top_p: TopP = 1.0
    """Sample from the most probable tokens that together reach this."""
    stop: list[str] | None = None
    """Strings that end the answer. They are not part of it."""
    seed: int | None = None
    """Seed of each answer's own sampling, whatever is computed beside it. None draws a fresh seed."""
    timeout: Timeout | None = None
    """Seconds from the call until an error."""
    max_retries: int = Field(default=2, ge=0)
    """For backends whose failures can be temporary. The local backend has nothing to retry."""
    api_key: SecretStr | None = None
    """For backends that need one."""
    streaming: bool = False
    """Stream inside `invoke` too, for callbacks that receive tokens."""

    @model_validator(mode="before")
    @classmethod
    def _single_stop_to_list(cls, values: object) -> object:
        if isinstance(values, dict) and isinstance(values.get("stop"), str):
            return {**values, "stop": [values["stop"]]}
        return values

    @model_validator(mode="before")
    @classmethod
    def _hide_secrets(cls, values: object) -> object:
        """A key among the backend's options is the field's; other secrets among them are shown nowhere either."""
        if not isinstance(values, dict) or not isinstance(options := values.get("backend_options"), Mapping):
            return values
        options = dict(options)
        key = options.pop("api_key", None)
        if key is not None and values.get("api_key") is not None:
            raise ConfigError("api_key is given twice", where="backend_options", next_step="give it once, as api_key=")
        kept = {**values, "backend_options": _hidden(options)}
        return kept if key is None else {**kept, "api_key": key}

    def __getstate__(self) -> dict[Any, Any]:
        """Without secrets: where a pickled model is read, the key comes from the environment, or is set anew."""
        state = super().__getstate__()
        own = {**state["__dict__"], "api_key": None, "backend_options": _without_secrets(self.backend_options)}
        return {**state, "__dict__": own}

    @model_validator(mode="after")
    def _check_thinking(self) -> Self:
        refuse_two_switches(self.thinking, self.template_options, "template_options")
        return self

    @model_validator(mode="after")
    def _check_server(self) -> Self:
        if self.server is not None and self.backend not in ("local", "prompt lengths"):
            what = f"server= answers for a base that lies here, and backend={self.backend!r} is another engine"
            raise ConfigError(what, where="server", next_step="leave one of them out")
        return self

    @model_validator(mode="after")
    def _check_adapter(self) -> Self:
        if self.adapter is not None and self.backend == "local":
            folder = Path(split_task(find_adapter(self, self.adapter))[0])
            if not (folder / "adapter_config.json").is_file():
                what = (
                    "is not an adapter: adapter_config.json is missing" if folder.is_dir() else "no such adapter folder"
                )
                raise AdapterError(what, where=str(folder), next_step="check the path")
        return self


def _hidden(value: object, name: str = "") -> object:
    """Options with SecretStr for what their names, or a URL's userinfo or query, mark as secret."""
    if isinstance(value, Mapping):
        return {k: _hidden(v, str(k)) for k, v in value.items()}
    if not isinstance(value, str):
        return value
    _, scheme, rest = value.partition("://")
    in_url = bool(scheme) and ("@" in rest.partition("/")[0] or "?" in rest)
    return SecretStr(value) if in_url or SECRET_NAME.search(name) else value


def _without_secrets(options: Mapping[str, object]) -> JsonObject:
    nested = {k: _without_secrets(v) if isinstance(v, Mapping) else v for k, v in options.items()}
    return {k: v for k, v in nested.items() if not isinstance(v, SecretStr)}


def revealed(value: object) -> Any:
    """Options with their secrets, for the backend alone."""
    if isinstance(value, Mapping):
        return {k: revealed(v) for k, v in value.items()}
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def find_adapter(settings: Settings, name: str) -> str:
    """The folder of an adapter: a name in `adapters`, the folder name of the model's own, or a path; each maybe with
    `#task`."""
    if name in settings.adapters:
        return str(settings.adapters[name])
    own_names: list[str] = []
    if settings.adapter is not None:
        own_folder = split_task(settings.adapter)[0]
        own_names = [own_folder, Path(own_folder).name]
        if name in (settings.adapter, Path(settings.adapter).name, *own_names):
            return settings.adapter
    if settings.backend != "local" or Path(name).is_dir():
        return name
    folder, task = split_task(name)
    if task is not None:
        return f"{own_names[0] if folder in own_names else find_adapter(settings, folder)}#{task}"
    known = [BASE_ALONE, *settings.adapters, *own_names[1:]]
    raise AdapterError("no such adapter folder", where=name, next_step=suggestion(name, known))


class BaseSettings(NamedTuple):
    """Which base a model loads, and how."""

    base: str | None
    revision: str | None
    quantization: Quantization


def base_settings(settings: Settings) -> BaseSettings:
    """The model's fields; what they leave open is what the constructor's adapter was trained on."""
    base, revision, quantization = settings.base, settings.revision, settings.quantization
    if settings.adapter is not None and settings.backend == "local" and (base is None or quantization == "auto"):
        trained_on = _trained_on(find_adapter(settings, settings.adapter))
        if base is None:
            base, revision = trained_on.get("base"), revision or trained_on.get("revision")
        if quantization == "auto" and base == trained_on.get("base"):
            quantization = trained_on.get("quantization") or quantization
    return BaseSettings(base, revision, quantization)


def adapter_template_options(folder: str | None) -> JsonObject:
    """Options of the chat template that an adapter was trained with; none of one without a card."""
    if folder is None or not (Path(split_task(folder)[0]) / "card.json").is_file():
        return {}
    options: JsonObject = _trained_on(folder).get("template_options", {})
    return options


def adapter_thinking_budget(folder: str | None) -> int | None:
    """The budget of reasoning that an adapter's card has; None for none."""
    if folder is None or not (Path(split_task(folder)[0]) / "card.json").is_file():
        return None
    budget = _trained_on(folder).get("thinking")
    return budget if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0 else None


def _trained_on(folder: str) -> JsonObject:
    """Base, revision, quantisation and template options that an adapter names."""
    path = Path(split_task(folder)[0])
    file = next((path / n for n in ("card.json", "adapter_config.json") if (path / n).is_file()), None)
    if file is None:
        raise AdapterError(
            "is not an adapter: it has neither card.json nor adapter_config.json",
            where=str(path),
            next_step="check the path",
        )
    return _read_trained_on(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=128)
def _read_trained_on(file: str, modified: int) -> JsonObject:
    path = Path(file)
    values = read_json_object(path.parent, path.name)
    names = {"base": "base", "revision": "revision", "quantization": "quantization"}
    if path.name == PEFT_CONFIG:
        names = {"base": "base_model_name_or_path", "revision": "revision"}
    found = {name: values.get(key) for name, key in names.items()}
    wrong = next((k for k, v in found.items() if v is not None and not isinstance(v, str)), None)
    if wrong:
        what = f"{names[wrong]} in {path.name} is {type(found[wrong]).__name__}, not text"
        raise AdapterError(what, where=str(path.parent), next_step="copy the folder again, or train again")
    config = values.get("config") if path.name != PEFT_CONFIG else None
    options = config.get("template_options") if isinstance(config, dict) else None
    found["thinking"] = config.get("thinking") if isinstance(config, dict) else None
    return {**found, "template_options": options if isinstance(options, dict) else {}}
