"""The export target ollama: a folder with a Modelfile, and the GGUF that it names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from domainkit.errors import ConfigError
from domainkit.export.gguf.layout import field, open_gguf
from domainkit.export.gguf.target import GgufExport, base_of, check_out, is_model, write_gguf
from domainkit.export.ollama.go_template import TurnMarks, read_marks, trims
from domainkit.export.replay.target import replay_lines
from domainkit.export.target import Exported, ExportJob, export_target
from domainkit.models.gguf import model_folder
from domainkit.models.source import BaseSource
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.models.tokenizer import adapter_chat_template, load_chat_template
from domainkit.storage import write_text

if TYPE_CHECKING:
    from gguf import GGUFReader

MODELFILE = "Modelfile"
LONGEST_CONTEXT = 8192
"""Most tokens that a Modelfile asks memory for; Ollama cuts longer prompts without a word."""


@export_target(uses=("out", "base", "quantization", "held_out", "task", "engine"))
def export_ollama(job: ExportJob) -> Exported:
    """A folder with the Modelfile and the GGUF adapter, or the merged model's GGUF."""
    out, folder = job.required_out(), job.one_adapter()
    if out.suffix.lower() == ".gguf":
        raise ConfigError("ollama needs a folder", where="--out", next_step="name a new folder: --out FOLDER")
    file = out / ("model.gguf" if is_model(folder) else "adapter.gguf")
    check_out(out, file)
    source = base_of(job)
    if not source.path.is_file():
        raise ConfigError(
            f"the base {source.name} is not a GGUF, and Ollama's adapters need one",
            where=str(folder),
            next_step="name the base's GGUF: --base FILE.gguf; or merge first (domainkit merge)",
        )
    template = _template(folder, source)
    marks = read_marks(template)
    made = write_gguf(job, file)
    text, notes = modelfile(template, marks, made)
    write_text(out / MODELFILE, text)
    name = re.sub(r"[^a-z0-9._-]+", "-", out.absolute().name.lower()).strip("-.") or "model"
    lines = [f"Ollama: {out / MODELFILE}", *(f"Note: {note}" for note in (*made.notes, *notes))]
    lines += replay_lines(job, made.trained, made.source, made.exported, made.notes, file.with_suffix(".replay.json"))
    lines.append("Not run in Ollama itself: the replay is llama.cpp's, which Ollama runs.")
    return Exported((*lines, "", f"Next: ollama create {name} -f {out / MODELFILE} && ollama run {name}"), out)


def modelfile(template: ChatTemplate, marks: TurnMarks, made: GgufExport) -> tuple[str, list[str]]:
    """(the Modelfile's text, notes); `marks` are those of `template`."""
    assert made.exported is not None
    reader = open_gguf(made.exported.gguf)
    notes = ["the Modelfile's template writes plain turns; tools and schemas in it are not those of the training"]
    if trims(template):
        notes.append("the base's template takes white space off the ends of a question, and Ollama's does not")
    names = template.tokenizer.convert_ids_to_tokens(list(template.stop_token_ids))
    adapter = [f"ADAPTER ./{made.file.name}"] if made.exported.adapter else []
    base = f"./{made.file.name}" if not adapter else str(made.exported.gguf.resolve())
    moved = [f"# On another machine, name the same base there: {made.exported.gguf.name}"] if adapter else []
    lines = [
        *moved,
        f"FROM {base}",
        *adapter,
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_ctx {_context(reader)}",
        *(f'PARAMETER stop "{name}"' for name in names),
        # Without one, Ollama may take a template of its own that looks alike, and lose the default system turn.
        f'TEMPLATE """{marks.go(with_start=not adds_bos(reader))}"""',
    ]
    return "\n".join(lines) + "\n", notes


def adds_bos(reader: GGUFReader) -> bool:
    """Whether llama.cpp puts the BOS token before a prompt: what the file says, else what its kind of vocabulary means
    (src/llama-vocab.cpp)."""
    said = field(reader, "tokenizer.ggml.add_bos_token")
    if said is not None:
        return bool(said)
    is_llama3 = field(reader, "tokenizer.ggml.pre") in ("llama3", "llama-v3", "llama-bpe")
    return field(reader, "tokenizer.ggml.model") == "llama" or is_llama3


def _context(reader: GGUFReader) -> int:
    architecture = field(reader, "general.architecture")
    return min(int(field(reader, f"{architecture}.context_length", LONGEST_CONTEXT)), LONGEST_CONTEXT)


def _template(folder: Path, source: BaseSource) -> ChatTemplate:
    """The chat template that the tuned model was trained with."""
    if is_model(folder):
        return load_chat_template(folder)[0]
    base, _ = load_chat_template(model_folder(source))
    return adapter_chat_template(folder, base)
