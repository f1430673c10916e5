"""What domainkit exports: merged bases, plain LoRA adapters, and the commands of other servers. One file and one line a
target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainkit.registry import Table

if TYPE_CHECKING:
    from domainkit.export.target import ExportTarget

EXPORTS: Table[ExportTarget] = Table(
    "export target",
    {
        "merged": "domainkit.export.merge:export_merged",
        "plain-lora": "domainkit.export.plain_lora:export_plain_lora",
        "vllm": "domainkit.export.vllm:export_vllm",
    },
    group="domainkit.exports",
)
"""A line names a function that takes an `ExportJob` and returns an `Exported`."""

__all__ = ["EXPORTS"]
