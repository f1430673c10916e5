"""What a user's own function makes, named module:function: a chat model, a retriever.

The module is found where Python finds any, and in the folder that the command is run in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

from domainkit.errors import FOREIGN_ERRORS, ConfigError, DomainkitError

_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_factory(name: str) -> bool:
    """Whether the name has the form module:function."""
    return _FACTORY.fullmatch(name) is not None


def has_own_module(name: str) -> bool:
    """Whether there is such a module; one that fails when it is imported is there."""
    module = name.partition(":")[0]
    try:
        _own_module(module)
    except ModuleNotFoundError as e:
        return not f"{module}.".startswith(f"{e.name}.")  # what it imports itself may be missing
    except FOREIGN_ERRORS:  # `made_by` says what is wrong with it
        return True
    return True


def made_by(name: str, where: str, is_wanted: Callable[[object], bool], wanted: str) -> object:
    """What `name`, module:function, makes; the thing itself where the module has it ready.

    `where` opens the errors, `is_wanted` tells what is accepted, and `wanted` says it in words ("chat model"). Raises
    ConfigError for code that is not there or fails, and for what is made but not wanted.
    """
    module, _, function = name.partition(":")
    try:
        made = getattr(_own_module(module), function)
        if not is_wanted(made):
            made = made()
    except DomainkitError:
        raise
    except FOREIGN_ERRORS as e:  # code of the user's own
        what = f"cannot be made: {type(e).__name__}: {str(e).partition(chr(10))[0]}"
        next_step = f"python -c 'from {module} import {function}; print({function}())' shows where it fails"
        raise ConfigError(what, where=where, next_step=next_step) from e
    if not is_wanted(made):
        kind = f"the class {made.__name__}" if isinstance(made, type) else type(made).__name__
        what = f"makes {kind}, which is no {wanted}"
        raise ConfigError(what, where=where, next_step=f"let it return a LangChain {wanted}")
    return made


def _own_module(name: str) -> ModuleType:
    """The module, also where it lies in the folder that the command is run in."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return import_module(name)
    finally:
        sys.path.remove(here)
