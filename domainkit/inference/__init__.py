"""Backends: what turns a request into text. One line each."""

from domainkit.registry import Table

BACKENDS = Table(
    "backend",
    {
        "echo": "domainkit.inference.echo:EchoBackend",
        "local": "domainkit.inference.local:local_backend",
        "prompt lengths": "domainkit.inference.server.prompt_lengths:PromptLengths",
        "served": "domainkit.inference.server.served_base:ServedBase",
        "server": "domainkit.inference.server.backend:ServerBackend",
        "vllm": "domainkit.inference.vllm_backend.backend:VLLMBackend",
    },
    group="domainkit.backends",
)
