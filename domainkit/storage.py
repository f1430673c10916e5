"""Files and folders: read only where they are plain and of a sane size, written whole or not at all, hashed."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

from domainkit.errors import ConfigError, MachineError, saving

JsonObject = dict[str, Any]
"""A JSON object: tool descriptions, schemas, arguments, cards, bodies of HTTP requests. Its values are whatever JSON
holds, and each reader says what it expects."""
MAX_TOML_BYTES = 8 * 2**20
MAX_HEADER_BYTES = 100_000_000
"""Of a safetensors file: the limit of safetensors itself."""
MAX_DEPTH = 100
"""Levels of nesting in a JSON text. Libraries that read the value later stop at 255 or at Python's recursion limit."""
MAX_DIGITS = 300
"""Of an integer in JSON; a larger one overflows every float that it is compared with."""
STAGED = ".domainkit-new"
REPLACED = ".domainkit-old"
"""Last parts of the names of what a write has prepared, and of what it is about to replace."""


def cache_dir() -> Path:
    """The folder of unpacked models and indexes: $DOMAINKIT_CACHE, else domainkit in $XDG_CACHE_HOME or ~/.cache.

    A user without a home, as in some containers, gets a private folder for temporary files.
    """
    return _own_folder("DOMAINKIT_CACHE", "XDG_CACHE_HOME", ".cache") or _temporary_cache()


def state_dir() -> Path:
    """The folder of what outlives a run: $DOMAINKIT_STATE, else domainkit in $XDG_STATE_HOME or ~/.local/state.

    Raises MachineError for a user without a home.
    """
    if folder := _own_folder("DOMAINKIT_STATE", "XDG_STATE_HOME", ".local/state"):
        return folder
    what = "this user has no home folder"
    raise MachineError(what, next_step="set DOMAINKIT_STATE to a folder you may write to")


def _own_folder(variable: str, shared_variable: str, below_home: str) -> Path | None:
    if folder := os.environ.get(variable):
        return Path(folder)
    try:
        return Path(os.environ.get(shared_variable) or Path.home() / below_home) / "domainkit"
    except RuntimeError:  # no HOME, and no line in /etc/passwd
        return None


