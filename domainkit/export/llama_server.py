"""llama.cpp's server for an exported adapter: what is at hand to run it, and the line that does.

python -m domainkit.export.llama_server -m BASE.gguf [--lora ADAPTER.gguf] [--port 8080] [--threads 2]

The same line with `llama-server` in place of `python -m domainkit.export.llama_server` runs llama.cpp's own program;
this one runs the server in the package xllamacpp, which pip installs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shlex
import shutil
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from domainkit.errors import DomainkitError, MachineError

PROGRAM, PACKAGE = "llama-server", "xllamacpp"
INSTALL = f"pip install {PACKAGE}"
PORT = 8080


def at_hand() -> list[str]:
    """The llama.cpp servers that this machine can run."""
    found = [f"{PROGRAM} ({path})"] if (path := shutil.which(PROGRAM)) else []
    return found + ([f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"] if find_spec(PACKAGE) else [])


def start_line(model: Path | str, adapter: Path | str | None = None) -> str:
    """The command that serves a GGUF, with an adapter's."""
    installed = shutil.which(PROGRAM) is None and find_spec(PACKAGE) is not None
    program = ["python", "-m", "domainkit.export.llama_server"] if installed else [PROGRAM]
    lora = ["--lora", str(adapter)] if adapter is not None else []
    # Its cache in memory gives the keys and values of one adapter to another.
    return shlex.join([*program, "-m", str(model), *lora, "--cache-ram", "0", "--port", str(PORT)])


def start(model: str, adapters: list[str], *, port: int, threads: int | None = None, cache_ram: int = 0) -> Any:
    """A running xllamacpp.Server, on this machine only; it ends with the object. Port 0 takes a free one."""
    if find_spec(PACKAGE) is None:
        raise MachineError(f"the package {PACKAGE} is not installed", next_step=INSTALL)
    for path in (model, *adapters):
        if not Path(path).is_file():
            raise MachineError("no such file", where=path, next_step="check the path")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.hostnames, params.port = model, ["127.0.0.1"], port
    params.cache_ram_mib = cache_ram
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in adapters]
    if threads is not None:
        params.cpuparams.n_threads = threads
    return xllamacpp.Server(params)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True, help="the base's GGUF, or a merged model's")
    parser.add_argument("--lora", action="append", default=[], help="an adapter's GGUF; may be repeated")
    parser.add_argument("--port", type=int, default=PORT, help="0 takes a free one")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--cache-ram", type=int, default=0, help="MiB for prompts of earlier requests")
    args = parser.parse_args()
    try:
        server = start(args.model, args.lora, port=args.port, threads=args.threads, cache_ram=args.cache_ram)
    except DomainkitError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    over = threading.Event()
    # Before the line below: whoever waits for it may ask for the end at once.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: over.set())
    print(f"ready: {server.listening_address}/v1", flush=True)
    over.wait()


if __name__ == "__main__":
    main()
