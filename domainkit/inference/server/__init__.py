"""A backend that asks an OpenAI-compatible server."""
