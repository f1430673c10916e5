"""The chat model that a name means, or one that is given: the writer, the judge, the base."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from domainkit.errors import ConfigError, DomainkitError, MachineError, first_line
from domainkit.evaluation.identity import identity_of
from domainkit.own_code import has_own_module, is_factory, made_by
from domainkit.storage import sha256_json

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

log = logging.getLogger("domainkit")
SERVER = "server:"
NAMES = (
    "provider:model for LangChain's integrations, e.g. openai:gpt-5-mini; server:http://host:8000#model for an "
    "OpenAI-compatible server; module:function of your own that makes one; an adapter's folder, a base's folder, GGUF "
    "file or hub id, or builtin:smollm2-135m"
)
_NO_PROVIDER = ("Unsupported provider", "Unable to infer model provider")
"""How LangChain says that a name begins with none of its providers."""
_PROVIDER = re.compile(r"[a-z][a-z0-9_-]*:\S+")
_LIKE_PROVIDER = re.compile(r"(?!builtin:)[A-Za-z][\w-]+:.*", re.DOTALL)
"""A word of two letters or more and a colon: no drive of Windows."""


@dataclass(frozen=True)
class NamedModel:
    """A chat model, the name that rows and reports give it, and the key of its replies on disk."""

    name: str
    llm: BaseChatModel
    key: str
    """Content key: of the weights where they can be read, else of the settings, else of the name."""

    @property
    def is_own(self) -> bool:
        """Whether it is a DomainLLM."""
        return _is_own(self.llm)

    @property
    def is_local(self) -> bool:
        """Whether it runs in this process: it is paid in machine time, not in tokens, and its answers can be held to a
        form."""
        return runs_here(self.llm)


def find_model(model: str | Path | BaseChatModel, role: str) -> NamedModel:
    """The chat model that `model` names (`NAMES`), or `model` itself. No weights are loaded yet.

    Raises ConfigError for a name that means nothing, or that a server which answers does not list, and MachineError for
    an integration that is not installed, with the command that installs it.
    """
    if isinstance(model, str | Path):
        name = str(model)
        llm = _named(name, role)
    else:
        llm = model
        if not callable(getattr(llm, "invoke", None)):
            what = f"{llm!r} is neither a chat model nor the name of one"
            raise ConfigError(what, where=role, next_step=f"give a LangChain chat model, or {NAMES}")
        name = model_name(llm)
    named = model is not llm
    return NamedModel(name, llm, sha256_json([name, _identity(llm, name, named=named)]))


def _named(name: str, role: str) -> BaseChatModel:
    from domainkit.llm.chat_model import DomainLLM

    if name.startswith(SERVER):
        url, _, base = name.removeprefix(SERVER).partition("#")
        if not re.match(r"https?://", url):
            raise ConfigError(f"'{url}' is not a URL", where=role, next_step="write server:http://host:8000")
        if base:
            from domainkit.inference.server.listed import check_listed

            check_listed(url, base, role)
        return DomainLLM(backend="server", base=base or None, backend_options={"url": url})
    if (Path(name) / "adapter_config.json").is_file():
        return DomainLLM(adapter=name)
    if name.partition(":")[0].count(".") and is_factory(name) and not Path(name).exists():
        return _made(name, role)
    if _LIKE_PROVIDER.fullmatch(name) and not _PROVIDER.fullmatch(name) and not Path(name).exists():
        if is_factory(name) and has_own_module(name):
            return _made(name, role)
        provider, _, model = name.partition(":")
        right = f"{provider.lower()}:{''.join(model.split())}"
        what = "is neither a file nor provider:model, where the provider is in lower case and nothing is a space"
        next_step = f"write {right}, if that is meant" if _PROVIDER.fullmatch(right) else f"a model is {NAMES}"
        raise ConfigError(what, where=f"{role} {name}", next_step=next_step)
    if name.startswith("builtin:") or Path(name).exists() or not _PROVIDER.fullmatch(name):
        from domainkit.models.source import resolve_base

        resolve_base(name)  # raises now for a base that is not there
        return DomainLLM(base=name)
    return _integration(name, role)


def _integration(name: str, role: str) -> BaseChatModel:
    """A model of one of LangChain's integration packages."""
    from langchain.chat_models import init_chat_model

    try:
        llm: BaseChatModel = init_chat_model(name)
    except ImportError as e:
        package = re.search(r"pip install (?:-U )?[`'\"]?([\w-]+)", str(e))
        install = f"pip install {package[1] if package else 'langchain-' + name.partition(':')[0].replace('_', '-')}"
        what = f"the package of this provider is not installed ({first_line(e)})"
        raise MachineError(what, where=f"{role} {name}", next_step=install) from e
    except DomainkitError:
        raise
    except Exception as e:  # each provider has errors of its own, a missing key above all
        if str(e).startswith(_NO_PROVIDER):
            if is_factory(name) and has_own_module(name):
                return _made(name, role)
            what = (
                f"'{name.partition(':')[0]}' is neither a provider that LangChain knows nor a module that is found here"
            )
            raise ConfigError(what, where=f"{role} {name}", next_step=f"a model is {NAMES}") from e
        next_step = f"set what the provider needs, such as its API key; a model is {NAMES}"
        raise ConfigError(f"cannot be set up: {first_line(e)}", where=f"{role} {name}", next_step=next_step) from e
    return llm


def _made(name: str, role: str) -> BaseChatModel:
    """What the user's own function, named module:function, makes."""
    made = made_by(name, f"{role} {name}", _is_chat_model, "chat model")
    return cast("BaseChatModel", made)


def _is_chat_model(made: object) -> bool:
    return not isinstance(made, type) and callable(getattr(made, "invoke", None))


def _is_own(llm: object) -> bool:
    return getattr(llm, "_llm_type", "") == "domainkit"


def runs_here(llm: object) -> bool:
    """Whether it is a DomainLLM that runs in this process."""
    return _is_own(llm) and getattr(llm, "backend", None) == "local" and getattr(llm, "server", None) is None


def is_named(llm: object) -> bool:
    """Whether `model_name` tells its model, and not only its class."""
    return model_name(llm) != type(llm).__name__


# Any: a chat model of any class.
def model_name(llm: Any) -> str:
    """The name of a model object: its provider and model name as LangChain's tracing names them, else its class."""
    if _is_own(llm):
        return str(llm.adapter or llm.base or _default_base())
    try:
        traced = llm._get_ls_params()
        provider, model = traced.get("ls_provider"), traced.get("ls_model_name")
    except Exception:  # a class of the user's own
        provider = model = None
    return f"{provider}:{model}" if provider and model else type(llm).__name__


def _default_base() -> str:
    from domainkit.models import DEFAULT_BASE

    return DEFAULT_BASE


def _identity(llm: Any, name: str, *, named: bool) -> object:
    """What its replies depend on beside the name: weights of a local model, settings of a model object. What lies
    behind a provider's name or a server's address is not seen."""
    if getattr(llm, "backend", None) == "local" and _is_own(llm):
        return llm.identity()
    if named:
        return None
    found = identity_of(llm)
    if found is None:
        log.warning(
            "%s: its settings cannot be read, so its name alone says which replies on disk are its own: choose another "
            "folder after a change of its settings",
            name,
        )
    return found
