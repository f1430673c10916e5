"""What leaves domainkit: adapters and merged models for other engines, servers and the hub. One line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domainkit.registry import Table

if TYPE_CHECKING:
    from domainkit.export.target import ExportTarget

EXPORTS: Table[ExportTarget] = Table(
    "export target",
    {
        "gguf": "domainkit.export.gguf.target:export_gguf",
        "hub": "domainkit.export.hub.target:export_hub",
        "merged": "domainkit.export.merge:export_merged",
        "ollama": "domainkit.export.ollama.target:export_ollama",
        "plain-lora": "domainkit.export.plain_lora:export_plain_lora",
        "vllm": "domainkit.export.vllm:export_vllm",
    },
    group="domainkit.exports",
)
"""A line names an `ExportTarget`: a function from an `ExportJob` to an `Exported`, declared with `@export_target()`."""
