"""The tiny GGUF base of the GGUF tests."""

from tests.export.gguf.conftest import build, gguf_cache, tiny_gguf

__all__ = ["build", "gguf_cache", "tiny_gguf"]
