"""A backend that gets its answers from an OpenAI-compatible server."""