def _temporary_cache() -> Path:
    folder = Path(tempfile.gettempdir()) / f"domainkit-{os.getuid()}"
    with saving(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        # Another user may have made a folder of this name first, and could put other weights into it.
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise PermissionError(errno.EACCES, "it belongs to another user")
    return folder


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The bytes of a plain file. A pipe, device or folder is refused at once: reading it could wait or never end.

    Raises OSError, with the reason as `strerror`; also for more than `limit` bytes.
    """
    with open_plain(path) as f:
        size = os.fstat(f.fileno()).st_size
        if limit is not None and size > limit:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes; at most {limit:,} are read", str(path))
        return f.read()


def open_plain(path: Path) -> BinaryIO:
    """A plain file, open for reading; what is none is refused as `read_bytes` does."""
    # O_NONBLOCK: without it, opening a named pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {_kind(status.st_mode)}, not a file", str(path))
    return os.fdopen(descriptor, "rb")


def _kind(mode: int) -> str:
    names = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return names.get(stat.S_IFMT(mode), "a device")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for text that is not JSON, has a field twice or a number that is too
    large, is nested more than MAX_DEPTH levels deep, or holds half of a surrogate pair, which no file could carry on.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    value, end = parse_json_at(text, len(text) - len(text.lstrip(_SPACE)))
    if end < len(text) and text[end:].strip(_SPACE):
        rest = text[end:]
        raise json.JSONDecodeError("Extra data", text, end + len(rest) - len(rest.lstrip(_SPACE)))
    return value


def parse_json_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises ValueError as `parse_json` does."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from None
    if text.count("[", start, end) + text.count("{", start, end) > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if _HALF_PAIR.search(text, start, end):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as e:
            half = e.object[e.start]
            raise ValueError(f"it holds half of a surrogate pair (\\u{ord(half):04x}), which is not a character") from e
    return value, end


def _fields(pairs: list[tuple[str, object]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"the field '{twice}' appears twice")
    return fields


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is {'not a JSON value' if number[-1].isalpha() else 'too large'}")
    return value


def _integer(number: str) -> int:
    if len(number) > MAX_DIGITS:
        raise ValueError(f"{number[:20]}… has {len(number):,} digits; at most {MAX_DIGITS} are read")
    return int(number)


_SPACE = " \t\n\r"
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder(object_pairs_hook=_fields, parse_constant=_finite, parse_float=_finite, parse_int=_integer)


def read_tensor_header(file: Path) -> JsonObject:
    """The tensors of a safetensors file by name, each with dtype, shape and data_offsets; no weight is read.

    Raises OSError, and ValueError for a file that is not whole: 8 bytes of header length, the header, and exactly as
    many bytes as the header declares.
    """
    size = file.stat().st_size
    with file.open("rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if length > min(size, MAX_HEADER_BYTES):
            raise ValueError("its header is cut off")
        header = parse_json(f.read(length))
    try:
        header.pop("__metadata__", None)
        declared = max((t["data_offsets"][1] for t in header.values()), default=0)
        sum(math.prod(t["shape"]) + len(t["dtype"]) for t in header.values())  # raises where shapes are not numbers
        if size != 8 + length + declared:
            raise ValueError(f"{size} bytes instead of {8 + length + declared}")
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise ValueError(f"its header is not one of safetensors ({type(e).__name__}: {e})") from e
    tensors: JsonObject = header
    return tensors


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        level = [v for x in level if isinstance(x, dict | list) for v in (x.values() if isinstance(x, dict) else x)]
        depth += 1
    return depth


def read_toml(path: Path) -> JsonObject:
    """A TOML file's values. Raises ConfigError naming the file and TOML's own line and column."""
    try:
        return tomllib.loads(read_bytes(path, MAX_TOML_BYTES).decode("utf-8-sig"))
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror or e}", where=str(path), next_step="check the path") from e
    except RecursionError:
        what = "is not valid TOML: it is nested too deep"
        raise ConfigError(what, where=str(path), next_step="write it with fewer levels") from None
    except ValueError as e:
        raise ConfigError(f"is not valid TOML: {e}", where=str(path), next_step="correct that line") from e


# ---- writing ---------------------------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 so that a reader, or a crash at any moment, sees the old file or the new one.

    A link is followed: the file that it names is replaced.
    """
    with saving(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise OSError(errno.EEXIST, f"there is {_kind(path.stat().st_mode)} of this name")
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:200]}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as f:
                f.write(text)
                f.flush()
                os.fsync(f.fileno())
            os.chmod(staged, 0o644)
            os.replace(staged, path)
        except BaseException:
            Path(staged).unlink(missing_ok=True)
            raise


def check_writable(path: Path) -> None:
    """Raise now what writing the file or folder `path` would raise later, after the work."""
    with saving(path):
        path = Path(os.path.realpath(path))
        folder = path if path.is_dir() and os.path.ismount(path) else path.parent
        existing = next(p for p in (folder, *folder.parents) if os.path.lexists(p))
        try:
            with tempfile.TemporaryFile(dir=existing) as f:
                f.write(b"x")
        except FileNotFoundError as e:  # what /proc answers
            raise PermissionError(errno.EACCES, "no file can be made here", str(existing)) from e


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """A new folder to fill. It becomes `final` when the block succeeds, and is deleted when it raises.

    An existing `final` is replaced at the very end, so it survives a failed write. A link is followed. A mount point
    cannot be replaced, so what is in it is. What a killed process left behind is removed, and a `final` that it had
    moved away is put back.
    """
    with saving(final):
        final = Path(os.path.realpath(final))
        if final.exists() and not final.is_dir():
            raise OSError(errno.EEXIST, f"there is {_kind(final.stat().st_mode)} of this name")
        final.parent.mkdir(parents=True, exist_ok=True)
        mounted = os.path.ismount(final)
        siblings = final if mounted else final.parent
        _recover(final, siblings)
        staged = Path(tempfile.mkdtemp(dir=siblings, prefix=f".{final.name}.", suffix=STAGED))
        try:
            with _locked(staged):
                yield staged
                _open_to_readers(staged)
                (_refill if mounted else _replace)(final, staged)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise


