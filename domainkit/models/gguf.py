"""The folder of safetensors of a base. A GGUF file is unpacked once into a folder that loads in a second."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.errors import BaseModelError, first_line
from domainkit.library_logs import quiet_bars
from domainkit.models.portable import make_portable
from domainkit.models.source import BaseSource
from domainkit.progress import stage
from domainkit.storage import cache_dir, staged_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

EXACT_BYTES = 2 * 2**30
"""Models up to this size in float32 are unpacked bit for bit; beyond it, disk space counts for more than the last
bits."""
LAYOUT = 2
"""Part of the folder's name: raised when what is written changes, so that an old folder is not read as a new one."""

log = logging.getLogger("domainkit")


def model_folder(source: BaseSource) -> Path:
    """The folder of the base's safetensors, configuration and tokenizer."""
    return unpack(source.path, source.fingerprint) if source.path.is_file() else source.path


def unpack(gguf: Path, fingerprint: str) -> Path:
    """The folder of `gguf` as safetensors, in the cache; written on first use, by one process while others wait."""
    folder = cache_dir() / "models" / f"{gguf.stem}-{fingerprint[:16]}-v{LAYOUT}"
    if folder.is_dir():
        return folder
    from filelock import FileLock

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if not folder.is_dir():
            log.info("unpacking %s (once; about ten seconds per 100 MB)", gguf.name)
            with stage(f"unpacking {gguf.name}, once"), quiet_bars(), staged_folder(folder) as staged:
                _write_safetensors(gguf, staged)
    return folder


def read_shape(gguf: Path) -> tuple[int, PreTrainedConfig]:
    """(number of weights, widths and layers) from the file's header. Raises BaseModelError where it lacks them."""
    from transformers import PreTrainedConfig

    from domainkit.models.gguf_reader import HeaderReader

    try:
        reader = HeaderReader(gguf)
        kind = reader.fields["general.architecture"].contents()
        hidden, inner, layers = (
            int(reader.fields[f"{kind}.{name}"].contents())
            for name in ("embedding_length", "feed_forward_length", "block_count")
        )
        parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
    except Exception as e:  # the reader trusts every number of the file
        raise _unreadable(gguf, e) from e
    sizes = {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers}
    return parameters, PreTrainedConfig.from_dict(sizes)


def _unreadable(gguf: Path, e: Exception) -> BaseModelError:
    return BaseModelError(
        f"cannot be read as GGUF: {first_line(e)}",
        where=str(gguf),
        next_step="use the model's safetensors folder, or another GGUF file",
    )


def _write_safetensors(gguf: Path, folder: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from domainkit.models.gguf_reader import read_once

    try:
        with read_once():
            tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
            model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    except Exception as e:  # the reader trusts every number of the file
        raise _unreadable(gguf, e) from e
    del model.config.quantization_config  # the weights are plain numbers from here on
    model.config._name_or_path = gguf.stem
    weights = _without_tied(model)
    exact = sum(tensor.numel() * 4 for tensor in weights.values()) <= EXACT_BYTES
    compact = {name: _compact(tensor, exact=exact) for name, tensor in weights.items()}
    save_file(compact, folder / "model.safetensors", {"format": "pt"})
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_portable(folder, type(model).__name__)


def _without_tied(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights by name. A tied weight has its first name only, since safetensors refuses shared memory."""
    by_address: dict[int, tuple[str, torch.Tensor]] = {}
    for name, tensor in model.state_dict().items():
        by_address.setdefault(tensor.data_ptr(), (name, tensor))
    return dict(by_address.values())


def _compact(tensor: torch.Tensor, *, exact: bool) -> torch.Tensor:
    """The tensor in 16 bits, unless that loses precision: bfloat16 when lossless (the GGUF held bfloat16), else
    float16.

    float16 rounds a value by at most 2^-11 of it, below a hundredth of a 4-bit step and a tenth of an 8-bit step.
    `exact` tensors, vectors (norms, biases) and values beyond float16 stay float32.
    """
    import torch

    if torch.equal(tensor.bfloat16().float(), tensor):
        return tensor.bfloat16().contiguous()
    half = tensor.half()
    rounded = not exact and tensor.dim() > 1 and bool(torch.isfinite(half).all())
    return (half if rounded else tensor).contiguous()
