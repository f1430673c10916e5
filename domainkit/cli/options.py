"""Help texts made from the configs: the meaning of a config's field is written once, under the field."""

from __future__ import annotations

from pydantic import BaseModel

from domainkit.comparison.config import CompareConfig
from domainkit.corpus.rows import row_formats
from domainkit.training.config import PreferenceConfig, TrainConfig


def field_help(model: type[BaseModel], name: str) -> str:
    """What the field `name` means, on one line."""
    return " ".join((model.model_fields[name].description or "").split())


def describe_fields(model: type[BaseModel], leave_out: tuple[str, ...] = ()) -> str:
    """A paragraph for each field: its name, default and meaning."""
    paragraphs = []
    for name, field in model.model_fields.items():
        if name not in leave_out:
            default = field.get_default(call_default_factory=True)
            value = "left out" if default in (None, {}) else default
            paragraphs.append(f"{name} ({value}): {field_help(model, name)}")
    return "\n\n".join(paragraphs)


ROWS_HELP = f"{row_formats()}, a folder that datasets saved, or hf:owner/name[:config][/split]; layouts are recognised."
MAP_HELP = (
    "Columns of a file in no known layout: input=COLUMN,target=COLUMN; a name with commas stands in double quotes."
)

_HEADING = "A run file, and settings that override it:\n\n"
EPILOG_TRAIN = _HEADING + describe_fields(TrainConfig, ("base", "method"))
EPILOG_COMPARE = _HEADING + describe_fields(CompareConfig, ("base",))
EPILOG_PREFER = _HEADING + describe_fields(PreferenceConfig, ("base", "method", "objective"))