def interrupted_save(final: Path) -> Path | None:
    """The previous version of the missing folder `final`, if a save was killed between moving that away and putting
    the new one in its place."""
    if final.exists():
        return None
    previous = (old / final.name for old in _leftovers(final, final.absolute().parent, REPLACED))
    return next((p for p in previous if p.exists()), None)


def _open_to_readers(staged: Path) -> None:
    """Folders and files as the user's umask wants them: temporary folders, and files of safetensors, are private."""
    mask = os.umask(0o77)
    os.umask(mask)
    for path in (staged, *staged.rglob("*")):
        if not path.is_symlink():
            os.chmod(path, (0o777 if path.is_dir() else 0o666) & ~mask)


def _replace(final: Path, staged: Path) -> None:
    if not final.exists():
        os.replace(staged, final)
        return
    old = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.", suffix=REPLACED))
    with _locked(old):
        os.replace(final, old / final.name)
        os.replace(staged, final)
        shutil.rmtree(old)


def _refill(final: Path, staged: Path) -> None:
    """Move the files of `staged` up into the folder around it. The cards go last: what is half moved has none."""
    for path in final.iterdir():
        if not path.name.startswith(".") and path.name != "lost+found":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in sorted(staged.iterdir(), key=lambda p: (p.suffix == ".json", p.name == "card.json")):
        os.replace(path, final / path.name)
    staged.rmdir()


def _recover(final: Path, siblings: Path) -> None:
    if previous := interrupted_save(final):
        os.replace(previous, final)
    for suffix in (STAGED, REPLACED):
        for path in _leftovers(final, siblings, suffix):
            shutil.rmtree(path, ignore_errors=True)


def _leftovers(final: Path, siblings: Path, suffix: str) -> Iterator[Path]:
    """Folders of that kind which no living process holds."""
    name = re.compile(rf"\.{re.escape(final.name)}\.[^.]+{re.escape(suffix)}")
    try:
        matches = sorted(p for p in siblings.iterdir() if name.fullmatch(p.name))
    except OSError:
        return
    for path in matches:
        with _locked(path) as free:
            pass
        if free:
            yield path


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock, which the system frees when the process dies. Yields False where another process holds
    it, and where the system has no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process holds it, or a network drive has no locks
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


# ---- one run at a time -----------------------------------------------------------------------------------------------


_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
"""The folders that this thread's run holds."""


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other runs out of `folder`, also those of other processes; the system ends that when the process dies.

    A missing folder is made, and removed at the end if it is empty. Raises ConfigError where another run is in it. The
    run that holds it may call this again.
    """
    path = os.path.realpath(folder)
    if path in _held.get():
        yield
        return
    check_writable(folder)
    missing = [p for p in (Path(path), *Path(path).parents) if not p.exists()]
    with saving(folder):
        descriptor = hold_folder(path)
    token = _held.set(_held.get() | {path})
    try:
        yield
    finally:
        _held.reset(token)
        with suppress(OSError):
            for made in missing:  # ends at the first one that is not empty
                made.rmdir()
        if descriptor is not None:
            os.close(descriptor)


def hold_folder(path: str) -> int | None:
    """Keep others out of the folder until the descriptor is closed; None where the system has no such locks.

    A missing folder is made. Raises ConfigError where another holds it, also in this process.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        os.makedirs(path, exist_ok=True)
        return None
    while True:
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run before may have removed the folder between the two calls.
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            what = "another run is writing here"
            raise ConfigError(what, where=path, next_step="wait for it to end, or choose another --out") from None
        except OSError:  # a network drive without locks
            os.close(descriptor)
            return None
        os.close(descriptor)


# ---- hashes ----------------------------------------------------------------------------------------------------------


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def sha256_json(value: object) -> str:
    """Hex SHA-256 of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_lines(lines: Iterable[str]) -> str:
    """Hex SHA-256 of strings in order, each ended by a newline: the fingerprint of a data set."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()
