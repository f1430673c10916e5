"""The help of key=value settings, made from the fields' own documentation."""

from __future__ import annotations

from pydantic import BaseModel

from domainkit.comparison.config import CompareConfig
from domainkit.training.config import PreferenceConfig, TrainConfig


def describe_fields(model: type[BaseModel], leave_out: tuple[str, ...] = ()) -> str:
    """One line a field: name, default, meaning."""
    lines = []
    for name, field in model.model_fields.items():
        if name in leave_out:
            continue
        default = field.get_default(call_default_factory=True)
        meaning = " ".join((field.description or "").split())
        lines.append(f"{name} ({'left out' if default in (None, {}) else default}): {meaning}")
    return "\n\n".join(lines)


EPILOG_TRAIN = "A run file, and settings that override it:\n\n" + describe_fields(TrainConfig, ("base", "method"))
EPILOG_COMPARE = "A run file, and settings that override it:\n\n" + describe_fields(CompareConfig, ("base",))
EPILOG_PREFER = "A run file, and settings that override it:\n\n" + describe_fields(
    PreferenceConfig, ("base", "method", "objective")
)
