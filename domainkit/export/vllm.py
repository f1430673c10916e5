"""The command that serves a base and its adapters with vLLM, under the names that ServerBackend asks for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.adapters.methods.low_rank.lora import Lora
from domainkit.errors import AdapterError, ConfigError
from domainkit.export.served_forms import check_form
from domainkit.export.target import Exported, ExportJob, export_target

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What --max-lora-rank takes (vllm/config/lora.py)."""


def adapter_name(folder: str | Path) -> str:
    """The adapter's name at a server: its folder's name and the start of its weights' hash.

    The hash keeps two adapters with the same folder name apart, and an adapter that was trained again from its old
    self.
    """
    adapter = Adapter.load(folder, verify=False, need_card=False)
    return f"{Path(folder).resolve().name}-{adapter.weights_sha256[:8]}"


def serve_command(
    base: str | None, adapters: Sequence[str | Path], *, quantization: str | None = None, port: int = 8000
) -> str:
    """The `vllm serve` command, quoted for a shell.

    `base` and `quantization` default to what the adapters' cards name. Raises AdapterError for an adapter that vLLM
    cannot serve (not LoRA, DoRA, whole modules saved along), ConfigError where base or quantisation is missing or
    unfit.
    """
    loaded = [Adapter.load(a, verify=False, need_card=False) for a in adapters]
    base = base or _only("base", {a.card.base for a in loaded if a.card})
    if base.startswith("builtin:") or base.endswith(".gguf"):
        raise ConfigError(
            f"vLLM does not serve {base} with adapters",
            next_step="train on a hub id or a local folder of safetensors, and serve that",
        )
    quantization = quantization or _only("quantization", {a.card.quantization for a in loaded if a.card}, "none")
    if quantization == "int8":
        raise ConfigError(
            "these adapters were trained on int8 weights, and vLLM's bitsandbytes loads 4-bit ones",
            where="--quantization",
            next_step="merge the adapter into its base (domainkit merge) and serve that, or use backend='local'",
        )
    # vLLM listens on every interface by default, and takes its defaults of sampling from the base's own file, some of
    # which apply at temperature 0 too.
    words = ["vllm", "serve", base, "--host", "127.0.0.1", "--port", str(port), "--generation-config", "vllm"]
    if quantization == "nf4":
        words += ["--quantization", "bitsandbytes"]
    if loaded:
        ranks = [Lora.lora_rank(check_form(a)) for a in loaded]
        top = next((r for r in LORA_RANKS if r >= max(ranks)), None)
        if top is None:
            raise AdapterError(
                f"rank {max(ranks)} is more than vLLM's {LORA_RANKS[-1]}",
                where=str(loaded[ranks.index(max(ranks))].folder),
                next_step="train with a smaller rank, or merge the adapter into the base and serve that",
            )
        words += ["--enable-lora", "--max-lora-rank", str(top), "--max-loras", str(len(loaded)), "--lora-modules"]
        words += [f"{adapter_name(a.folder)}={a.folder.resolve()}" for a in loaded]
    # Without these two vLLM refuses tool_choice "auto"; hermes is the form the prompts of domainkit teach.
    words += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
    return shlex.join(words)


@export_target(uses=("base", "quantization"))
def export_vllm(job: ExportJob) -> Exported:
    """The command; nothing is written. A line that begins with # is a comment to a shell."""
    command = serve_command(job.base, job.adapters, quantization=job.quantization)
    plugin = ("# bitsandbytes has left vLLM's core with 0.28: pip install vllm-bnb-plugin",)
    return Exported((command, *(plugin if "bitsandbytes" in command else ()), "# not replayed: vLLM runs on a GPU"))


def _only(what: str, values: set[str], default: str | None = None) -> str:
    if len(values) == 1:
        return values.pop()
    if not values and default is not None:
        return default
    raise ConfigError(
        f"the adapters name {'several' if values else 'no'} {what}{': ' + ', '.join(sorted(values)) if values else ''}",
        next_step=f"serve adapters of one base together, or pass {what}= yourself",
    )
