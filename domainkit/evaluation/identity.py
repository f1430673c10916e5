"""What tells one Runnable from another: a digest of its code and settings, or None where these cannot be read.

Answers on disk are reused for a Runnable of the user's own only under an equal digest. Code is read as bytecode with
all that it refers to, so a moved line or a comment changes nothing. Installed packages count by name and version.
What lies behind a server or a file that the code opens is not seen: `Variant(identity=…)` names it.
"""

from __future__ import annotations

import builtins
import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache, partial
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from domainkit.storage import sha256_file

MOST_PARTS = 200_000
"""An object of more parts than this is not walked to its end: it holds a model or a data set."""
OF_A_CALL = {"callbacks", "tags", "metadata", "verbose", "cache", "rate_limiter", "custom_get_token_ids"}
"""Fields of LangChain's classes that do not change an answer."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), type(NotImplemented))


def identity_of(thing: object) -> str | None:
    """Hex SHA-256 of what `thing` answers with; None where something in it cannot be read."""
    digest = hashlib.sha256()
    try:
        for number, part in enumerate(_Walk().parts(thing)):
            if number > MOST_PARTS:
                return None
            digest.update(part.encode(errors="surrogatepass") + b"\n")
    except Exception:  # also whatever the code of others raises: __reduce__, identity()
        return None
    return digest.hexdigest()


class _Walk:
    """The parts of one object, depth first; an object met again is named by its number."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, object]] = {}

    def parts(self, thing: object) -> Iterator[str]:
        if isinstance(thing, _PLAIN):
            yield f"{type(thing).__name__} {thing!r}"
            return
        if isinstance(thing, SecretStr | SecretBytes):
            yield "secret"
            return
        if id(thing) in self._seen:
            yield f"again {self._seen[id(thing)][0]}"
            return
        # The object is kept: a temporary one that is freed could give its id to another.
        self._seen[id(thing)] = (len(self._seen), thing)
        yield from self._reader(thing)(thing)

    def _reader(self, thing: object) -> Callable[[Any], Iterator[str]]:
        for kinds, reader in (
            (FunctionType, self._function),
            (BuiltinFunctionType, self._builtin),
            (MethodType, self._method),
            (CodeType, self._code),
            (partial, self._partial),
            (ModuleType, self._module),
            (type, self._class),
            (PurePath, self._path),
            (Mapping, self._mapping),
            ((set, frozenset), self._set),
            ((list, tuple), self._sequence),
            (BaseModel, self._model),
        ):
            if isinstance(thing, kinds):
                return reader
        return self._instance

    def _function(self, f: FunctionType) -> Iterator[str]:
        yield f"function {f.__qualname__}"
        if installed := _installed(f.__module__):
            yield installed
            return
        yield from self.parts(f.__code__)
        yield from self.parts(f.__defaults__)
        yield from self.parts(f.__kwdefaults__)
        for cell in f.__closure__ or ():
            try:
                yield from self.parts(cell.cell_contents)
            except ValueError:  # not assigned yet
                yield "empty cell"
        for name in sorted(_names(f.__code__)):
            if name in f.__globals__:
                yield f"global {name}"
                yield from self.parts(f.__globals__[name])

    def _code(self, code: CodeType) -> Iterator[str]:
        yield f"code {code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_argcount}"
        for constant in code.co_consts:
            yield from self.parts(constant)

    def _builtin(self, f: BuiltinFunctionType) -> Iterator[str]:
        yield f"builtin {f.__module__} {f.__qualname__}"
        if not isinstance(f.__self__, ModuleType | type(None)):
            yield from self.parts(f.__self__)

    def _method(self, m: MethodType) -> Iterator[str]:
        yield "method"
        yield from self.parts(m.__func__)
        yield from self.parts(m.__self__)

    def _partial(self, p: partial[object]) -> Iterator[str]:
        yield "partial"
        yield from self.parts([p.func, p.args, p.keywords])

    def _module(self, module: ModuleType) -> Iterator[str]:
        yield f"module {module.__name__}"
        if installed := _installed(module.__name__):
            yield installed
        elif file := getattr(module, "__file__", None):
            yield sha256_file(Path(file))

    def _class(self, c: type) -> Iterator[str]:
        yield f"class {c.__module__}.{c.__qualname__}"
        if installed := _installed(c.__module__):
            yield installed
            return
        yield from self.parts(c.__bases__)
        for name, value in sorted(vars(c).items()):
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            if isinstance(value, property):
                value = [value.fget, value.fset, value.fdel]
            if isinstance(value, cached_property):
                value = value.func
            # Pydantic and dataclasses write fields of their own; what a class does is in its functions and constants.
            if isinstance(value, FunctionType | bool | int | float | str | tuple | list | dict) and not _written(name):
                yield f"attribute {name}"
                yield from self.parts(value)

    def _path(self, path: PurePath) -> Iterator[str]:
        yield f"path {path}"

    def _mapping(self, mapping: Mapping[object, object]) -> Iterator[str]:
        yield f"mapping {type(mapping).__name__} {len(mapping)}"
        for key, value in mapping.items():
            yield from self.parts(key)
            yield from self.parts(value)

    def _set(self, members: set[object] | frozenset[object]) -> Iterator[str]:
        yield f"set {len(members)}"
        digests = [identity_of(member) for member in members]
        yield from sorted(digest if digest is not None else _unreadable() for digest in digests)

    def _sequence(self, items: list[object] | tuple[object, ...]) -> Iterator[str]:
        yield f"{type(items).__name__} {len(items)}"
        for item in items:
            yield from self.parts(item)

    def _model(self, model: BaseModel) -> Iterator[str]:
        yield from self.parts(type(model))
        yield from self._own_identity(model)
        hidden = OF_A_CALL if _of_langchain(type(model)) else set()
        shown = {n: getattr(model, n, None) for n, f in type(model).model_fields.items() if not f.exclude}
        yield from self.parts({n: v for n, v in shown.items() if n not in hidden})
        yield from self.parts(model.__pydantic_extra__)
        if not _installed(type(model).__module__) and model.__pydantic_private__:
            yield from self.parts(model.__pydantic_private__)

    def _instance(self, thing: object) -> Iterator[str]:
        yield from self.parts(type(thing))
        yield from self._own_identity(thing)
        if _of_langchain(type(thing)):
            # Runnables that are no pydantic models, such as RunnableLambda, do not pickle their functions.
            made = {n for n in dir(type(thing)) if isinstance(getattr(type(thing), n, None), cached_property)}
            yield from self.parts({n: v for n, v in vars(thing).items() if n not in OF_A_CALL | made})
            return
        reduced = thing.__reduce_ex__(4)  # TypeError for a lock, a connection, a generator
        if isinstance(reduced, str):
            yield reduced
            return
        for part in reduced:
            yield from self.parts(list(part) if isinstance(part, Iterator) else part)

    def _own_identity(self, thing: object) -> Iterator[str]:
        """Of a model or of embeddings: the hashes of their weights."""
        own = getattr(thing, "identity", None)
        if callable(own) and _installed(type(thing).__module__):
            yield "identity"
            yield from self.parts(own())


