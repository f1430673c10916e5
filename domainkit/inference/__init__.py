"""Backends: what turns a request into text. One line each.

What company does to an answer: rows of a shared pass do not see one another, and a seeded row draws from numbers of its own. But
a pass over more rows multiplies matrices of other shapes, which the library may sum in another order, so logits can move in their
last digits; a greedy text changes only where its two best tokens are nearer than that. benchmarks/batch_invariance.py counts it.
"""

from domainkit.registry import Table

BACKENDS = Table(
    "backend",
    {
        "echo": "domainkit.inference.echo:EchoBackend",
        "local": "domainkit.inference.local:local_backend",
        "server": "domainkit.inference.server.backend:ServerBackend",
    },
    group="domainkit.backends",
)
