"""The export target gguf: the file, its replay in llama.cpp, and the commands that run it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domainkit.adapters.folder import CARD, Adapter, read_json_object
from domainkit.errors import AdapterError, ConfigError, saving
from domainkit.export.gguf.adapter import check_method, write_gguf_adapter
from domainkit.export.gguf.layout import field, open_gguf
from domainkit.export.gguf.merged import convert_commands, write_merged_gguf
from domainkit.export.llama_server import INSTALL, PORT, at_hand, start_line
from domainkit.export.merge_card import MergeCard
from domainkit.export.merge_plan import Origin, find_origin
from domainkit.export.replay.engine import ExportedModel
from domainkit.export.replay.replay import Trained
from domainkit.export.replay.target import replay_lines
from domainkit.export.target import Exported, ExportJob, export_target
from domainkit.models.source import BaseSource, resolve_base
from domainkit.storage import check_writable

OURS = "domainkit.base_fingerprint"
"""A field of every GGUF written here: such a file may be replaced."""


@dataclass(frozen=True, slots=True)
class GgufExport:
    """A written GGUF, and what it was made from."""

    file: Path
    source: BaseSource
    """The base: a GGUF file, or a folder of safetensors."""
    exported: ExportedModel | None
    """The files to load; None where the base is not at hand as a GGUF."""
    trained: Trained
    notes: tuple[str, ...]


@export_target(uses=("out", "base", "quantization", "held_out", "task", "engine"))
def export_gguf(job: ExportJob) -> Exported:
    """An adapter as a GGUF adapter, a merged model as a GGUF; with held-out examples, replayed in llama.cpp."""
    out = job.required_out()
    file = out if out.suffix.lower() == ".gguf" else out / f"{job.one_adapter().absolute().name}.gguf"
    check_out(out, file)
    made = write_gguf(job, file)
    lines = [f"GGUF: {made.file}", *(f"Note: {note}" for note in made.notes)]
    record = file.with_suffix(".replay.json")
    lines += replay_lines(job, made.trained, made.source, made.exported, made.notes, record)
    return Exported((*lines, "", *next_lines(made, job.one_adapter())), file)


def next_lines(made: GgufExport, folder: Path) -> list[str]:
    """How to serve the export, and to ask it from here."""
    if made.exported is None:
        return [f"Next: {convert_commands(made.source.path)}; then {start_line('BASE.gguf', made.file)}"]
    merged = made.exported.adapter is None
    line = start_line(made.file) if merged else start_line(made.exported.gguf, made.file)
    missing = [] if at_hand() else [f"No llama-server was found here; this brings one: {INSTALL}"]
    options = f'backend="server", backend_options={{"url": "http://127.0.0.1:{PORT}"}}'
    named = options if merged else f'adapter="{folder}", {options}'
    return [*missing, f"Next: {line}", f"Then: DomainLLM({named})"]


def write_gguf(job: ExportJob, file: Path) -> GgufExport:
    """Write the job's adapter or merged model to `file`, whole or not at all."""
    folder = job.one_adapter()
    return _merged(job, folder, file) if is_model(folder) else _adapter(job, folder, file)


def is_model(folder: Path) -> bool:
    """Whether the folder holds a whole model, as domainkit merge writes one."""
    return (folder / "config.json").is_file()


def base_of(job: ExportJob) -> BaseSource:
    """The base that the export is for: the one named, else that of the card."""
    folder = job.one_adapter()
    if is_model(folder):
        return _base_of_merged(job, folder, _merge_card(folder))
    return _base_of_adapter(job, _origin(job, folder))


def _origin(job: ExportJob, folder: Path) -> Origin:
    card = Adapter.load(folder, need_card=False).card
    origin = find_origin(folder, None if card else job.base, job.quantization or (None if card else "none"))
    check_method(origin)
    return origin


def _base_of_adapter(job: ExportJob, origin: Origin) -> BaseSource:
    return resolve_base(job.base or origin.base, None if job.base else origin.revision)


def _adapter(job: ExportJob, folder: Path, file: Path) -> GgufExport:
    origin = _origin(job, folder)
    source = _base_of_adapter(job, origin)
    notes: list[str] = []
    with _staged(file) as staged:
        notes += write_gguf_adapter(origin, source, staged)
    notes += _other_numbers(origin, source)
    trained = Trained(origin.base, origin.revision, origin.quantization, adapter=folder)
    exported = ExportedModel(source.path, file) if source.path.is_file() else None
    return GgufExport(file, source, exported, trained, tuple(notes))