def _unreadable() -> str:
    raise TypeError


def _written(name: str) -> bool:
    """Whether a decorator or a base class wrote the attribute, not the author of the class."""
    return name.startswith("__") and name not in ("__init__", "__call__", "__getattr__", "__getitem__", "__iter__")


def _names(code: CodeType) -> set[str]:
    """Names that the code and the functions in it look up: globals, and attributes, which are harmless here."""
    inner = [_names(c) for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*inner) - vars(builtins).keys()


def _of_langchain(c: type) -> bool:
    return any(base.__module__.partition(".")[0] == "langchain_core" for base in c.__mro__)


@lru_cache(maxsize=1024)
def _installed(module: str) -> str:
    """The package and its version, for a module that is installed or of Python; "" for code of the user's own."""
    top = (module or "").partition(".")[0]
    loaded = sys.modules.get(module)
    if top == "__main__" or loaded is None:
        return ""
    version = getattr(sys.modules.get(top), "__version__", "")
    if top in ("domainkit", "chains"):
        return f"installed domainkit {getattr(sys.modules.get('domainkit'), '__version__', '')}"
    file = getattr(loaded, "__file__", None)
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    if file is None or any(Path(file).is_relative_to(place) for place in places):
        return f"installed {top} {version or sys.version_info[:2]}"
    return ""
