"""Data sets of the Hugging Face hub: `hf:owner/name`, with `:config` and `/split` where there are several."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from domainkit.corpus.rows.source import RowSource
from domainkit.errors import Problem
from domainkit.hub_connection import why_unreachable
from domainkit.library_logs import quiet_bars
from domainkit.progress import stage

PREFIX = "hf:"
FORM = "hf:owner/name[:config][/split]"
_NAME = re.compile(r"hf:/*(?P<id>[^/:]+/[^/:]+)(?::(?P<config>[^/:]+))?(?:/(?P<split>[^/:]+))?/?")


def open_hub(name: str) -> RowSource:
    """The rows of one split. Several splits are an error that names them; code of a data set is never run."""
    found = _NAME.fullmatch(name)
    if not found:
        return _refused(name, "is not the name of a data set of the hub", f"write {FORM}")
    import datasets

    try:
        with stage(f"loading {name}"), quiet_bars(), _cache_alone_where_unreachable():
            loaded = datasets.load_dataset(found["id"], found["config"], split=found["split"])
    except Exception as e:  # the hub, its library and the data set's files fail in many ways
        return _refused(name, f"cannot be loaded: {_reason(e)}", _next_step(e))
    if isinstance(loaded, dict):
        if len(loaded) > 1:
            first = f"{name.rstrip('/')}/{next(iter(loaded))}"
            return _refused(name, f"has several splits: {', '.join(loaded)}", f"name one: {first}")
        loaded = next(iter(loaded.values()))

    from domainkit.corpus.rows.formats.arrow import open_dataset

    return open_dataset(loaded, name, ("from the hub",))


@contextmanager
def _cache_alone_where_unreachable() -> Iterator[None]:
    """Where nobody answers at the hub's address, what was loaded before is read from the disk, and anything else is an
    error at once: the hub's own library would try again for half a minute."""
    import datasets

    offline = datasets.config.HF_HUB_OFFLINE
    if not offline and why_unreachable(datasets.config.HF_ENDPOINT):
        datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = offline


def _refused(name: str, what: str, next_step: str) -> RowSource:
    return RowSource(name, "data set", problems=[Problem(name, None, what, next_step)])


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__


def _next_step(error: BaseException) -> str:
    if isinstance(error, ConnectionError) or "offline" in str(error).lower():
        return (
            "check the connection to the hub, or download the data set on another machine: save_to_disk writes a folder"
        )
    return f"check the name ({FORM}), and log in with `hf auth login` where the data set asks for it"