def _other_numbers(origin: Origin, source: BaseSource) -> Iterator[str]:
    """What makes the GGUF's base another model than the one of the training."""
    card = origin.adapter.card
    if not source.path.is_file():
        yield (
            "the base is not a GGUF: make one of the very model and replay the adapter over it: "
            f"domainkit export {origin.adapter.folder} --to gguf --base BASE.gguf --data held_out.jsonl --out FILE.gguf"
        )
        return
    held = "" if origin.quantization == "none" else f" in {origin.quantization}"
    if card is not None and card.base_fingerprint != source.fingerprint:
        yield (
            f"the adapter was trained on {card.base}{held}, and {source.path.name} is another file of numbers "
            f"({main_type(source.path)}): the replay shows whether it acts the same there"
        )
    elif held:
        yield (
            f"the adapter was trained over weights{held}, and {source.path.name} holds {main_type(source.path)}: "
            "another model to the last digits; the replay shows whether it acts the same there"
        )


def main_type(gguf: Path) -> str:
    """The number format of most of the file's weights."""
    counts: dict[str, int] = {}
    for tensor in open_gguf(gguf).tensors:
        name = tensor.tensor_type.name
        counts[name] = counts.get(name, 0) + int(tensor.n_elements)
    return max(counts, key=lambda name: counts[name])


def _merged(job: ExportJob, folder: Path, file: Path) -> GgufExport:
    if job.quantization:
        raise ConfigError("a merged model names it in its card", where="--quantization", next_step="leave it out")
    card = _merge_card(folder)
    source = _base_of_merged(job, folder, card)
    with _staged(file) as staged:
        written = write_merged_gguf(folder, source, staged)
    notes = (f"{written.changed} tensors in {written.dtype}; {written.kept} as they are in {source.path.name}",)
    base, revision = (card.base, card.revision) if card else (str(source.path), None)
    quantization = card.trained_on if card else "none"
    trained = Trained(base, revision, quantization, merged=folder)  # type: ignore[arg-type]
    return GgufExport(file, source, ExportedModel(file), trained, notes)


def _base_of_merged(job: ExportJob, folder: Path, card: MergeCard | None) -> BaseSource:
    named = job.base or (card.base if card else None)
    source = resolve_base(named, None if job.base or card is None else card.revision) if named else None
    if source is None or not source.path.is_file():
        raise ConfigError(
            f"its base {f'{named} is not a GGUF' if named else 'is not known'}, so there is no file to copy the "
            "vocabulary and the settings from",
            where=str(folder),
            next_step=f"name its base's GGUF: --base FILE.gguf; or convert it: {convert_commands(folder)}",
        )
    return source


def _merge_card(folder: Path) -> MergeCard | None:
    """The card that domainkit merge wrote; None for another model folder."""
    if not (folder / CARD).is_file():
        return None
    try:
        return MergeCard.model_validate(read_json_object(folder, CARD))
    except ValueError as e:
        raise AdapterError(
            f"{CARD} is not that of a merged model",
            where=str(folder),
            next_step="give an adapter folder, or the folder that domainkit merge wrote",
        ) from e


# ---- the file --------------------------------------------------------------------------------------------------------


def check_out(out: Path, file: Path) -> None:
    """Raises ConfigError for a path that holds anything but an earlier export."""
    check_writable(out)
    others = [] if out == file or not out.is_dir() else [p for p in out.iterdir() if not _replaceable(p, file)]
    if (out != file and out.exists() and not out.is_dir()) or others or (file.exists() and not _is_ours(file)):
        raise ConfigError(
            "exists and is not a GGUF that domainkit wrote, so it is not replaced",
            where=f"out={file if file.exists() else out}",
            next_step="choose a new file or folder",
        )


def _replaceable(path: Path, file: Path) -> bool:
    return path in (file, file.with_suffix(".replay.json")) or path.name in ("Modelfile", "lost+found")


def _is_ours(file: Path) -> bool:
    with file.open("rb") as f:
        if f.read(4) != b"GGUF":
            return False
    return field(open_gguf(file), OURS) is not None


@contextmanager
def _staged(file: Path) -> Iterator[Path]:
    """A file to write, that becomes `file` when the block succeeds."""
    there = next(p for p in file.absolute().parents if p.is_dir())
    with saving(file), tempfile.TemporaryDirectory(dir=there, prefix=f".{file.stem}.") as work:
        staged = Path(work) / file.name
        yield staged
        file.parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged, file)
